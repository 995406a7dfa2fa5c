"""Selection by indices that do not depend on the clip."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from tsd_tf.selectors.selector import Selector


def one_hot_matrix(indices: Sequence[int] | np.ndarray, num_frames: int) -> np.ndarray:
    """P that picks the frames `indices`, in their order.

    Returns:
        (num_frames, len(indices)) float32; column j is one-hot at indices[j].
    """
    matrix = np.zeros((num_frames, len(indices)), "float32")
    matrix[np.asarray(indices), np.arange(len(indices))] = 1.0
    return matrix


class FixedFrames(Selector):
    """Base of the selectors whose P is the same for every clip; a subclass gives `indices()`."""

    looks_at_frames = False

    def indices(self) -> np.ndarray:
        """The T_s frame indices in [0, T), ascending, as a NumPy int array."""
        raise TypeError(f"{type(self).__name__} must give its frame indices")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_frames(input_shape)

    def call(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        matrix = ops.convert_to_tensor(one_hot_matrix(self.indices(), self.num_frames))
        batch = ops.shape(frames)[0]
        return ops.broadcast_to(matrix[None], (batch, self.num_frames, self.num_distilled_frames))
