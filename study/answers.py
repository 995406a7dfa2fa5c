"""A network's answers to all test videos as text, one base-36 digit a video: paired tests can be made of it anew."""

from collections.abc import Iterable
from typing import Any

import numpy as np

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def text(classes: Iterable[int]) -> str:
    """Class indices below 36 as a string."""
    return "".join(_DIGITS[index] for index in classes)


def classes(text: str) -> np.ndarray:
    """The class indices of a string: (num_videos,) ints."""
    return np.asarray([_DIGITS.index(digit) for digit in text])


def correct(test: dict[str, Any], clips: int) -> np.ndarray:
    """Which videos are recognised with Q = `clips`: (num_videos,) bool.

    Args:
        test: an entry of "tests" in a cell's result.
        clips: Q.
    """
    return classes(test["clips"][str(clips)]["predicted"]) == classes(test["labels"])
