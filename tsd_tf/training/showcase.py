"""What the client makes of a few fixed clips, for TensorBoard."""

import numpy as np

from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.training.matrix_statistics import is_learned
from tsd_tf.video import pictures

_NUM_CLIPS = 4


class Showcase:
    """Writes the histogram of P on four fixed clips, and for the first one a picture: uniform and distilled frames, P.

    Only where P is learned; other selectors write nothing.

    Args:
        network: the FewFrameNetwork that is trained.
        config: its Config.
        records: a Records; the clips are of its first intact videos.
        summaries: Summaries.
    """

    def __init__(self, network, config, records, summaries):
        self.network = network
        self.config = config
        self.records = records
        self.summaries = summaries
        self.clips = None

    def write(self, total_steps):
        """Shows the network as it is now, after `total_steps` steps; of a P that is not finite the next loss tells."""
        if not is_learned(self.network.selector):
            return
        if self.clips is None:
            self.clips = self._read()
        frames, seeds = self.clips
        inputs = to_network_input(frames)
        matrix = self.network.transformation_matrix(inputs, seeds=seeds, training=False)
        if not np.isfinite(matrix).all():
            return
        distilled = np.asarray(to_uint8(self.network.frame_distillation(inputs[:1], matrix[:1])))[0]
        self.summaries.histogram("P", matrix, total_steps)
        picture = pictures.distilled_beside_uniform(frames[0].numpy(), distilled, np.asarray(matrix[0]))
        self.summaries.image("uniform, distilled, P", picture, total_steps)
        self.summaries.flush()

    def _read(self):
        options = {"num_clips": 1, "batch_size": _NUM_CLIPS, "seed": self.config.seed}
        with EvaluationClips(self.records, self.config.clip_spec, **options) as clips:
            batch = next(iter(clips))
        return batch["frames"][:, 0], batch["seed"][:, 0]
