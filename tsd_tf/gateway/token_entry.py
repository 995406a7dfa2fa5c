"""A token as a file names it: by its hash, with a name and quotas."""

import dataclasses
import re

import limits

from tsd_tf.contract.errors import UserError

QUOTAS = ("rate", "bytes")  # of requests, and of their bytes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_QUOTA = re.compile(r"[1-9]\d*/\d*[a-z]+")  # one of what `limits` reads, in one word


@dataclasses.dataclass(frozen=True)
class TokenEntry:
    """A line of the file.

    Attributes:
        name: of whoever holds the token: 1 to 64 letters, digits, dots, hyphens and underscores.
        sha256: of the token, 64 hexadecimal digits.
        rate, bytes: quotas of requests and of their bytes, as `limits` writes them: "20/second", "5000000000/day".
            None for no quota.
    """

    name: str
    sha256: str
    rate: str | None = None
    bytes: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(  # which is not shown: it may be a token
                "`name` must be 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first"
            )
        if not _HASH.fullmatch(self.sha256):
            raise UserError(f"expected a token's SHA-256 as 64 hexadecimal digits, got {len(self.sha256)} characters")
        for quota in QUOTAS:
            value = getattr(self, quota)
            try:
                if value is not None and not _QUOTA.fullmatch(value):
                    raise ValueError(value)
                self.limit(quota)
            except ValueError as error:
                raise UserError(
                    f"`{quota}` must be a number per second, minute, hour or day, as in 20/second. "
                    f"Received: {quota}={value}"
                ) from error

    def limit(self, quota: str) -> limits.RateLimitItem | None:
        """One of its quotas, "rate" or "bytes"; None if it has none."""
        value = getattr(self, quota)
        return None if value is None else limits.parse(value)

    def line(self) -> str:
        """The line that `parse` reads."""
        return " ".join(
            [self.name, self.sha256, *(f"{key}={getattr(self, key)}" for key in QUOTAS if getattr(self, key))]
        )
