"""Keras' own `fit` of a whole network, on the backend at hand; the same numbers on all of them."""

import keras
import numpy as np

from tsd_tf.layers import InceptionBlock, Unit3D
from tsd_tf.network import FewFrameNetwork
from tsd_tf.selectors import TSD

SHAPE = (4, 6, 32, 32, 3)
LABELS = np.arange(4) % 2
# By TensorFlow 2.16.2 on CPU; what the others may differ by is the order of sums.
LOSSES = [0.745535, 0.684547, 0.583941, 0.469160]


def network():
    """A tiny network whose weights are a function of their order alone.

    I3D itself is no good for this: that deep, and that narrow, rounding changes its gradients.
    """
    coarse = {"coarse_size": 32, "coarse_width": 0.25, "coarse_features_layer": "conv_pw_1_relu"}
    selector = TSD(6, 4, embedding_channels=4, logit_scale=0.02, **coarse)
    main_network = keras.Sequential(
        [
            keras.Input((4, 32, 32, 3)),
            Unit3D(8, 7, 2),
            keras.layers.MaxPooling3D((1, 3, 3), (1, 2, 2), padding="same"),
            InceptionBlock([4, 4, 8, 2, 4, 4]),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(2),
        ]
    )
    model = FewFrameNetwork(selector, main_network)
    model.build(SHAPE)
    draw = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(draw.standard_normal(variable.shape) * np.sqrt(2 / fan_in))
    return model


def test_fits_numpy_arrays_alike_on_every_backend():
    model = network()
    jax = keras.backend.backend() == "jax"  # which compiles with XLA; on CPU, TensorFlow is slower with it
    model.compile(
        keras.optimizers.SGD(0.02, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jax,
    )
    frames = np.random.default_rng(1).uniform(-1, 1, SHAPE).astype("float32")
    frames[LABELS == 1] *= 0.3
    losses = model.fit(frames, LABELS, batch_size=4, epochs=4, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, LOSSES, rtol=1e-2)
    assert losses == sorted(losses, reverse=True)
