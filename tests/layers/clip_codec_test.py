import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import fft

from tsd_tf.layers import ClipCodec
from tsd_tf.layers import clip_codec as codec


def smooth_clip(num_frames=3, height=16, width=32, seed=0):
    """Slowly moving colours, (1, num_frames, height, width, 3) in [-1, 1]."""
    rng = np.random.default_rng(seed)
    time, y, x = np.meshgrid(np.arange(num_frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [
        np.sin(x * rng.uniform(0.1, 0.4) + y * rng.uniform(0.1, 0.4) + time * 0.2 + rng.uniform(0, 6)) for _ in range(3)
    ]
    return (0.7 * np.stack(waves, axis=-1))[None].astype("float32")


def oracle(frames, step):
    """`code` of one clip with 4:4:4, block by block, by SciPy's DCT: decoded frames and cost."""
    levels = np.round((frames.astype("float64") + 1) * 127.5)
    luma = 16 + levels @ [65.481 / 255, 128.553 / 255, 24.966 / 255]
    blue = 128 + levels @ [-37.797 / 255, -74.203 / 255, 112 / 255]
    red = 128 + levels @ [112 / 255, -93.786 / 255, -18.214 / 255]
    planes = np.stack([luma, blue, red], axis=-1)
    decoded, cost = np.zeros_like(planes), 0.0
    num_frames, height, width, _ = planes.shape
    for time, y, x, c in itertools.product(range(num_frames), range(0, height, 8), range(0, width, 8), range(3)):
        block = np.s_[y : y + 8, x : x + 8, c]
        best = None
        scale = step if time else step / 1.4
        choices = [(np.full((8, 8), 128.0), 1 / 3), *([(decoded[time - 1][block], 1 / 6)] if time else [])]
        for prediction, addend in choices:
            residual = fft.dctn(planes[time][block] - prediction, norm="ortho") / scale
            price = np.log1p(np.abs(residual)).sum()
            if best is None or price < best[0]:
                whole = np.sign(residual) * np.floor(np.abs(residual) + addend)
                best = price, prediction + fft.idctn(scale * whole, norm="ortho")
        cost += best[0]
        decoded[time][block] = best[1]
    back = np.linalg.inv([[65.481, 128.553, 24.966], [-37.797, -74.203, 112], [112, -93.786, -18.214]]) * 255
    return np.clip(np.round((decoded - [16, 128, 128]) @ back.T), 0, 255) / 127.5 - 1, cost


def test_equals_a_codec_written_block_by_block():
    frames = smooth_clip()
    step = codec.quantiser_step(24)
    decoded, cost = codec.code(frames, step, "4:4:4")
    expected, expected_cost = oracle(frames[0], step)
    assert np.abs(expected - frames[0]).max() > 4 / 127.5  # it loses something
    # A coefficient at the border between two steps may be rounded either way.
    assert np.mean(np.abs(ops.convert_to_numpy(decoded)[0] - expected) > 1e-5) < 0.02
    np.testing.assert_allclose(ops.convert_to_numpy(cost), [expected_cost], rtol=1e-4)


def test_the_matrix_is_scipys_dct():
    np.testing.assert_allclose(codec.dct_matrix(), fft.dct(np.eye(8), axis=0, norm="ortho"), atol=1e-6)


def test_roundings():
    values = np.array([-1.9, -0.6, -0.4, 0.4, 0.6, 0.8, 0.9, 1.2], "float32")
    values = ops.convert_to_tensor(values)
    np.testing.assert_array_equal(ops.convert_to_numpy(codec.rounded(values)), [-2, -1, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(ops.convert_to_numpy(codec.rounded(values, 1 / 6)), [-2, 0, 0, 0, 0, 0, 1, 1])


def test_steps_are_those_of_h264():
    assert [codec.quantiser_step(quality) for quality in (4, 10, 28)] == pytest.approx([0.992, 1.984, 15.87], rel=1e-3)


@pytest.mark.parametrize("quality", [0, 20, 36])
def test_no_pixel_is_further_off_than_its_quantiser_allows(quality):
    frames = smooth_clip(height=24, width=24)
    decoded, _ = codec.code(frames, codec.quantiser_step(quality), "4:4:4")
    error = (ops.convert_to_numpy(decoded) - frames) * 127.5
    # At most 5 / 6 of a step a coefficient, the factors from YCbCr to RGB, and the rounding of levels.
    factors = np.abs(np.linalg.inv(codec._TO_YUV)).sum()
    assert np.sqrt(np.mean(error**2)) < 5 / 6 * codec.quantiser_step(quality) * factors + 1


def test_nothing_is_lost_but_levels_with_a_tiny_step():
    frames = smooth_clip(height=13, width=19)  # neither is a multiple of a block
    decoded, _ = codec.code(frames, 1e-3, "4:4:4")
    levels = np.round((frames + 1) * 127.5)
    np.testing.assert_allclose((ops.convert_to_numpy(decoded) + 1) * 127.5, levels, atol=1e-3)


def test_half_the_colours_are_gone_in_420():
    frames = np.full((1, 1, 16, 16, 3), -1, "float32")
    frames[..., ::2, :, 0] = 1  # red and black rows
    decoded, _ = codec.code(frames, 1e-3, "4:2:0")
    rows = ops.convert_to_numpy(decoded)[0, 0]
    halved = codec._TO_YUV @ [127.5, 0, 0]
    for row, brightness in ((0, 255), (1, 0)):
        yuv = [codec._TO_YUV[0] @ [brightness, 0, 0], *halved[1:]]
        expected = np.clip(np.round(np.linalg.inv(codec._TO_YUV) @ yuv), 0, 255)
        np.testing.assert_allclose((rows[row, 3] + 1) * 127.5, expected, atol=1.01)


def test_a_coarser_quantiser_costs_less_and_loses_more():
    frames = smooth_clip()
    found = [codec.code(frames, codec.quantiser_step(quality)) for quality in (10, 20, 30, 40)]
    costs = [ops.convert_to_numpy(cost).item() for _, cost in found]
    errors = [np.square(ops.convert_to_numpy(decoded) - frames).mean() for decoded, _ in found]
    assert costs == sorted(costs, reverse=True)
    assert errors == sorted(errors)


def test_a_frame_like_the_one_before_costs_next_to_nothing():
    one = smooth_clip(num_frames=1)
    alike, different = (np.concatenate([one, second], axis=1) for second in (one, smooth_clip(1, seed=1)))
    step = codec.quantiser_step(10)
    single, twice, two = (ops.convert_to_numpy(codec.code(x, step)[1]).item() for x in (one, alike, different))
    # What is left of the second frame is the quantiser's error of the first.
    assert twice < 1.5 * single
    assert two > 1.6 * single


def test_gradients_pass_the_quantiser_and_the_rate_falls_along_them():
    frames = smooth_clip(num_frames=2)
    weights = np.random.default_rng(0).normal(size=frames.shape).astype("float32")
    step = codec.quantiser_step(28)

    def through(x):
        return ops.sum(ops.multiply(codec.code(x, step, "4:4:4")[0], weights))

    def cost(x):
        return ops.sum(codec.code(x, step, "4:4:4")[1])

    # Colours and DCT are undone: what is left is the identity.
    np.testing.assert_allclose(gradient(through, frames), weights, atol=1e-3)
    noisy = frames + 0.3 * weights / np.abs(weights).max()
    slope = gradient(cost, noisy)
    assert np.isfinite(slope).all()
    downhill = noisy - 0.02 * slope / np.abs(slope).max()
    assert ops.convert_to_numpy(cost(downhill)) < 0.98 * ops.convert_to_numpy(cost(noisy))


def gradient(function, values):
    """On every backend."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(values))
    if keras.backend.backend() == "torch":
        values = ops.convert_to_tensor(values).requires_grad_()
        function(values).backward()
        return ops.convert_to_numpy(values.grad)
    import tensorflow as tf

    values = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(values)
        result = function(values)
    return tape.gradient(result, values).numpy()


def test_frames_are_coded_in_time_order_and_come_back_in_their_own():
    frames = np.concatenate([smooth_clip(3), smooth_clip(3, seed=4)])
    orders = np.array([[2, 0, 1], [1, 2, 0]])  # the column that is shown k-th
    matrix = np.zeros((2, 6, 3), "float32")
    for clip, order in enumerate(orders):
        matrix[clip, [0, 2, 5], order] = 1
    decoded, cost = ClipCodec(24)(frames, matrix)
    for clip, order in enumerate(orders):
        expected, price = codec.code(frames[clip : clip + 1, order], codec.quantiser_step(24))
        np.testing.assert_allclose(
            ops.convert_to_numpy(decoded)[clip, order], ops.convert_to_numpy(expected)[0], atol=1e-5
        )
        np.testing.assert_allclose(ops.convert_to_numpy(cost)[clip], ops.convert_to_numpy(price)[0], rtol=1e-5)


def test_contract():
    layer = ClipCodec(31, chroma="4:4:4", name="codec")
    assert ClipCodec.from_config(layer.get_config()).get_config() == layer.get_config()
    assert layer.compute_output_shape((None, 5, 64, 48, 3), (None, 20, 5)) == ((None, 5, 64, 48, 3), (None,))
    frames, matrix = keras.Input((5, 16, 16, 3)), keras.Input((20, 5))
    decoded, cost = layer(frames, matrix)
    assert (decoded.shape, cost.shape) == ((None, 5, 16, 16, 3), (None,))
    assert layer.weights == []


@pytest.mark.parametrize(("arguments", "message"), [((-1,), "quality=-1"), ((24, "4:1:1"), "chroma='4:1:1'")])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClipCodec(*arguments)
