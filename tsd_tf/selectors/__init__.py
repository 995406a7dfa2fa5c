"""The frame selectors: each makes the transformation matrix P of a clip."""

from tsd_tf.selectors.coarse import CoarseSelector
from tsd_tf.selectors.consecutive import Consecutive
from tsd_tf.selectors.random import Random
from tsd_tf.selectors.segments import Segments
from tsd_tf.selectors.selector import Selector
from tsd_tf.selectors.temporal_attention import TemporalAttention
from tsd_tf.selectors.tsd import TSD
from tsd_tf.selectors.uniform import Uniform

__all__ = ["TSD", "CoarseSelector", "Consecutive", "Random", "Segments", "Selector", "TemporalAttention", "Uniform"]
