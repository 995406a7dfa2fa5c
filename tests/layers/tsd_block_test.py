import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.layers import TSDBlock

KERNELS = ("w_alpha", "w_beta", "w_gamma")


def convolve_same(volume, kernel):
    """SAME 3D convolution by its definition: (D, H, W, in) * (k, k, k, in, out) -> (D, H, W, out)."""
    depth, height, width, _ = volume.shape
    size = kernel.shape[0]
    padded = np.pad(volume, [((size - 1) // 2, size // 2)] * 3 + [(0, 0)])
    output = np.zeros((depth, height, width, kernel.shape[-1]))
    for d in range(depth):
        for h in range(height):
            for w in range(width):
                window = padded[d : d + size, h : h + size, w : w + size]
                output[d, h, w] = np.einsum("abci,abcio->o", window, kernel)
    return output


def oracle(features, w_alpha, w_beta, w_gamma, logit_scale):
    """Equations 2 to 4 on one clip (T, H, W, C), in float64; P as (T, T_s). The scale may differ between columns."""
    alpha = np.einsum("thwc,ce->thwe", features, w_alpha)
    o = convolve_same(np.transpose(alpha, (1, 2, 3, 0)), w_beta)  # (H, W, C', T) -> (H, W, C', T_s)
    g = np.einsum("thwc,ce->thwe", features, w_gamma)  # (T, H, W, C')
    num_frames, num_distilled = g.shape[0], o.shape[-1]
    scales = np.broadcast_to(logit_scale, num_distilled)
    logits = np.zeros((num_frames, num_distilled))
    for i in range(num_frames):
        for j in range(num_distilled):
            logits[i, j] = scales[j] * np.sum(g[i] * o[..., j])
    exponentials = np.exp(logits - logits.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def features(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@pytest.mark.parametrize(
    ("num_distilled_frames", "output_kernel", "logit_scale"), [(3, 3, 1.0), (6, 1, 0.25), (2, 2, 1.0)]
)
def test_equals_equations_2_to_4(num_distilled_frames, output_kernel, logit_scale):
    block = TSDBlock(
        num_distilled_frames,
        embedding_channels=5,
        output_kernel=output_kernel,
        initializer_stddev=0.3,
        logit_scale=logit_scale,
    )
    clips = features(0, 2, 6, 3, 4, 7)
    matrix = ops.convert_to_numpy(block(clips))
    w_alpha, w_beta, w_gamma = (ops.convert_to_numpy(getattr(block, name).kernel).astype("float64") for name in KERNELS)
    for clip, answer in zip(clips, matrix, strict=True):
        expected = oracle(clip.astype("float64"), w_alpha, w_beta, w_gamma, logit_scale)
        assert np.ptp(expected) > 0.05  # A uniform P would hide mistakes.
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


def test_the_automatic_scale_is_that_of_its_formula():
    """By its definition, in float64, with features that move about a mean."""
    block = TSDBlock(3, embedding_channels=5, initializer_stddev=0.3, logit_scale="auto")
    clips = features(0, 2, 6, 3, 4, 7) + 0.5
    matrix = ops.convert_to_numpy(block(clips))
    w_alpha, w_beta, w_gamma = (ops.convert_to_numpy(getattr(block, name).kernel).astype("float64") for name in KERNELS)
    for clip, answer in zip(clips.astype("float64"), matrix, strict=True):
        o = convolve_same(np.transpose(np.einsum("thwc,ce->thwe", clip, w_alpha), (1, 2, 3, 0)), w_beta)
        variance = clip.var(axis=0).mean() + 1e-3 * (clip**2).mean()
        power = 3 * 4 * 5 * 7 * variance * (w_gamma**2).mean() * (o**2).mean(axis=(0, 1, 2))
        expected = oracle(clip, w_alpha, w_beta, w_gamma, power**-0.5)
        assert np.ptp(expected) > 0.05
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stddev", [0.01, 0.3])
@pytest.mark.parametrize(("edge", "channels", "embedding"), [(3, 128, 64), (1, 512, 16), (7, 16, 8)])
def test_the_automatic_scale_fits_any_map_width_and_deviation(edge, channels, embedding, stddev):
    """The paper's block gives these logits deviations from 1e-5 to 20."""
    keras.utils.set_random_seed(0)
    block = TSDBlock(8, embedding, initializer_stddev=stddev, logit_scale="auto")
    still = 3 * np.abs(features(7, 2, 1, edge, edge, channels))
    logits = np.log(ops.convert_to_numpy(block(still + features(8, 2, 16, edge, edge, channels))))
    assert logits.std(axis=1).mean() == pytest.approx(1.0, rel=0.3)


def test_a_clip_that_stands_still_gets_a_uniform_matrix():
    block = TSDBlock(3, embedding_channels=4, logit_scale="auto")
    frame = features(9, 1, 1, 2, 2, 6)
    np.testing.assert_allclose(ops.convert_to_numpy(block(np.repeat(frame, 5, axis=1))), 1 / 5, atol=1e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(block(0 * np.repeat(frame, 5, axis=1))), 1 / 5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("logit_scale", [1.0, "auto"])
def test_columns_sum_to_one_in_float32(dtype, logit_scale):
    block = TSDBlock(4, embedding_channels=8, initializer_stddev=0.5, logit_scale=logit_scale, dtype=dtype)
    matrix = block(features(1, 3, 9, 2, 2, 6))
    assert keras.backend.standardize_dtype(matrix.dtype) == "float32"
    matrix = ops.convert_to_numpy(matrix)
    assert matrix.shape == (3, 9, 4)
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("logit_scale", [1.0, "auto"])
def test_gradients_reach_all_three_kernels(gradients, logit_scale):
    block = TSDBlock(2, embedding_channels=4, logit_scale=logit_scale)
    clips = features(2, 2, 5, 3, 3, 6)
    target = features(3, 2, 5, 2)
    block(clips)
    found = gradients(block, lambda matrix: ops.sum(ops.multiply(matrix, target)), clips)
    assert sorted(path.split("/")[-2] for path in found) == sorted(KERNELS)
    for path, gradient in found.items():
        assert np.abs(gradient).max() > 0, path


def test_starts_as_the_gaussian_of_section_4_2():
    block = TSDBlock(10, embedding_channels=128)
    block.build((None, 20, 3, 3, 512))
    for name in KERNELS:
        kernel = ops.convert_to_numpy(getattr(block, name).kernel)
        assert kernel.std() == pytest.approx(0.01, rel=0.05)
        assert abs(kernel.mean()) < 0.001


@pytest.mark.parametrize(("num_frames", "num_distilled_frames"), [(20, 5), (40, 10), (80, 20), (80, 40), (10, 5)])
def test_parameter_count(num_frames, num_distilled_frames):
    block = TSDBlock(num_distilled_frames)
    block.build((None, num_frames, 3, 3, 1024))
    assert block.count_params() == 2 * 1024 * 512 + 27 * num_frames * num_distilled_frames
    assert len(block.trainable_variables) == len(block.variables) == 3


def test_configuration_round_trip():
    block = TSDBlock(3, embedding_channels=4, output_kernel=1, initializer_stddev=0.2, logit_scale=0.5, name="block")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(block))
    assert again.get_config() == block.get_config()
    assert again.get_config()["logit_scale"] == 0.5


@pytest.mark.parametrize("name", ["num_distilled_frames", "embedding_channels", "output_kernel"])
def test_sizes_must_be_positive(name):
    arguments = {"num_distilled_frames": 2, name: 0}
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 1. Received: {name}=0"):
        TSDBlock(**arguments)


def test_scales_it_does_not_know():
    with pytest.raises(ValueError, match=r"`logit_scale` must be a number or 'auto'. Received: logit_scale='map'"):
        TSDBlock(2, logit_scale="map")


def test_features_it_cannot_take():
    with pytest.raises(ValueError, match=r"num_frames=4, num_distilled_frames=5"):
        TSDBlock(5).build((None, 4, 3, 3, 8))
    with pytest.raises(ValueError, match=r"known shape .* Received: input_shape=\(None, None, 3, 3, 8\)"):
        TSDBlock(5).build((None, None, 3, 3, 8))


def test_columns_in_time_order_are_the_paper_s_columns_sorted():
    clips = features(4, 3, 7, 2, 2, 6)
    plain = TSDBlock(4, embedding_channels=5, initializer_stddev=0.4)
    ordered = TSDBlock(4, embedding_channels=5, initializer_stddev=0.4, in_time_order=True)
    for block in (plain, ordered):
        block.build(clips.shape)
    ordered.set_weights(plain.get_weights())
    expected = ops.convert_to_numpy(plain(clips))
    found = ops.convert_to_numpy(ordered(clips))
    times = np.einsum("t,btj->bj", np.arange(7.0), expected)
    assert (np.diff(times, axis=1) < 0).any()  # else there is nothing to sort
    for matrix, answer, time in zip(expected, found, times, strict=True):
        np.testing.assert_allclose(answer, matrix[:, np.argsort(time)], atol=1e-6)


def test_the_paper_s_columns_are_the_default():
    assert TSDBlock(2).get_config()["in_time_order"] is False


def test_gradients_reach_all_kernels_through_the_sorting(gradients):
    block = TSDBlock(3, embedding_channels=4, initializer_stddev=0.4, in_time_order=True)
    clips, target = features(5, 2, 5, 3, 3, 6), features(6, 2, 5, 3)
    block(clips)
    found = gradients(block, lambda matrix: ops.sum(ops.multiply(matrix, target)), clips)
    assert sorted(path.split("/")[-2] for path in found) == sorted(KERNELS)
    for path, gradient in found.items():
        assert np.abs(gradient).max() > 0, path
