"""Our shards as others read them. Run with DMVR and TF Model Garden where they are installed."""

import numpy as np
import pytest
import tensorflow as tf

LABELS = ["clap", "wave"]


@pytest.fixture
def shards(tmp_path, write_video, run_program):
    """Two clips at 25 a second whose frame k is grey 4 k; the second one's label is 1."""
    write_video("v/a.avi", 30)
    write_video("v/b.avi", 30)
    (tmp_path / "c.csv").write_text("video,label,time_start,time_end\na.avi,clap,,\nb.avi,wave,0.4,1.2\n")
    arguments = [f"--csv={tmp_path}/c.csv", f"--videos_dir={tmp_path}/v", f"--output_dir={tmp_path}/out"]
    arguments += ["--split=train", "--short_side=32", "--processes=1", "--num_shards=2"]
    done = run_program("tfrecords.build_custom", *arguments)
    assert done.returncode == 0, done.stderr
    return sorted(map(str, (tmp_path / "out").glob("train-*")))


def levels(frames):
    return np.asarray(frames, np.float32).mean(axis=(-3, -2, -1))


def test_mediasequences_keys(shards):
    """Every key and type of MediaSequence that a video with a label has, by its name in media_sequence.py."""
    context = {
        "clip/data_path": tf.io.FixedLenFeature([], tf.string),
        "clip/media_id": tf.io.FixedLenFeature([], tf.string),
        "clip/start/timestamp": tf.io.FixedLenFeature([], tf.int64),
        "clip/end/timestamp": tf.io.FixedLenFeature([], tf.int64),
        "clip/label/index": tf.io.VarLenFeature(tf.int64),
        "clip/label/string": tf.io.VarLenFeature(tf.string),
        "clip/label/text": tf.io.VarLenFeature(tf.string),
        "image/format": tf.io.FixedLenFeature([], tf.string),
        "image/colorspace": tf.io.FixedLenFeature([], tf.string),
        "image/channels": tf.io.FixedLenFeature([], tf.int64),
        "image/height": tf.io.FixedLenFeature([], tf.int64),
        "image/width": tf.io.FixedLenFeature([], tf.int64),
        "image/frame_rate": tf.io.FixedLenFeature([], tf.float32),
    }
    lists = {
        "image/encoded": tf.io.FixedLenSequenceFeature([], tf.string),
        "image/timestamp": tf.io.FixedLenSequenceFeature([], tf.int64),
    }
    found = {}
    for record in tf.data.TFRecordDataset(shards):
        values, steps = tf.io.parse_single_sequence_example(record, context, lists)
        values = {key: tf.sparse.to_dense(v) if key.startswith("clip/label") else v for key, v in values.items()}
        item = {key: value.numpy() if value.ndim == 0 else value.numpy().tolist() for key, value in values.items()}
        item |= {"times": steps["image/timestamp"].numpy().tolist(), "frames": len(steps["image/encoded"])}
        found[item["clip/data_path"]] = item
    common = {"image/format": b"JPEG", "image/colorspace": b"RGB", "image/channels": 3, "image/frame_rate": 25.0}
    common |= {"image/height": 32, "image/width": 48}
    assert found == {
        b"a.avi": common
        | {
            "clip/data_path": b"a.avi",
            "clip/media_id": b"a",
            "clip/start/timestamp": 0,
            "clip/end/timestamp": 1_200_000,
            "clip/label/index": [0],
            "clip/label/string": [b"clap"],
            "clip/label/text": [b"clap"],
            "times": list(range(0, 1_200_000, 40_000)),
            "frames": 30,
        },
        b"b.avi": common
        | {
            "clip/data_path": b"b.avi",
            "clip/media_id": b"b_0.4_1.2",
            "clip/start/timestamp": 400_000,
            "clip/end/timestamp": 1_200_000,
            "clip/label/index": [1],
            "clip/label/string": [b"wave"],
            "clip/label/text": [b"wave"],
            "times": list(range(400_000, 1_200_000, 40_000)),
            "frames": 20,
        },
    }


def test_dmvr_reads_them(shards):
    video_dataset = pytest.importorskip("dmvr.video_dataset", reason="github.com/google-deepmind/dmvr is not installed")
    from dmvr import modalities

    class Factory(video_dataset.BaseVideoDatasetFactory):
        """As DMVR's examples/hmdb.py: its own feature names throughout."""

        def _build(self):
            builders = {
                "parser_builder": self.parser_builder,
                "decoder_builder": self.decoder_builder,
                "preprocessor_builder": self.preprocessor_builder,
            }
            modalities.add_image(
                **builders,
                sampler_builder=self.sampler_builder,
                postprocessor_builder=self.postprocessor_builder,
                is_training=False,
                num_frames=10,
                min_resize=32,
                crop_size=24,
            )
            modalities.add_label(**builders, num_classes=2, add_label_name=True)

    factory = Factory(shards).configure()
    found = {}
    for item in factory.make_dataset(shuffle=False, num_epochs=1, batch_size=1).as_numpy_iterator():
        found[item["label_name"].reshape(-1)[0]] = item
    assert sorted(found) == [b"clap", b"wave"]
    for name, label, first in ((b"clap", 0, 10), (b"wave", 1, 15)):  # the middle ten of 30, and of frames 10 to 29
        assert found[name]["image"].shape == (1, 10, 24, 24, 3)
        assert found[name]["label"].reshape(-1).tolist() == [float(k == label) for k in range(2)]
        expected = [4 * k for k in range(first, first + 10)]
        assert levels(found[name]["image"][0]) * 255 == pytest.approx(expected, abs=3)


def test_model_garden_reads_them(shards):
    reason = "tf-models-official is not installed"
    video_input = pytest.importorskip("official.vision.dataloaders.video_input", reason=reason)
    from official.vision.configs import video_classification

    config = video_classification.DataConfig(
        feature_shape=(10, 24, 24, 3),
        temporal_stride=1,
        min_image_size=32,
        num_classes=2,
        num_test_clips=1,
        one_hot=True,
    )
    parse = video_input.Parser(config).parse_fn(is_training=False)
    decode = video_input.Decoder().decode
    found = {}
    for features, label in tf.data.TFRecordDataset(shards).map(decode).map(parse):
        found[int(tf.argmax(label))] = features["image"].numpy()
        assert label.numpy().sum() == 1
    assert sorted(found) == [0, 1]
    for label, first in ((0, 10), (1, 15)):
        assert found[label].shape == (10, 24, 24, 3)
        expected = [4 * k for k in range(first, first + 10)]
        assert levels(found[label]) * 255 == pytest.approx(expected, abs=3)
