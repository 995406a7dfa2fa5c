"""The answer of the cloud half."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tsd_tf.contract import signatures

_TOLERANCE = 0.05  # of a sum of probabilities: in bfloat16 they have three digits


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the cloud half says of one clip.

    Attributes:
        probabilities: float32 (num_classes,).
        classes: names of the likeliest classes, likeliest first.
        version: of the model that answered; None if the protocol does not tell.
    """

    probabilities: np.ndarray
    classes: tuple[str, ...]
    version: int | None

    @classmethod
    def of(cls, probabilities: Any, classes: Any, version: int | None) -> "Answer":
        """An answer from whatever a server sent.

        Args:
            probabilities: (1, num_classes) of numbers.
            classes: one sequence of str, likeliest first.
            version: see Answer.

        Raises:
            ValueError: they are none; it says what they are.
        """
        found = np.asarray(probabilities)
        if found.ndim != 2 or len(found) != 1 or not found.size or found.dtype.kind not in "fiu":
            raise ValueError(f"{signatures.PROBABILITIES} of type {found.dtype} and shape {found.shape}")
        with np.errstate(all="ignore"):
            values = found[0].astype(np.float32)
            total, least = values.sum(dtype=np.float64), values.min()
        # Written so that NaN counts as wrong.
        if not (abs(total - 1) <= _TOLERANCE and least >= -_TOLERANCE):
            raise ValueError(f"{signatures.PROBABILITIES} that add up to {total:g}, the least {least:g}")
        is_one = isinstance(classes, Sequence) and len(classes) == 1 and isinstance(classes[0], list | tuple)
        names = tuple(classes[0]) if is_one else ()
        if not 0 < len(names) <= len(values) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{signatures.CLASSES} that are no names")
        return cls(values, names, version)
