"""What is known of one request, for log and metrics."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator


@dataclasses.dataclass
class RequestRecord:
    """Filled in while a request is answered; never with a token or with contents.

    Attributes:
        protocol: "grpc", "rest", or "page" for the web page's files.
        peer: address of whoever is connected.
        method: of gRPC, or of HTTP with its path.
        token: name of the token; "" if there is none.
        model, signature: that it names; "" if unknown.
        codec: how the frames travel: one of video.codec.CODECS, "json", "mixed" or "other"; "" if there are no frames.
        clips: how many it holds; None if unknown.
        status: of the answer: a code of gRPC by name, or of HTTP by number.
        bytes_in: of the message or body.
        decode_seconds, backend_seconds, total_seconds: that it took; None for what was not done.
        reason: why it was refused, in a word; "" if it was answered.
    """

    protocol: str
    peer: str
    method: str
    token: str = ""
    model: str = ""
    signature: str = ""
    codec: str = ""
    clips: int | None = None
    status: str = ""
    bytes_in: int = 0
    decode_seconds: float | None = None
    backend_seconds: float | None = None
    total_seconds: float | None = None
    reason: str = ""

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Notes how long a backend takes to answer."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.backend_seconds = time.monotonic() - start
