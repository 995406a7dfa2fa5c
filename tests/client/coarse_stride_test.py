"""A client half that looks at every second frame, exported and on the device."""

import types

import keras
import numpy as np
import pytest

from tsd_tf.client.distiller import Distiller
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.recognizer import Recognizer
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.export import exporter, real_clips
from tsd_tf.network_builder import build_network
from tsd_tf.serving.server import BackgroundServer
from tsd_tf.video.video import Video
from tsd_tf.video.video_writing import write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def strided(tiny_config, tmp_path_factory):
    """Both halves of a network with T = 7 and every second frame seen, and what the export found."""
    changes = {"coarse_stride": 2, "initializer_stddev": 0.4, "logit_scale": 1.0}
    config = tiny_config(num_frames=7, num_distilled_frames=4, stages=(), **changes)
    keras.utils.set_random_seed(0)
    network = build_network(config)
    clips, _ = real_clips.clips_to_check(config, config.data_dir, 3)
    others, _ = real_clips.representative_clips(config, config.data_dir, 12, 3)
    for _ in range(20):  # batch norm as after a training
        network.selector.encode_clips(to_network_input(others), training=True)
    folder = tmp_path_factory.mktemp("export")
    labels = [f"class {index}" for index in range(6)]
    sidecar, report = exporter.export(network, config, labels, folder, clips, others)
    return types.SimpleNamespace(network=network, clips=clips, folder=folder, sidecar=sidecar, report=report["client"])


def test_the_export_says_what_it_looks_at(strided):
    assert strided.sidecar.coarse_stride == 2
    assert set(strided.report) == {"saved_model", "float32", "float16", "int8"}
    distiller = Distiller(strided.folder / "client.tflite")
    for clip in strided.clips:
        inputs = to_network_input(clip[None])
        matrix = np.asarray(strided.network.transformation_matrix(inputs, training=False))[0]
        features = np.stack([distiller.encode_frame(frame) for frame in clip[::2]])
        assert len(features) == 4
        for _, found in (distiller.distill(clip), distiller.distill_features(clip, features)):
            np.testing.assert_allclose(found, matrix, atol=1e-4)
    assert np.ptp(matrix) > 0.01


# Clips begin at multiples of the stride, and the last one at the frame 14 of 21.
@pytest.mark.parametrize(("stride", "encoded"), [(2, 11), (4, 11), (3, 21), (5, 21)])
def test_only_frames_that_count_are_encoded(strided, tmp_path, stride, encoded):
    noise = np.random.default_rng(0).integers(0, 256, (21, 8, 8, 3), "uint8")
    write_video(tmp_path / "video.mp4", noise.repeat(8, 1).repeat(8, 2), 25.0)
    frames = np.stack(list(Video(tmp_path / "video.mp4").frames(frame_rate=25.0, short_side=64)))
    assert len(frames) == 21

    class Counting(Distiller):
        count = 0

        def encode_frame(self, frame):
            self.count += 1
            return super().encode_frame(frame)

    distiller = Counting(strided.folder / "client.tflite")
    found = []
    with BackgroundServer(strided.folder / "cloud") as server:
        connection = GrpcConnection(server.address)
        Recognizer(distiller, connection, "raw", stride=stride).recognize(tmp_path / "video.mp4", found.append)
        connection.close()
    starts = list(range(0, 15, stride))
    assert [clip.start for clip in found] == (starts if starts[-1] == 14 else [*starts, 14])
    for clip in found:
        np.testing.assert_array_equal(clip.frames, frames[clip.start : clip.start + 7])
        _, matrix = distiller.distill(clip.frames)
        np.testing.assert_allclose(clip.transformation_matrix, matrix, atol=1e-5)
    assert distiller.count == encoded


def test_a_last_clip_between_the_strides_is_made_whole(strided, tmp_path):
    """Clips begin at 0, 4, ..., and the last one at 13, of which the odd frames count."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), "uint8")
    write_video(tmp_path / "video.mp4", noise.repeat(8, 1).repeat(8, 2), 25.0)
    distiller = Distiller(strided.folder / "client_int8.tflite")
    found = []
    with BackgroundServer(strided.folder / "cloud") as server:
        connection = GrpcConnection(server.address)
        Recognizer(distiller, connection, "raw", stride=4).recognize(tmp_path / "video.mp4", found.append)
        connection.close()
    assert [clip.start for clip in found] == [0, 4, 8, 12, 13]
    for clip in found:
        _, matrix = distiller.distill(clip.frames)
        np.testing.assert_allclose(clip.transformation_matrix, matrix, atol=0.01)
