"""Motion capture of a person: poses over time.

The recordings are DeepMimic's (Peng et al., "DeepMimic: Example-Guided Deep Reinforcement Learning of Physics-Based
Character Skills", 2018) as the package pybullet_data holds them, and are read from there.
"""

import functools
import json
import pathlib

import numpy as np
import pybullet_data

# What a pose is: where the root is, in metres, y up; then for each joint, in this order, its rotation against its
# parent: a quaternion (w, x, y, z), or an angle in radians.
JOINTS = {
    "root": 4,
    "chest": 4,
    "neck": 4,
    "right_hip": 4,
    "right_knee": 1,
    "right_ankle": 4,
    "right_shoulder": 4,
    "right_elbow": 1,
    "left_hip": 4,
    "left_knee": 1,
    "left_ankle": 4,
    "left_shoulder": 4,
    "left_elbow": 1,
}
_STARTS = 3 + np.cumsum([0, *JOINTS.values()])
PARTS = {joint: slice(start, start + size) for (joint, size), start in zip(JOINTS.items(), _STARTS, strict=False)}
POSE_SIZE = int(_STARTS[-1])


class Motion:
    """One recording.

    Args:
        name: "walk", "backflip", ...: one of humanoid3d_<name>.txt.

    Attributes:
        seconds: how long it lasts.
    """

    def __init__(self, name: str) -> None:
        path = pathlib.Path(pybullet_data.getDataPath()) / f"data/motions/humanoid3d_{name}.txt"
        frames = np.asarray(json.loads(path.read_text())["Frames"])
        self._times = np.cumsum(frames[:, 0]) - frames[:, 0]
        self._poses = frames[:, 1:]
        self.seconds = float(self._times[-1])

    def poses(self, times: np.ndarray) -> np.ndarray:
        """The poses at any times: (n, POSE_SIZE) float64.

        Args:
            times: (n,) seconds; what is outside the recording is its first or last pose.
        """
        last = len(self._times) - 1
        before = np.clip(np.searchsorted(self._times, times, side="right") - 1, 0, last - 1)
        elapsed = np.clip(times, 0, self.seconds) - self._times[before]
        shares = elapsed / (self._times[before + 1] - self._times[before])
        return blend(self._poses[before], self._poses[before + 1], shares)


@functools.cache
def load(name: str) -> Motion:
    """A recording; each is read once a process."""
    return Motion(name)


def blend(poses: np.ndarray, others: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Poses between two.

    Args:
        poses, others: (n, POSE_SIZE).
        shares: (n,) of `others`, from 0 to 1.
    """
    shares = shares[:, None]
    mixed = (1 - shares) * poses + shares * others
    for joint, part in PARTS.items():
        if JOINTS[joint] == 4:  # q and -q are the same rotation: mix the two that are near to each other
            near = np.where(np.sum(poses[:, part] * others[:, part], axis=1, keepdims=True) < 0, -1, 1)
            quaternions = (1 - shares) * poses[:, part] + shares * near * others[:, part]
            mixed[:, part] = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    return mixed
