import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf

from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.export.cloud_half import CloudHalf, picture_size

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(exported):
    loaded = tf.saved_model.load(str(exported.folder / "cloud/1"))
    return loaded.signatures


@pytest.fixture(scope="module")
def frames(exported):
    return np.asarray(exported.clips[:, :4])


def _png_header(height, width):
    """The beginning of a PNG that claims this size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    )


def test_serving_default_is_the_network(exported, cloud, frames):
    answer = {name: value.numpy() for name, value in cloud["serving_default"](frames=frames).items()}
    logits = np.asarray(exported.network.cloud(to_network_input(frames), training=False))
    np.testing.assert_allclose(answer["logits"], logits, atol=1e-4)
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, atol=1e-5)
    order = np.argsort(-logits, axis=1)[:, :5]
    assert answer["classes"].tolist() == [[exported.labels[index].encode() for index in row] for row in order]
    np.testing.assert_allclose(answer["scores"], np.take_along_axis(answer["probabilities"], order, 1), atol=1e-6)


def test_png_pictures_are_the_frames(cloud, frames):
    pictures = [[tf.io.encode_png(frame).numpy() for frame in clip] for clip in frames]
    answer = cloud["jpeg"](frames_bytes=tf.constant(pictures))
    np.testing.assert_allclose(answer["logits"], cloud["serving_default"](frames=frames)["logits"], atol=1e-5)


def test_jpeg_pictures_are_decoded(cloud, frames):
    pictures = [[tf.io.encode_jpeg(frame, quality=95).numpy() for frame in clip] for clip in frames]
    decoded = np.array([[tf.io.decode_jpeg(picture).numpy() for picture in clip] for clip in pictures])
    answer = cloud["jpeg"](frames_bytes=tf.constant(pictures))
    np.testing.assert_allclose(
        answer["probabilities"], cloud["serving_default"](frames=decoded)["probabilities"], atol=2e-3
    )


def test_video_averages_the_probabilities_of_its_clips(cloud, frames):
    alone = cloud["serving_default"](frames=frames)
    answer = cloud["video"](frames=frames[None])
    np.testing.assert_allclose(answer["probabilities"][0], np.mean(alone["probabilities"], axis=0), atol=1e-5)
    assert answer["classes"].shape == (1, 5)


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"no picture",
        b"\x89PNG\r\n\x1a\n",
        _png_header(60000, 60000),
        tf.io.encode_jpeg(np.zeros((63, 64, 3), "uint8")).numpy(),
        tf.io.encode_jpeg(np.zeros((64, 64, 3), "uint8")).numpy()[:200],
    ],
    ids=["empty", "text", "png without header", "png bomb", "wrong size", "truncated"],
)
def test_other_pictures_are_refused(cloud, picture):
    with pytest.raises(tf.errors.InvalidArgumentError):
        cloud["jpeg"](frames_bytes=tf.constant([[picture] * 4]))


def test_picture_size_reads_both_headers():
    assert picture_size(tf.io.encode_jpeg(np.zeros((24, 40, 3), "uint8"))).numpy().tolist() == [24, 40]
    assert picture_size(tf.io.encode_png(np.zeros((300, 70, 3), "uint8"))).numpy().tolist() == [300, 70]


def test_labels_must_name_every_class(exported):
    with pytest.raises(ValueError, match="each of the 6 classes. Received: 2"):
        CloudHalf(exported.network, ["a", "b"], 64)
