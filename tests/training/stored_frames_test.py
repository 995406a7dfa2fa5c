"""The shards' own rate and size of frames reach the configuration, the tests and the client."""

import pytest

from tsd_tf.building import annotations, conversion, sharding
from tsd_tf.contract.errors import UserError
from tsd_tf.evaluation import evaluation, subjects
from tsd_tf.network_builder import build_network
from tsd_tf.training.trainer import Trainer
from tsd_tf.work_directory import WorkDirectory


@pytest.fixture(scope="module")
def slow_shards(tmp_path_factory, sample_videos):
    """Ten frames a second with a short side of 72 pixels."""
    folder = tmp_path_factory.mktemp("slow")
    names = annotations.read_class_list(sample_videos / "labels.txt")
    for split in ("train", "test"):
        rows = annotations.read_kinetics(sample_videos / f"{split}.csv", names)
        settings = conversion.Settings(frame_rate=10.0, short_side=72, square_pixels=True)
        sharding.build(rows, sample_videos / split, folder, split, names, settings, num_shards=1, processes=1)
    return str(folder)


def test_a_run_takes_them_from_its_shards(tmp_path, slow_shards, tiny_config):
    trainer = Trainer(WorkDirectory(tmp_path), tiny_config(data_dir=slow_shards))
    trainer.prepare()
    config = WorkDirectory(tmp_path).config()
    assert (config.frame_rate, config.short_side, config.square_pixels) == (10.0, 72, True)
    Trainer(WorkDirectory(tmp_path), tiny_config(data_dir=slow_shards)).prepare()  # resumed


def test_a_crop_that_does_not_fit(tmp_path, slow_shards, tiny_config):
    config = tiny_config(data_dir=slow_shards, short_side=128, crop_size=96)
    with pytest.raises(UserError, match=r"`crop_size` must be at most 72, .* Received: crop_size=96"):
        Trainer(WorkDirectory(tmp_path), config).prepare()
    assert not list(tmp_path.iterdir())


def test_a_test_on_frames_of_another_rate_is_refused(tmp_path, slow_shards, tiny_config):
    build_network(config := tiny_config()).save_weights(tmp_path / "network.weights.h5")
    (tmp_path / "config.json").write_text(config.to_json())
    subject = subjects.of_weights(tmp_path / "network.weights.h5", data_dir=slow_shards, split="test")
    with pytest.raises(UserError, match="25 and 10 frames a second; a short side of 64 and of 72 pixels"):
        evaluation.prepare(subject)
