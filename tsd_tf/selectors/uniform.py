"""I3D_E: frames at equal intervals."""

import keras
import numpy as np

from tsd_tf.selectors.fixed_frames import FixedFrames


@keras.saving.register_keras_serializable("tsd_tf")
class Uniform(FixedFrames):
    """T_s frames at equal intervals: floor(j T / T_s) for j = 0 .. T_s - 1 (Section 3.3, I3D_E).

    The paper gives no offset; the first frame is always one of them.
    """

    def indices(self) -> np.ndarray:
        return np.arange(self.num_distilled_frames) * self.num_frames // self.num_distilled_frames
