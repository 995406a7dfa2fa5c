"""Pictures of requests, before anyone decodes them."""

import asyncio
import threading
from collections.abc import Callable, Iterable

import grpc

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.serving.refusal import Refusal
from tsd_tf.video import picture_bounds


async def check(pictures: Callable[[], Iterable[bytes]], height: int, width: int) -> None:
    """Returns if they may be decoded.

    Args:
        pictures: gives their contents; in a thread, which ends soon after whoever asks has given up.
        height, width: that are expected.

    Raises:
        Refusal: INVALID_ARGUMENT: one takes more to decode than its size explains.
    """
    given_up = threading.Event()

    def check_all() -> None:
        for contents in pictures():
            if given_up.is_set():
                return
            picture_bounds.check(contents, width, height)

    try:
        await asyncio.to_thread(check_all)
    except UnreadableVideoError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error), "picture") from error
    finally:
        given_up.set()
