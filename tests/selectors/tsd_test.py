import keras
import numpy as np
import pytest
from keras import ops

from tsd_tf.selectors import TSD
from tsd_tf.selectors.coarse import mobilenet

COARSE = {"coarse_size": 32, "coarse_width": 0.25, "coarse_features_layer": "conv_pw_3_relu", "embedding_channels": 8}


def frames(seed, batch=2, size=64):
    return np.random.default_rng(seed).uniform(-1, 1, (batch, 6, size, size, 3)).astype("float32")


def test_the_paper_s_coarse_extractor():
    model = mobilenet(112)
    assert model.output_shape == (None, 3, 3, 1024)
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == 3_206_976
    assert model.count_params() == 3_228_864


def test_client_parameters_of_the_paper():
    selector = TSD(80, 20)
    selector.build((None, 80, 224, 224, 3))
    trainable = sum(int(np.prod(variable.shape)) for variable in selector.trainable_variables)
    assert trainable == 3_206_976 + 2 * 1024 * 512 + 27 * 80 * 20


def test_matrix_is_the_block_s_answer_to_features_of_a_small_copy():
    selector = TSD(6, 2, initializer_stddev=0.3, logit_scale=2e4, **COARSE)
    clips = frames(0)
    matrix = ops.convert_to_numpy(selector(clips))
    assert matrix.shape == selector.compute_output_shape(clips.shape) == (2, 6, 2)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)
    # At half the size, bilinear interpolation is the mean of 2 x 2 pixels.
    small = clips.reshape(2, 6, 32, 2, 32, 2, 3).mean(axis=(3, 5))
    features = np.stack([ops.convert_to_numpy(selector.coarse_extractor(clip)) for clip in small])
    expected = ops.convert_to_numpy(selector.tsd_block(features))
    assert np.ptp(expected) > 0.01  # A uniform P would hide mistakes.
    np.testing.assert_allclose(matrix, expected, atol=2e-3)


def test_encode_frames_sees_single_frames():
    selector = TSD(6, 2, **COARSE)
    batch = frames(1)[0]
    together = ops.convert_to_numpy(selector.encode_frames(batch))
    alone = ops.convert_to_numpy(selector.encode_frames(batch[3:4]))
    np.testing.assert_allclose(together[3:4], alone, atol=1e-5)


def test_round_trip():
    selector = TSD(6, 2, output_kernel=1, logit_scale=0.5, initializer_stddev=0.1, **COARSE, name="selector")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(selector))
    assert again.get_config() == selector.get_config()


def test_batch_norm_momentum_and_a_layer_that_is_not_there():
    model = mobilenet(32, 0.25, "conv_pw_1_relu", batch_norm_momentum=0.7)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.momentum for layer in norms] == [0.7] * 3
    with pytest.raises(ValueError, match="must name a layer of MobileNet.*features_layer='conv_99'"):
        mobilenet(32, 0.25, "conv_99")


def test_the_dtype_policy_reaches_the_coarse_extractor():
    plain, mixed = TSD(6, 2, **COARSE), TSD(6, 2, dtype="mixed_bfloat16", **COARSE)
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in mixed.coarse_extractor.layers} == {"bfloat16"}
    assert {layer.compute_dtype for layer in plain.coarse_extractor.layers} == {"float32"}
    for one, other in zip(plain.coarse_extractor.weights, mixed.coarse_extractor.weights, strict=True):
        assert (one.path, one.shape, one.dtype) == (other.path, other.shape, other.dtype)
    assert ops.dtype(mixed(frames(0))) == "float32"


@pytest.mark.parametrize(("num_frames", "stride"), [(6, 2), (7, 2), (7, 3), (6, 6), (3, 5)])
def test_features_between_the_frames_seen_are_interpolated(num_frames, stride):
    selector = TSD(num_frames, 2, coarse_stride=stride, **COARSE)
    clips = np.random.default_rng(0).uniform(-1, 1, (2, num_frames, 64, 64, 3)).astype("float32")
    found = ops.convert_to_numpy(selector.encode_clips(clips))
    seen = np.arange(0, num_frames, stride)
    features = np.stack([ops.convert_to_numpy(selector.encode_frames(clip[seen])) for clip in clips])
    assert found.shape == (2, num_frames, *features.shape[2:])
    expected = [
        [np.interp(np.arange(num_frames), seen, its) for its in clip.reshape(len(seen), -1).T] for clip in features
    ]
    np.testing.assert_allclose(found, np.swapaxes(expected, 1, 2).reshape(found.shape), atol=1e-5)
    matrix = ops.convert_to_numpy(selector(clips))
    np.testing.assert_allclose(matrix, ops.convert_to_numpy(selector.tsd_block(found)), atol=1e-5)


def test_a_stride_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`coarse_stride` must be at least 1. Received: coarse_stride=0"):
        TSD(6, 2, coarse_stride=0, **COARSE)
