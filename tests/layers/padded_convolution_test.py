import contextlib
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import ConvNorm, Unit3D, padded_convolution
from tsd_tf.layers.padded_convolution import input_gradient, input_gradients
from tsd_tf.layers.unit_3d import same_padding


def scattered(upstream, kernel, strides, before, size):
    """The gradient by its definition: every output gives its own to the inputs under its window."""
    lengths = kernel.shape[: len(size)]
    # Room for every window, and for inputs behind the last one.
    room = np.multiply(upstream.shape[1:-1], strides) + lengths + before + size
    found = np.zeros((len(upstream), *room, kernel.shape[-2]))
    for place in np.ndindex(upstream.shape[1:-1]):
        starts = np.multiply(place, strides)
        window = tuple(slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
        found[(slice(None), *window)] += np.moveaxis(kernel @ upstream[(slice(None), *place)].T, -1, 0)
    return found[(slice(None), *(slice(zeros, zeros + count) for zeros, count in zip(before, size, strict=True)))]


@pytest.mark.parametrize(
    ("kernel_size", "strides"),
    [((7, 7, 7), (2, 2, 2)), ((1, 3, 3), (1, 2, 2)), ((2, 5, 4), (3, 1, 2)), ((1, 1, 1), (2, 2, 2)), ((7, 3), (2, 2))],
)
@pytest.mark.parametrize("size", [(1, 8, 9), (4, 7, 8), (5, 9, 10)])
def test_every_output_gives_its_gradient_to_its_window(kernel_size, strides, size):
    size = size[-len(kernel_size) :]
    draw = np.random.default_rng(0)
    kernel = draw.standard_normal((*kernel_size, 3, 4)).astype("float32")
    before = [same_padding(*axis)[0] for axis in zip(size, kernel_size, strides, strict=True)]
    outputs = [-(-count // stride) for count, stride in zip(size, strides, strict=True)]
    upstream = draw.standard_normal((2, *outputs, 4)).astype("float32")
    found = input_gradient(ops.convert_to_tensor(upstream), ops.convert_to_tensor(kernel), strides, before, size)
    assert tuple(found.shape) == (2, *size, 3)
    expected = scattered(upstream, kernel, strides, before, size)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-4, atol=1e-4)


class Behind(keras.layers.Layer):
    """A layer behind frames that are variables, so that they have a gradient."""

    def __init__(self, layer, frames, name):
        super().__init__(name=name)
        self.layer = layer
        self.frames = self.add_weight(shape=frames.shape, name="frames")
        self.frames.assign(frames)
        self.built = True

    def call(self, scale, training=None):
        return self.layer(self.frames * scale, training=training)


LAYERS = {
    "Unit3D": lambda: Unit3D(4, 7, 2, name="unit"),
    "Unit3D in space": lambda: Unit3D(4, (1, 7, 7), (1, 2, 2), name="unit"),
    "ConvNorm": lambda: ConvNorm(4, (3, 7, 7), 2, name="unit"),
    "ConvNorm of images": lambda: ConvNorm(4, (7, 7), 2, name="unit"),
}


@pytest.fixture
def called(monkeypatch):
    """A list that grows by one whenever `input_gradient` takes the place of the plain gradient."""
    calls = []
    monkeypatch.setattr(
        padded_convolution, "input_gradient", lambda *arguments: calls.append(1) or input_gradient(*arguments)
    )
    return calls


@pytest.mark.parametrize(("name", "trainable"), itertools.product(LAYERS, (True, False)))
def test_a_layer_has_the_gradients_of_its_plain_convolution(gradients, called, name, trainable):
    shape = (2, 12, 13, 3) if "images" in name else (2, 5, 12, 13, 3)
    frames = np.random.default_rng(1).standard_normal(shape).astype("float32")

    def found(way):
        keras.utils.set_random_seed(0)
        layer = LAYERS[name]()
        layer.build(shape)
        layer.trainable = trainable  # In stage 1 it is not: the gradient runs through it alone.
        toward = np.random.default_rng(2).standard_normal(layer.compute_output_shape(shape)).astype("float32")
        with input_gradients(way):
            return gradients(
                Behind(layer, frames, name="behind"),
                lambda y: ops.sum(ops.multiply(y, toward)),
                np.float32(1),
                training=True,
            )

    usual = found("plain")
    assert not called
    fast = found("blocks")
    assert called
    assert fast.keys() == usual.keys()
    assert len(fast) == (1 if not trainable else 3 + name.startswith("Conv"))
    for path, value in fast.items():
        assert np.abs(usual[path]).max() > 0.1
        np.testing.assert_allclose(value, usual[path], rtol=1e-3, atol=1e-4)


def test_the_backend_chooses_the_gradient(gradients, called):
    layer = ConvNorm(2, (3, 3), 2, name="unit")
    layer.build((1, 5, 5, 3))
    behind = Behind(layer, np.ones((1, 5, 5, 3), "float32"), name="behind")
    gradients(behind, lambda y: ops.sum(y), np.float32(1), training=True)
    assert bool(called) is (keras.backend.backend() != "torch")


def test_a_way_it_does_not_know_and_the_end_of_a_context():
    with pytest.raises(ValueError, match="`way` must be one of auto, plain, blocks. Received: way='fast'"):
        input_gradients("fast").__enter__()
    with contextlib.suppress(RuntimeError), input_gradients("plain"):
        raise RuntimeError
    assert padded_convolution._way == "auto"
