"""A rendered video and the truth about it."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class SampleVideo:
    """A video that shows an event for some of its frames.

    Attributes:
        frames: (num_frames, size, size, 3) uint8 RGB.
        label: index into the scene's class names.
        event_start: first frame of the event.
        event_frames: frames that the event lasts.
        poses: (num_frames, motion.POSE_SIZE) float32, the actor's pose in each frame; None where there is no actor.
    """

    frames: np.ndarray
    label: int
    event_start: int
    event_frames: int
    poses: np.ndarray | None = None

    def trimmed(self, num_frames: int = 8) -> "SampleVideo":
        """The part around the middle of the event, as an annotator would cut it out.

        Args:
            num_frames: its length. Where the event lasts longer, it fills all of it.
        """
        start = self.event_start - (num_frames - self.event_frames) // 2
        start = min(max(start, 0), len(self.frames) - num_frames)
        part = slice(start, start + num_frames)
        event_start = max(self.event_start - start, 0)
        event_end = min(self.event_start + self.event_frames - start, num_frames)
        poses = None if self.poses is None else self.poses[part]
        return SampleVideo(self.frames[part], self.label, event_start, event_end - event_start, poses)
