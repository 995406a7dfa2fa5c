"""Who may ask, and how much: tokens by their hashes, each with a name and quotas, from a file."""

import hashlib
import hmac
import logging
import os
import pathlib
import threading
import time

import grpc
import limits

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.file_stamp import file_stamp
from tsd_tf.gateway.token_entry import QUOTAS, TokenEntry
from tsd_tf.serving.refusal import Refusal

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 0.25
_CLOCK_IS_SET = 5.0  # seconds by which it jumps


def parse(text: str, path: str | os.PathLike) -> list[TokenEntry]:
    """The entries of a file's text: a line each, `NAME SHA256 [rate=20/second] [bytes=5000000000/day]`; # comments.

    Args:
        path: of the file, for errors.

    Raises:
        UserError: a line is none; it is named by its number, and what may be a token is not shown.
    """
    entries: dict[str, TokenEntry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, sha256, *rest = words if len(words) > 1 else (words[0], "")
            quotas = dict(word.partition("=")[::2] for word in rest)
            if len(quotas) < len(rest) or not set(quotas) <= set(QUOTAS):
                raise UserError("expected NAME SHA256 [rate=20/second] [bytes=5000000000/day]")
            entry = TokenEntry(name, sha256.lower(), **quotas)
            if name in entries:
                raise UserError(f"{name} is there already")
            if any(entry.sha256 == other.sha256 for other in entries.values()):
                raise UserError(f"the token of {name} is another one's already")
        except UserError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
        entries[name] = entry
    return list(entries.values())


def read(path: str | os.PathLike) -> str:
    """The text of such a file; UserError if it cannot be read."""
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected text in UTF-8, a token a line") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def sha256(token: str) -> str:
    """The hash by which a file names a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


class Tokens:
    """Admits whoever shows a token of a file, which is read anew when it changes.

    A file that cannot be understood leaves the entries as they were and says so in the log; one that is gone leaves
    nobody. Quotas are those of a name: they outlast changes of the file, and begin anew with the process, and when the
    clock is set.

    Args:
        path: of the file, see `parse`.

    Raises:
        UserError: there is no such file, or a line of it is wrong.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._path = pathlib.Path(path)
        self._stamp, self._entries = file_stamp(path), parse(read(path), path)
        self._looked = time.monotonic()
        self._clock = time.time() - time.monotonic()
        self._storage = storage = limits.storage.MemoryStorage()
        # Both count what is asked for while the quota lasts, and nothing that is refused.
        self._limiters = {
            "rate": limits.strategies.MovingWindowRateLimiter(storage),
            "bytes": limits.strategies.FixedWindowRateLimiter(storage),
        }
        self._lock = threading.Lock()

    def admit(self, header: str | None, num_bytes: int) -> str:
        """Counts a request against the quotas of its token: `name_of` and `count` in one.

        Args:
            header: the value of Authorization, "Bearer TOKEN"; None if there is none.
            num_bytes: of the request.

        Returns:
            The name of whoever holds the token.

        Raises:
            Refusal: UNAUTHENTICATED without a token of the file; RESOURCE_EXHAUSTED beyond a quota.
        """
        name = self.name_of(header)
        self.count(name, num_bytes)
        return name

    def name_of(self, header: str | None) -> str:
        """Who asks: known before a request is read, however large it may be.

        Raises:
            Refusal: UNAUTHENTICATED without a token of the file.
        """
        with self._lock:
            self._look()
            scheme, _, token = (header or "").strip().partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise Refusal(
                    grpc.StatusCode.UNAUTHENTICATED, "expected a token: Authorization: Bearer TOKEN", "no_token"
                )
            entry = self._find(token.strip())
            if entry is None:
                raise Refusal(grpc.StatusCode.UNAUTHENTICATED, "the token is not one of this server's", "bad_token")
            return entry.name

    def count(self, name: str, num_bytes: int) -> None:
        """Counts a request against the quotas of a name.

        Raises:
            Refusal: RESOURCE_EXHAUSTED beyond a quota.
        """
        with self._lock:
            clock = time.time() - time.monotonic()
            if abs(clock - self._clock) > _CLOCK_IS_SET:  # what was counted would hold for hours, or for no time
                self._storage.reset()
            self._clock = clock
            for entry in self._entries:
                if entry.name == name:
                    self._count(entry, {"rate": 1, "bytes": num_bytes})

    def _find(self, token: str) -> TokenEntry | None:
        """Takes as long whether and where the token is found."""
        hashed, found = sha256(token), None
        for entry in self._entries:
            if hmac.compare_digest(entry.sha256, hashed):
                found = entry
        return found

    def _count(self, entry: TokenEntry, costs: dict[str, int]) -> None:
        hits = []
        for quota, cost in costs.items():
            limit, limiter = entry.limit(quota), self._limiters[quota]
            if limit is None:
                continue
            hits.append((limiter, limit, quota, cost))
            if not limiter.test(limit, quota, entry.name, cost=cost):
                wait = None
                if cost <= limit.amount:
                    wait = max(0.0, limiter.get_window_stats(limit, quota, entry.name).reset_time - time.time())
                message = f"beyond the quota of {entry.name}: {quota}={getattr(entry, quota)}"
                raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message, "quota", wait)
        for limiter, limit, quota, cost in hits:
            limiter.hit(limit, quota, entry.name, cost=cost)

    def _look(self) -> None:
        """Reads the file anew if it has changed."""
        now = time.monotonic()
        if now - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked, stamp = now, file_stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self._entries = []
            _LOG.error("%s is gone: nobody is admitted", self._path)
            return
        try:
            self._entries = parse(read(self._path), self._path)
        except UserError as error:
            _LOG.error("%s; the tokens stay as they were", error)
