"""An answer of REST as it goes back."""

from typing import NamedTuple


class RestAnswer(NamedTuple):
    """What a backend said, or what the gateway says in its place.

    Attributes:
        status: of HTTP.
        content_type: value of Content-Type.
        body: may be empty.
    """

    status: int
    content_type: str
    body: bytes
