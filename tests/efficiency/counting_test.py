import keras
import pytest
from keras import ops

from tsd_tf.efficiency.counting import multiply_accumulates, parameters
from tsd_tf.efficiency.measurement import milliseconds
from tsd_tf.layers import FrameDistillation, TSDBlock
from tsd_tf.main_networks import C3D, TSN, ResNet3D18

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (keras.layers.Conv2D(5, 3, padding="same"), (1, 8, 6, 4), 8 * 6 * 5 * 9 * 4),
        (keras.layers.Conv2D(5, 3, strides=2, padding="valid"), (1, 9, 7, 4), 4 * 3 * 5 * 9 * 4),
        (keras.layers.Conv3D(5, (1, 3, 3), padding="same"), (1, 2, 8, 6, 4), 2 * 8 * 6 * 5 * 9 * 4),
        (keras.layers.DepthwiseConv2D(3, padding="same"), (1, 8, 6, 4), 8 * 6 * 4 * 9),
        (keras.layers.Dense(7), (1, 11), 77),
        (keras.layers.Dense(7), (1, 2, 3, 11), 2 * 3 * 77),
        (keras.layers.BatchNormalization(), (1, 8, 6, 4), 0),
        (keras.layers.MaxPooling2D(), (1, 8, 6, 4), 0),
    ],
)
def test_counts_by_hand(layer, shape, expected):
    layer.build(shape)
    assert multiply_accumulates(layer, shape) == expected


def test_equation_1_and_products_of_both_orders():
    assert multiply_accumulates(FrameDistillation(), (1, 8, 4, 6, 3), (1, 8, 5)) == 8 * 5 * 4 * 6 * 3
    assert multiply_accumulates(lambda a, b: ops.matmul(ops.transpose(a), b), (3, 4), (3, 5)) == 60


@pytest.mark.parametrize("output_kernel", [1, 3])
def test_a_changed_block_changes_the_count(output_kernel):
    block = TSDBlock(5, embedding_channels=16, output_kernel=output_kernel)
    shape = (1, 20, 3, 3, 32)
    block.build(shape)
    taps = output_kernel**3
    expected = 20 * 9 * 2 * 32 * 16 + taps * 20 * 5 * 9 * 16 + 20 * 5 * 9 * 16
    assert multiply_accumulates(block, shape) == expected
    assert parameters(block) == 2 * 32 * 16 + taps * 20 * 5


def test_resnet_3d_18():
    model = ResNet3D18(400)
    model.build((1, 5, 112, 112, 3))
    counted = [round(multiply_accumulates(model, (1, length, 112, 112, 3)) / 1e9, 2) for length in (5, 10, 16, 20)]
    assert counted == [14.70, 26.96, 40.70, 51.48]


def test_c3d():
    model = C3D(400)
    shape = (1, 16, 112, 112, 3)
    model.build(shape)
    assert round(multiply_accumulates(model, shape) / 1e9, 3) == 38.549


def test_bn_inception_a_frame():
    model = TSN(400)
    shape = (1, 1, 224, 224, 3)
    model.build(shape)
    assert multiply_accumulates(model, shape) == 2_031_985_664


def test_milliseconds_are_those_of_a_call():
    assert 0 < milliseconds(lambda frames: frames * 2, (1, 2, 4, 4, 3), 3) < 1000
