"""Where people are posed and pictured: pybullet's software renderer, without a screen or a GPU."""

import dataclasses
import functools
import importlib
import math
import tempfile
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from tsd_tf.building import motion
from tsd_tf.building.body import Body
from tsd_tf.contract.native_output import without_chatter

_METRES = 0.25  # a unit of the humanoid
_FIELD_OF_VIEW = 50.0  # degrees
_NEAREST, _FARTHEST = 0.1, 20.0  # metres
_UPRIGHT = (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))  # from motion capture's y up to z up: (x, y, z, w)
_SKIN = ("neck", "right_elbow", "right_wrist", "left_elbow", "left_wrist")  # head, forearms and hands


@dataclasses.dataclass(frozen=True)
class Camera:
    """Where a picture is taken from.

    Attributes:
        target: the point in the middle of the picture: x, y, z in metres, z up.
        distance: from there, in metres.
        yaw, pitch: in degrees; people face x, a yaw of 0 looks along y, a negative pitch looks down.
        light: direction to the light, of any length.
    """

    target: tuple[float, float, float]
    distance: float
    yaw: float
    pitch: float
    light: tuple[float, float, float]


class Studio:
    """A studio with people in it, who are known by their places in the list of bodies.

    There is one a process: `open_studio` gives it.

    Args:
        bodies: of the people.
    """

    def __init__(self, bodies: Sequence[Body]) -> None:
        self._bullet, self._client = _connection()
        self._bullet.resetSimulation(physicsClientId=self._client)
        self._people = [self._load(body) for body in bodies]
        joints = range(self._bullet.getNumJoints(self._people[0], physicsClientId=self._client))
        infos = [self._bullet.getJointInfo(self._people[0], joint, physicsClientId=self._client) for joint in joints]
        self._links = {info[12].decode(): info[0] for info in infos}

    def dress(self, person: int, skin: np.ndarray, shirt: np.ndarray, trousers: np.ndarray) -> None:
        """Gives a person these colours, (3,) RGB from 0 to 1."""
        for name, link in self._links.items():
            is_leg = name.endswith(("hip", "knee", "ankle"))
            colour = skin if name in _SKIN else trousers if is_leg else shirt
            self._bullet.changeVisualShape(
                self._people[person], link, rgbaColor=[*colour, 1], physicsClientId=self._client
            )

    def pose(
        self, person: int, pose: np.ndarray, place: tuple[float, float] = (0.0, 0.0), heading: float = 0.0
    ) -> None:
        """Puts a person into a pose.

        Args:
            person: who.
            pose: (motion.POSE_SIZE,); of its position only the height counts.
            place: x and y, in metres.
            heading: in degrees; 0 faces x.
        """
        bullet, client, number = self._bullet, self._client, self._people[person]
        turned = bullet.getQuaternionFromEuler([0, 0, math.radians(heading)])
        ground = bullet.multiplyTransforms([*place, 0], turned, [0, 0, 0], _UPRIGHT)
        root = bullet.multiplyTransforms(*ground, [0, pose[1], 0], _quaternion(pose[motion.PARTS["root"]]))
        bullet.resetBasePositionAndOrientation(number, *root, physicsClientId=client)
        for joint, size in motion.JOINTS.items():
            if joint == "root":
                continue
            link, values = self._links[joint], pose[motion.PARTS[joint]]
            if size == 1:
                bullet.resetJointState(number, link, values[0], physicsClientId=client)
            else:
                bullet.resetJointStateMultiDof(number, link, _quaternion(values), physicsClientId=client)

    def picture(self, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
        """What the camera sees, without a background.

        Args:
            camera: where it is.
            size: height and width, in pixels.

        Returns:
            (colours (size, size, 3) uint8 RGB, multiplied by the cover; cover (size, size, 1) float32: the part of each
            pixel that people cover, from 0 to 1).
        """
        bullet, side = self._bullet, 2 * size
        view = bullet.computeViewMatrixFromYawPitchRoll(
            camera.target, camera.distance, camera.yaw, camera.pitch, 0, upAxisIndex=2
        )
        _, _, colours, _, people = bullet.getCameraImage(
            side,
            side,
            view,
            bullet.computeProjectionMatrixFOV(_FIELD_OF_VIEW, 1, _NEAREST, _FARTHEST),
            lightDirection=camera.light,
            shadow=0,
            renderer=bullet.ER_TINY_RENDERER,
            physicsClientId=self._client,
        )
        # Arrays or, from pybullet-arm64, tuples. A pixel is four bytes, alpha among them, which is opaque everywhere.
        pixels = np.frombuffer(bytes(colours), np.uint32) * (np.reshape(people, -1) >= 0)
        image = pixels.view(np.uint8).reshape(side, side, 4)
        smaller = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        return smaller[..., :3], smaller[..., 3:].astype("float32") / 255

    def _load(self, body: Body) -> int:
        with tempfile.NamedTemporaryFile("w", suffix=".urdf") as file:
            file.write(body.urdf())
            file.flush()
            return self._bullet.loadURDF(
                file.name, globalScaling=_METRES, useFixedBase=True, physicsClientId=self._client
            )


@functools.lru_cache(maxsize=1)
def open_studio(bodies: tuple[Body, ...]) -> Studio:
    """The process's studio with these people, who may be as somebody has left them; others leave it."""
    return Studio(bodies)


def _quaternion(values: np.ndarray) -> tuple[float, ...]:
    """From motion capture's (w, x, y, z) to pybullet's (x, y, z, w)."""
    w, x, y, z = values
    return x, y, z, w


@functools.cache
def _connection() -> tuple[Any, int]:
    """pybullet, and the number of this process's own simulation."""
    with without_chatter():  # pybullet prints when it was built
        bullet = importlib.import_module("pybullet")
    return bullet, bullet.connect(bullet.DIRECT)
