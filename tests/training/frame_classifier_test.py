import keras
import numpy as np

from tsd_tf.selectors import TSD
from tsd_tf.training.frame_classifier import FrameClassifier


def make():
    selector = TSD(
        6, 2, coarse_size=32, coarse_width=0.25, coarse_features_layer="conv_pw_5_relu", embedding_channels=8
    )
    classifier = FrameClassifier(selector, 3)
    classifier.build((None, 6, 64, 64, 3))
    return selector, classifier


def test_logits_are_the_mean_over_frames_of_a_dense_layer_on_the_maximum_over_space():
    selector, classifier = make()
    frames = np.random.default_rng(0).uniform(-1, 1, (2, 6, 64, 64, 3)).astype("float32")
    features = np.asarray(selector.encode_frames(frames.reshape(12, 64, 64, 3)))
    kernel, bias = (np.asarray(variable) for variable in classifier.logits.variables)
    expected = (features.max((1, 2)) @ kernel + bias).reshape(2, 6, 3).mean(1)
    np.testing.assert_allclose(np.asarray(classifier(frames)), expected, atol=1e-5)


def test_it_comes_back_from_its_configuration():
    _, classifier = make()
    again = FrameClassifier.from_config(classifier.get_config())
    assert again.num_classes == 3
    assert again.selector.num_frames == 6
    assert isinstance(keras.saving.serialize_keras_object(classifier), dict)
