"""Which frames of a stream make a clip."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any


def sliding(frames: Iterable[Any], num_frames: int, stride: int, loops: bool = True) -> Iterator[tuple[int, list[Any]]]:
    """Cuts a stream into clips that cover all of its frames.

    A clip starts every `stride` frames, and the last one ends with the stream.

    Args:
        frames: the stream; of any type.
        num_frames: T.
        stride: frames between the starts of two clips, 1 to T.
        loops: whether a stream shorter than a clip is looped, as in evaluation; otherwise it makes none.

    Yields:
        (start, clip): index of the clip's first frame and the list of its T frames.
    """
    window: collections.deque[Any] = collections.deque(maxlen=num_frames)
    count, next_end = 0, num_frames
    for frame in frames:
        window.append(frame)
        count += 1
        if count == next_end:
            yield count - num_frames, list(window)
            next_end += stride
    if 0 < count < num_frames:
        if not loops:
            return
        looped = list(window)
        yield 0, [looped[index % count] for index in range(num_frames)]
    elif count and count != next_end - stride:
        yield count - num_frames, list(window)
