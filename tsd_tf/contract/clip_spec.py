"""What clips look like, whoever reads them."""

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class ClipSpec:
    """The clips that a network takes.

    Attributes:
        num_frames: consecutive frames of a clip; shorter videos are looped.
        crop_size: pixels of the square crop.
        num_classes: labels lie in [0, num_classes).
        random_flip: mirrors half of the training clips.
        augment: the user's own augmentation, or None: a pure function of TensorFlow operations, (frames, seed) ->
            frames, both uint8 (num_frames, crop_size, crop_size, 3), seed int32 (2,). It is applied to training clips
            after the crop and the flip; the seed is drawn for it alone.
    """

    num_frames: int
    crop_size: int
    num_classes: int
    random_flip: bool = False
    augment: Callable[[Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        for name in ("num_frames", "crop_size", "num_classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
