"""Requests with pictures, which the backends decode: no bombs are passed on."""

from collections.abc import Callable, Iterable
from typing import Any

from tsd_tf.gateway.clip_shapes import ClipShapes
from tsd_tf.serving import pictures
from tsd_tf.serving.refusal import Refusal
from tsd_tf.serving.serving_error import ServingError


class PictureRequests:
    """Looks at the pictures of requests to the signature `jpeg`.

    Args:
        shapes: of the clips that the models take.
    """

    def __init__(self, shapes: ClipShapes) -> None:
        self._shapes = shapes

    async def check(self, spec: Any, contents: Callable[[], Iterable[bytes]], timeout: float) -> None:
        """Returns if the pictures may be decoded.

        Args:
            spec: the ModelSpec of the request.
            contents: gives those of the pictures; in a thread.
            timeout: seconds.

        Raises:
            Refusal: see pictures.check.
        """
        try:
            _, height, width = await self._shapes.of(spec, timeout)
        except Refusal:
            raise
        except ServingError:  # no such model, or one of another kind: whoever is asked next will say so
            return
        await pictures.check(contents, height, width)
