"""What a model answers, to whatever it is asked about."""

import warnings

import numpy as np
import pytest

from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.inference.clip_format import ClipFormat
from tsd_tf.inference.network_model import NetworkModel
from tsd_tf.video.video import Video


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_it_is_the_mean_of_what_the_network_answers_to_each_clip(model, network, frames):
    prediction = model.predict(frames, clips=3)
    clips = np.stack([frames[start : start + 8] for start in (0, 6, 12)])
    expected = softmax(np.asarray(network(to_network_input(clips))))
    np.testing.assert_allclose(prediction.clip_probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(prediction.probabilities, expected.mean(axis=0), atol=1e-5)
    order = np.argsort(-expected.mean(axis=0))
    assert prediction.classes == tuple(model.labels[index] for index in order)
    np.testing.assert_allclose(prediction.scores, expected.mean(axis=0)[order], atol=1e-5)
    assert (prediction.label, prediction.score) == (prediction.classes[0], prediction.scores[0])
    np.testing.assert_array_equal(prediction.distilled_frames, clips[:, [0, 2, 4, 6]])
    np.testing.assert_array_equal(prediction.transformation_matrix[1], np.eye(8, dtype=np.float32)[:, [0, 2, 4, 6]])
    np.testing.assert_allclose(prediction.times[:, :2], [[0, 0.04], [0.24, 0.28], [0.48, 0.52]])
    assert (prediction.source, prediction.shortfall) == ("array", "")


def test_a_file_is_read_as_its_training_read_it(model, network, video):
    prediction = model.predict(video, clips=2)
    pictures = np.stack(list(Video(video).frames(frame_rate=25.0, short_side=32)))[:, 4:28, 12:36]
    clips = np.stack([pictures[:8], pictures[12:]])
    np.testing.assert_array_equal(np.stack([clip.frames for clip in prediction.clips]), clips)
    expected = softmax(np.asarray(network(to_network_input(clips)))).mean(axis=0)
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-5)
    assert prediction.source == str(video)
    assert [clip.start for clip in prediction.clips] == [0, 12]


def test_of_folders_and_lists_it_is_one_after_the_other(model, video, frames, tmp_path):
    for name in ("a.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(video.read_bytes())
    (tmp_path / "b.mp4").write_bytes(b"no video")
    found = model.predict(tmp_path)
    assert next(found).source == str(tmp_path / "a.mp4")
    with pytest.warns(UserWarning, match=r"left out .*b.mp4: "):
        assert [one.source for one in found] == [str(tmp_path / "c.mp4")]
    several = list(model.predict([video, frames, str(video)]))
    assert [one.source for one in several] == [str(video), "array", str(video)]
    np.testing.assert_allclose(several[0].probabilities, several[2].probabilities, atol=1e-6)
    with pytest.raises(UnreadableVideoError, match=r"b.mp4: "):
        list(model.predict([tmp_path / "b.mp4"]))


def test_a_folder_of_numbered_pictures_is_a_video_of_its_rate(model, frames, tmp_path):
    import cv2

    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{number:05d}.png"), cv2.resize(frame, (32, 32)))
    with pytest.raises(UserError, match="`frame_folder_rate` says how many pictures a second"):
        model.predict(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prediction = model.predict(tmp_path, frame_folder_rate=25)
    assert prediction.indices.tolist() == [list(range(6, 14))]


def test_what_is_no_video_is_refused_in_a_line(model, frames, tmp_path):
    with pytest.raises(UnreadableVideoError, match=r"absent.mp4: no such file"):
        model.predict(tmp_path / "absent.mp4")
    with pytest.raises(UserError, match=r"no video in .*: looked for \*.mp4"):
        model.predict(tmp_path)
    with pytest.raises(UserError, match="`video` must be a path, an array, or a list of these. Received: int"):
        model.predict(5)
    with pytest.raises(UserError, match="`clips` must be at least 1. Received: clips=0"):
        model.predict(frames, clips=0)
    with pytest.raises(UserError, match=r"values from 0 to 1: if that is black to white, \(255 \* frames\)"):
        model.predict(frames / 255)
    with pytest.raises(UserError, match=r"one of a list of frames, which numpy.stack makes into a video"):
        list(model.predict(list(frames)))


def test_tensors_are_arrays(model, frames):
    import tensorflow as tf

    prediction = model.predict(tf.constant(frames))
    np.testing.assert_allclose(prediction.probabilities, model.predict(frames).probabilities, atol=1e-6)


def test_the_network_itself_refuses_pixels_and_takes_floats(network, frames):
    clip = frames[None, :8]
    for call in (network, network.client, network.transformation_matrix):
        with pytest.raises(ValueError, match=r"tsd_tf.to_network_input\(frames\) makes them of uint8. Received: uint8"):
            call(clip)
    with pytest.raises(ValueError, match="Received: int64"):
        network.cloud(clip[:, :4].astype(np.int64))
    np.testing.assert_array_equal(to_uint8(to_network_input(clip)), clip)
    assert network(np.asarray(to_network_input(clip)).astype(np.float64)).shape == (1, 3)


def test_what_does_not_fit_the_network_is_refused(network):
    with pytest.raises(UserError, match="`labels` must name each of the 3 classes. Received: 2"):
        NetworkModel(network, ["kick", "jump"])
    with pytest.raises(
        UserError, match="must be of 8 to 4 frames of 24 pixels, as the network is. .* 8 to 4 .* of 32 "
    ):
        NetworkModel(network, clip_format=ClipFormat(8, 4, 32, 32))
    model = NetworkModel(network)
    assert model.labels == ("class 0", "class 1", "class 2")
    assert model.clip_format == ClipFormat(8, 4, 24, 27)
    assert repr(model) == "<NetworkModel network: 8 to 4 frames of 24 x 24, 3 classes>"


def test_a_network_that_diverged_is_named(model, frames, monkeypatch):
    answer = model.answer(frames[:8])
    monkeypatch.setattr(model, "answer", lambda clip: answer._replace(probabilities=np.full(3, np.nan)))
    with pytest.raises(UserError, match="answer for array is not finite: its training has diverged"):
        model.predict(frames)
