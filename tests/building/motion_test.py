import json
import pathlib

import numpy as np
import pybullet_data
import pytest

from tsd_tf.building import motion

QUATERNIONS = [part for joint, part in motion.PARTS.items() if motion.JOINTS[joint] == 4]


@pytest.fixture(scope="module")
def recorded():
    """The kick as it is in the file, but for quaternions of other lengths than 1: times in seconds, and poses."""
    path = pathlib.Path(pybullet_data.getDataPath(), "data/motions/humanoid3d_kick.txt")
    frames = np.asarray(json.loads(path.read_text())["Frames"])
    poses = frames[:, 1:].copy()
    for part in QUATERNIONS:
        poses[:, part] /= np.linalg.norm(poses[:, part], axis=1, keepdims=True)
    return np.concatenate([[0], np.cumsum(frames[:-1, 0])]), poses


def test_the_parts_of_a_pose_fill_it():
    parts = list(motion.PARTS.values())
    assert parts[0].start == 3
    assert all(one.stop == following.start for one, following in zip(parts, parts[1:], strict=False))
    assert parts[-1].stop == motion.POSE_SIZE == 43


def test_poses_at_recorded_times_are_the_recorded_ones(recorded):
    times, poses = recorded
    kick = motion.load("kick")
    assert kick.seconds == pytest.approx(times[-1])
    np.testing.assert_allclose(kick.poses(times), poses, atol=1e-12)
    np.testing.assert_allclose(kick.poses(np.asarray([-1.0, 100.0])), poses[[0, -1]], atol=1e-12)


def test_poses_between_recorded_times(recorded):
    times, poses = recorded
    middle = motion.load("kick").poses((times[:-1] + times[1:]) / 2)
    knee = motion.PARTS["right_knee"]
    np.testing.assert_allclose(middle[:, knee], (poses[:-1, knee] + poses[1:, knee]) / 2)
    for part in QUATERNIONS:
        np.testing.assert_allclose(np.linalg.norm(middle[:, part], axis=1), 1)


def test_blending_takes_the_short_way_round():
    pose = np.zeros((1, motion.POSE_SIZE))
    other = pose.copy()
    for part in QUATERNIONS:
        pose[:, part], other[:, part] = (1, 0, 0, 0), (0, 0, 1, 0)
    other[:, motion.PARTS["root"]] = (-1, 0, 0, 0)  # no rotation, as the other sign of it
    other[:, motion.PARTS["left_knee"]] = 2
    found = motion.blend(pose, other, np.asarray([0.25]))
    np.testing.assert_allclose(found[0, motion.PARTS["root"]], (1, 0, 0, 0))
    assert found[0, motion.PARTS["left_knee"]] == 0.5
    np.testing.assert_allclose(found[0, motion.PARTS["chest"]], np.asarray([3, 0, 1, 0]) / np.sqrt(10))
