"""What sample videos are rendered by."""

from collections.abc import Sequence
from typing import Protocol

from tsd_tf.building.sample_video import SampleVideo


class Scene(Protocol):
    """Settings that say what videos show, and render them; picklable, for worker processes."""

    @property
    def class_names(self) -> list[str]:
        """The class names by label."""

    @property
    def size(self) -> int:
        """Height and width of a video, in pixels."""

    @property
    def num_frames(self) -> int:
        """Length of a video."""

    def render(self, seed: int | Sequence[int], label: int) -> SampleVideo:
        """Renders one video: a pure function of the settings and its arguments.

        Args:
            seed: one number, or several that form one seed.
            label: index into `class_names`.
        """
