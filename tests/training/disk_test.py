"""Disks that are full or read-only: real ones, mounted by the test where that is permitted, and /dev/full."""

import shutil
import subprocess

import numpy as np
import pytest

from tsd_tf.config import Stage
from tsd_tf.contract.errors import UserError
from tsd_tf.network_builder import build_network
from tsd_tf.training import checkpoints
from tsd_tf.training.trainer import Trainer
from tsd_tf.work_directory import WorkDirectory

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 8 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def config(tiny_config):
    return tiny_config(
        main_network="c3d",
        num_frames=16,
        num_distilled_frames=16,
        stages=(Stage("coarse", "coarse_extractor", 1, 0.05, split="trimmed", num_frames=1, batch_size=2),),
    )


@pytest.mark.parametrize("left", [0, 1])
def test_a_full_disk_leaves_the_checkpoints_that_are_there(small_disk, config, left, capfd):
    run = WorkDirectory(small_disk / "run")
    network = build_network(config)
    checkpoints.save(run, network, [], {"stage": 0, "step": 1, "total_steps": 1}, keep=1)
    size = sum(path.stat().st_size for path in run.checkpoints()[1].iterdir())
    filler = small_disk / "filler"
    # Full at once, or with room for half of the next checkpoint.
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - left * size // 2))
    position = {"stage": 0, "step": 2, "total_steps": 2}
    with pytest.raises(UserError, match=r"cannot write the checkpoint .*step_00000002: No space left on device$"):
        checkpoints.save(run, network, [], position, keep=1)
    assert capfd.readouterr().err == ""
    assert [path.name for path in run.checkpoints_path.iterdir()] == ["step_00000001"]
    checkpoints.restore_network(checkpoints.newest(run)[0], network)
    filler.unlink()
    checkpoints.save(run, network, [np.zeros(3)], position, keep=1)
    assert list(run.checkpoints()) == [2]


def test_a_log_that_cannot_be_written_ends_the_run_with_one_line(config, tmp_path):
    run = WorkDirectory(tmp_path / "run")
    run.path.mkdir()
    (run.path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match="cannot write to the work directory .*run: No space left on device"):
        Trainer(run, config).run()
    assert not run.finished()


def test_a_read_only_work_directory_is_refused(small_disk, config):
    run = WorkDirectory(small_disk / "run")
    Trainer(run, config).prepare()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UserError, match="cannot write to the work directory .*run: Read-only file system"):
        Trainer(run, config).run()
    with pytest.raises(UserError, match="cannot write the work directory .*other: Read-only file system"):
        Trainer(WorkDirectory(small_disk / "other"), config).run()
    assert [path.name for path in small_disk.iterdir()] == ["run"]


def test_a_file_in_the_place_of_the_work_directory_is_refused(config, tmp_path):
    (tmp_path / "run").write_text("mine")
    for path in (tmp_path / "run", tmp_path / "run/tsd"):
        with pytest.raises(UserError, match="cannot write the work directory"):
            Trainer(WorkDirectory(path), config).run()
    assert (tmp_path / "run").read_text() == "mine"
