"""I3D: consecutive frames."""

import keras
import numpy as np

from tsd_tf.selectors.fixed_frames import FixedFrames


@keras.saving.register_keras_serializable("tsd_tf")
class Consecutive(FixedFrames):
    """The first T_s frames of the clip: I3D's test on T_s consecutive frames (Section 4.1).

    The clip itself starts at random, so these are T_s consecutive frames at a random place in the video.
    """

    def indices(self) -> np.ndarray:
        return np.arange(self.num_distilled_frames)
