"""A file of the web page as it is sent."""

import contextlib
import dataclasses
import hashlib
import pathlib

# Of all that a page is made of: browsers are told to believe what they are told.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".m4v": "video/mp4",
    ".mjs": "text/javascript; charset=utf-8",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
}
_OTHER = "application/octet-stream"
GZIP_SUFFIX = ".gz"


@dataclasses.dataclass(frozen=True)
class PageFile:
    """Bytes, and what is said of them.

    Attributes:
        content: the file's.
        gzipped: the same, compressed; None if there is no such file beside it.
        content_type: value of Content-Type.
        etag: value of a weak ETag: of both forms.
    """

    content: bytes
    gzipped: bytes | None
    content_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, name: str, gzipped: bytes | None = None) -> "PageFile":
        """From contents and the file's name, which tells the type."""
        content_type = _TYPES.get(pathlib.PurePath(name).suffix.lower(), _OTHER)
        return cls(content, gzipped, content_type, hashlib.sha256(content).hexdigest()[:32])

    @classmethod
    def read(cls, path: pathlib.Path) -> "PageFile":
        """From a file, and its compressed form if it lies beside it, under the same name with .gz.

        Raises:
            OSError: it cannot be read.
        """
        gzipped = None
        with contextlib.suppress(FileNotFoundError):
            gzipped = path.with_name(path.name + GZIP_SUFFIX).read_bytes()
        return cls.of(path.read_bytes(), path.name, gzipped)
