"""How a video becomes the clips of a model."""

import dataclasses

from tsd_tf.config import Config


@dataclasses.dataclass(frozen=True)
class ClipFormat:
    """What a model's clips look like, and how the frames of a video become them: as those of its training were made.

    Attributes:
        num_frames, num_distilled_frames: T and T_s.
        frame_size: edge of the square frames, pixels.
        short_side: pixels that a video's short side is resized to before the centre crop.
        frames_per_second: rate of the frames of a clip.
        square_pixels: whether a video's ratio of the pixels' sides is obeyed.
    """

    num_frames: int
    num_distilled_frames: int
    frame_size: int
    short_side: int
    frames_per_second: float = 25.0
    square_pixels: bool = False

    @classmethod
    def of(cls, config: Config) -> "ClipFormat":
        """That of a run; UserError for one of segments of whole videos."""
        config.require_consecutive_frames()
        return cls(
            num_frames=config.num_frames,
            num_distilled_frames=config.num_distilled_frames,
            frame_size=config.crop_size,
            short_side=config.short_side,
            frames_per_second=config.frame_rate,
            square_pixels=config.square_pixels,
        )
