"""What clips look like, whoever reads them."""

import dataclasses
from collections.abc import Callable
from typing import Any

CONSECUTIVE, SEGMENTS = FRAME_SAMPLINGS = ("consecutive", "segments")


@dataclasses.dataclass(frozen=True)
class ClipSpec:
    """The clips that a network takes.

    Attributes:
        num_frames: frames of a clip.
        crop_size: pixels of the square crop.
        num_classes: labels lie in [0, num_classes).
        random_flip: mirrors half of the training clips.
        augment: the user's own augmentation, or None: a pure function of TensorFlow operations, (frames, seed) ->
            frames, both uint8 (num_frames, crop_size, crop_size, 3), seed int32 (2,). It is applied to training clips
            after the crop and the flip; the seed is drawn for it alone.
        frame_sampling: CONSECUTIVE frames from a random start, where shorter videos are looped; or one frame from each
            of as many SEGMENTS of the whole video, which are of equal length.
    """

    num_frames: int
    crop_size: int
    num_classes: int
    random_flip: bool = False
    augment: Callable[[Any, Any], Any] | None = None
    frame_sampling: str = CONSECUTIVE

    def __post_init__(self) -> None:
        for name in ("num_frames", "crop_size", "num_classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
        if self.frame_sampling not in FRAME_SAMPLINGS:
            raise ValueError(
                f"`frame_sampling` must be one of {', '.join(FRAME_SAMPLINGS)}. "
                f"Received: frame_sampling={self.frame_sampling}"
            )
