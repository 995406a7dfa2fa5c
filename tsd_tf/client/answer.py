"""The answer of the cloud half."""

import dataclasses

import numpy as np


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
