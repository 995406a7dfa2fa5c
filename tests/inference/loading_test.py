"""The same network from wherever it is loaded."""

import dataclasses
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import tsd_tf
from tsd_tf.contract.errors import UserError
from tsd_tf.inference.clip_format import ClipFormat

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(exported, tmp_path_factory):
    """A run of the network that `exported` is an export of."""
    folder = tmp_path_factory.mktemp("run")
    checkpoint = folder / "checkpoints/step_00000004"
    checkpoint.mkdir(parents=True)
    exported.network.save_weights(checkpoint / "network.weights.h5")
    (folder / "config.json").write_text(exported.config.to_json())
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in exported.labels))
    return folder


@pytest.fixture(scope="module")
def prediction(run, video):
    return tsd_tf.load(run).predict(video, clips=2)


def test_a_network_of_whole_videos_is_refused(exported):
    config = dataclasses.replace(exported.config, frame_sampling="segments")
    with pytest.raises(UserError, match="takes frames of all of a video"):
        ClipFormat.of(config)


@pytest.mark.slow
def test_a_run_answers_as_its_network(run, prediction, exported):
    clips = np.stack([clip.frames for clip in prediction.clips])
    frames = tsd_tf.to_network_input(clips)
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(exported.network(frames)))
    np.testing.assert_allclose(prediction.clip_probabilities, expected, atol=1e-5)
    matrix = np.asarray(exported.network.transformation_matrix(frames))
    np.testing.assert_allclose(prediction.transformation_matrix, matrix, atol=1e-5)
    assert prediction.label in exported.labels
    loaded = tsd_tf.load(run, checkpoint=4)
    assert repr(loaded) == f"<NetworkModel {run}: 8 to 4 frames of 64 x 64, 6 classes>"
    assert loaded.grad_cam(prediction).shape == (2, 4, 64, 64)
    with pytest.raises(UserError, match="no checkpoint best; a run with validation keeps one"):
        tsd_tf.load(run, checkpoint="best")


@pytest.mark.slow
def test_an_export_answers_as_its_run(exported, prediction, video):
    for source in (exported.folder, exported.folder / "client.tflite"):
        model = tsd_tf.load(source)
        answer = model.predict(video, clips=2)
        np.testing.assert_array_equal(answer.indices, prediction.indices)
        np.testing.assert_array_equal(answer.clips[1].frames, prediction.clips[1].frames)
        np.testing.assert_allclose(answer.probabilities, prediction.probabilities, atol=0.01)
        np.testing.assert_allclose(answer.transformation_matrix, prediction.transformation_matrix, atol=1e-3)
    assert np.abs(answer.distilled_frames.astype(int) - prediction.distilled_frames).max() <= 1
    for ask in (lambda: model.grad_cam(answer), lambda: model.push("hf://me/it")):
        with pytest.raises(UserError, match="this model is an export, which has none: load the run's folder instead"):
            ask()


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["gRPC", "REST"])
def test_a_server_answers_in_place_of_the_cloud_half(exported, server, video, protocol):
    alone = tsd_tf.load(exported.folder).predict(video)
    address = server.address if protocol == "gRPC" else server.url
    asked = tsd_tf.load(exported.folder, server=address).predict(video)
    np.testing.assert_allclose(asked.probabilities, alone.probabilities, atol=1e-5)


@pytest.mark.slow
def test_a_keras_file_takes_what_lies_beside_it(exported, run, prediction, video, tmp_path):
    path = tmp_path / "network.keras"
    exported.network.save(path)
    alone = tsd_tf.load(path)
    assert alone.labels[:2] == ("class 0", "class 1")
    assert alone.clip_format.short_side == 73
    named = tsd_tf.load(path, labels=["a", "b", "c", "d", "e", "f"])
    assert named.labels[1] == "b"
    for name in ("config.json", "labels.txt"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    model = tsd_tf.load(path)
    assert model.labels == tuple(exported.labels)
    np.testing.assert_allclose(model.predict(video, clips=2).probabilities, prediction.probabilities, atol=1e-6)


@pytest.mark.slow
def test_a_device_asks_a_server_without_tensorflow(exported, server, video, tmp_path):
    code = f"""
import sys
import tsd_tf
for name in ("tensorflow", "keras", "matplotlib"):
    sys.modules[name] = None
try:
    tsd_tf.load({str(exported.folder)!r})
except tsd_tf.UserError as error:
    print(error)
try:
    tsd_tf.load({str(tmp_path)!r})
except tsd_tf.UserError as error:
    print(error)
print(tsd_tf.load({str(exported.folder)!r}, server={server.address!r}).predict({str(video)!r}))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    without, nothing, prediction = done.stdout.splitlines()
    assert without == (
        f"loading {exported.folder} needs tensorflow, which is not installed: pip install 'tsd_tf[train]'"
    )
    assert nothing.startswith("`source` must be a run's work directory (config.json), an export's folder (client.json)")
    assert prediction.startswith("<Prediction class ")


def test_importing_it_is_light():
    code = """
import sys, tsd_tf
assert "numpy" not in sys.modules
tsd_tf.load, tsd_tf.Prediction
assert "tensorflow" not in sys.modules and "keras" not in sys.modules and "matplotlib" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_no_model_is_refused_in_a_line(tmp_path, network):
    with pytest.raises(UserError, match=r"`source` must be .* or hf://user/name. Received: source=.*absent"):
        tsd_tf.load(tmp_path / "absent")
    with pytest.raises(UserError, match=r"found no file .*absent.keras"):
        tsd_tf.load(tmp_path / "absent.keras")
    with pytest.raises(UserError, match=r"no client half: looked for .*client.tflite with client.json"):
        tsd_tf.load(tmp_path / "client.tflite")
    (tmp_path / "broken.keras").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken.keras cannot be loaded; parts of your own must be registered"):
        tsd_tf.load(tmp_path / "broken.keras")
    network.main_network.save(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"other.keras must hold a FewFrameNetwork. Received: Functional"):
        tsd_tf.load(tmp_path / "other.keras")
