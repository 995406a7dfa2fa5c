import keras
import pytest

from tsd_tf.layers import ConvNorm
from tsd_tf.main_networks import C3D, TSN
from tsd_tf.selectors import TSD, Random


class WithGain(Random):
    """A user's selector, whose argument becomes something that cannot be written down."""

    def __init__(self, num_frames, num_distilled_frames, gain, **kwargs):
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        self.gain = object() if gain else None


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            ConvNorm(4, [1, 3, 3], 2),
            {
                "filters": 4,
                "kernel_size": (1, 3, 3),
                "strides": (2, 2, 2),
                "activation": True,
                "use_bias": False,
                "batch_norm_momentum": 0.9,
            },
        ),
        (
            TSD(8, 4, 16, coarse_size=32, coarse_width=0.25),
            {
                "num_frames": 8,
                "num_distilled_frames": 4,
                "coarse_size": 32,
                "coarse_width": 0.25,
                "coarse_features_layer": None,
                "coarse_batch_norm_momentum": 0.99,
                "coarse_stride": 1,
                "embedding_channels": 16,
                "output_kernel": 3,
                "initializer_stddev": 0.01,
                "logit_scale": 1.0,
                "in_time_order": False,
            },
        ),
        (
            TSN(3, width=0.04),
            {"num_classes": 3, "dropout_rate": 0.8, "width": 0.04, "batch_norm_momentum": 0.9},
        ),
        (C3D(3, width=0.01), {"num_classes": 3, "dropout_rate": 0.5, "width": 0.01}),
        (WithGain(8, 4, gain=2), {"num_frames": 8, "num_distilled_frames": 4}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_configuration_is_the_arguments_of_the_package_s_constructors(layer, expected):
    config = layer.get_config()
    for name in ("name", "trainable", "dtype"):
        del config[name]
    assert config == expected


def test_keras_own_arguments_are_kept():
    layer = ConvNorm(4, (3, 3), name="unit", trainable=False, dtype="mixed_bfloat16")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.name, again.trainable, again.dtype_policy.name) == ("unit", False, "mixed_bfloat16")
