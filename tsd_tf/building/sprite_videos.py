"""Videos of coloured sprites, whose classes nothing but motion and colour tells apart.

A class is a colour and an axis of motion: "red horizontal". The event that shows it lasts a few frames at a random
time in the video: a small sprite in the class colour darts along the axis, either way. Slow sprites and decoy events
with the same motion in other colours clutter the video, over a panning, flickering, noisy background. A single frame
shows the colour at best, never the axis, and most frames show no event at all.

In the task `"direction"` a class is the signed direction alone, "eastward". The videos are the same, but the colour
means nothing, and only the order of the frames tells one way from the other (the arrow of time).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import cv2
import numpy as np

from tsd_tf.building import backdrop
from tsd_tf.building.sample_video import SampleVideo

SIZE = 64
NUM_FRAMES = 40
EVENT_FRAMES = 5
TASKS = ("axis", "direction")
_PRIMARY = {"red": (225, 35, 35), "green": (35, 205, 35), "blue": (45, 60, 235)}
_MIXED = {"orange": (240, 130, 20), "lime": (140, 220, 30), "violet": (140, 40, 230)}
# Of everything else that moves: yellow, cyan, magenta, white, black and brown.
DECOY_COLOURS = ((235, 225, 40), (40, 220, 220), (220, 40, 220), (240, 240, 240), (15, 15, 15), (130, 80, 30))
_AXES = {"horizontal": 0.0, "diagonal": 45.0, "vertical": 90.0, "antidiagonal": 135.0}
_WAYS = {
    "horizontal": ("eastward", "westward"),
    "diagonal": ("northeastward", "southwestward"),
    "vertical": ("northward", "southward"),
    "antidiagonal": ("northwestward", "southeastward"),
}
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


@dataclasses.dataclass(frozen=True)
class SpriteVideos:
    """A scene (tsd_tf.building.scene): what its videos show, and how hard it is to see.

    Attributes:
        num_axes: 2 (horizontal, vertical) or 4 (the diagonals as well).
        task: "axis": a class is a colour and an axis; "direction": a class is a way along an axis, in any colour.
        mixed_colours: whether events are orange, lime and violet instead of red, green and blue.
        pixel_noise: standard deviation of the noise of every pixel, in levels of 255.
        event_radius: least and largest radius of an event's sprite, in pixels.
        event_speed: least and largest speed of an event's sprite, in pixels a frame.
        num_drifters: slow sprites that stay throughout.
        num_decoys: events in other colours.
    """

    size: ClassVar[int] = SIZE
    num_frames: ClassVar[int] = NUM_FRAMES
    num_axes: int = 4
    task: str = "axis"
    mixed_colours: bool = False
    pixel_noise: float = 8.0
    event_radius: tuple[float, float] = (6.0, 8.0)
    event_speed: tuple[float, float] = (5.0, 7.0)
    num_drifters: int = 2
    num_decoys: int = 2

    def __post_init__(self) -> None:
        if self.num_axes not in (2, 4):
            raise ValueError(f"`num_axes` must be 2 or 4. Received: num_axes={self.num_axes}")
        if self.task not in TASKS:
            raise ValueError(f"`task` must be one of {', '.join(TASKS)}. Received: task={self.task!r}")

    @property
    def axes(self) -> list[str]:
        """Names of the axes of motion."""
        return list(_AXES)[:: 4 // self.num_axes]

    @property
    def colours(self) -> dict[str, tuple[int, int, int]]:
        """{name: RGB} of the colours of events that show a class."""
        return _MIXED if self.mixed_colours else _PRIMARY

    @property
    def class_names(self) -> list[str]:
        """The class names by label: colours times axes, or the ways along the axes."""
        if self.task == "direction":
            return [way for axis in self.axes for way in _WAYS[axis]]
        return [f"{colour} {axis}" for colour in self.colours for axis in self.axes]

    def render(self, seed: int | Sequence[int], label: int) -> SampleVideo:
        """Renders one video: a pure function of the settings and its arguments.

        Args:
            seed: one number, or several that form one seed.
            label: index into `class_names`.
        """
        rng = np.random.default_rng(seed)
        event = self._event(rng, label)
        decoys = [
            self._dart(
                rng,
                _AXES[self.axes[rng.integers(len(self.axes))]],
                DECOY_COLOURS[rng.integers(len(DECOY_COLOURS))],
            )
            for _ in range(self.num_decoys)
        ]
        sprites = [*(_drifter(rng) for _ in range(self.num_drifters)), *decoys, event]
        canvas = backdrop.clouds(rng, SIZE, 110.0, (30.0, 24.0, 16.0, 10.0))
        pan_start, pan_velocity = rng.uniform(16, 48, 2), rng.uniform(-0.4, 0.4, 2)
        flicker = rng.normal(1.0, 0.04, NUM_FRAMES)
        frames = np.empty((NUM_FRAMES, SIZE, SIZE, 3), np.uint8)
        for index, image in enumerate(backdrop.pan(canvas, pan_start, pan_velocity, NUM_FRAMES)):
            for sprite in sprites:
                if 0 <= index - sprite["start"] < len(sprite["centres"]):
                    centre = sprite["centres"][index - sprite["start"]]
                    _draw(image, sprite["shape"], centre, sprite["radius"], sprite["colour"])
            frames[index] = backdrop.exposed(rng, image, flicker[index], self.pixel_noise)
        return SampleVideo(frames, label, event["start"], EVENT_FRAMES)

    def _event(self, rng: np.random.Generator, label: int) -> dict[str, Any]:
        colours, axes = list(self.colours.values()), self.axes
        if self.task == "axis":
            return self._dart(rng, _AXES[axes[label % len(axes)]], colours[label // len(axes)])
        axis, way = divmod(label, 2)
        return self._dart(rng, _AXES[axes[axis]], colours[rng.integers(len(colours))], sign=(1.0, -1.0)[way])

    def _dart(
        self, rng: np.random.Generator, angle: float, colour: tuple[int, int, int], sign: float | None = None
    ) -> dict[str, Any]:
        """An event: a sprite that crosses part of the frame along `angle` (degrees) in EVENT_FRAMES frames.

        `sign`, 1.0 or -1.0, is its way along the axis; None draws one at random.
        """
        drawn = rng.choice([-1.0, 1.0])
        way = drawn if sign is None else sign
        direction = np.asarray([np.cos(np.radians(angle)), -np.sin(np.radians(angle))]) * way
        speed, radius = rng.uniform(*self.event_speed), rng.uniform(*self.event_radius)
        reach = np.abs(direction) * speed * (EVENT_FRAMES - 1) / 2 + radius
        middle = rng.uniform(reach, SIZE - reach)
        offsets = (np.arange(EVENT_FRAMES) - (EVENT_FRAMES - 1) / 2) * speed
        return {
            "start": int(rng.integers(0, NUM_FRAMES - EVENT_FRAMES + 1)),
            "centres": middle + offsets[:, None] * direction,
            "radius": radius,
            "shape": str(rng.choice(["disc", "square", "triangle"])),
            "colour": colour,
        }


def _draw(image: np.ndarray, shape: str, centre: np.ndarray, radius: float, colour: tuple[int, int, int]) -> None:
    point = tuple(int(round(value * (1 << _SHIFT))) for value in centre)
    if shape == "disc":
        cv2.circle(image, point, int(radius * (1 << _SHIFT)), colour, -1, cv2.LINE_AA, _SHIFT)
        return
    angles = np.pi / 4 + np.arange(4) * np.pi / 2 if shape == "square" else -np.pi / 2 + np.arange(3) * 2 * np.pi / 3
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius * 1.25 + centre
    cv2.fillConvexPoly(image, np.round(corners * (1 << _SHIFT)).astype(np.int32), colour, cv2.LINE_AA, _SHIFT)


def _drifter(rng: np.random.Generator) -> dict[str, Any]:
    """A slow sprite that stays throughout."""
    angle = rng.uniform(0, 2 * np.pi)
    velocity = np.asarray([np.cos(angle), np.sin(angle)]) * rng.uniform(0.1, 0.6)
    centres = rng.uniform(8, SIZE - 8, 2) + (np.arange(NUM_FRAMES) - NUM_FRAMES / 2)[:, None] * velocity
    return {
        "start": 0,
        "centres": centres,
        "radius": rng.uniform(4, 6),
        "shape": str(rng.choice(["disc", "square", "triangle"])),
        "colour": DECOY_COLOURS[rng.integers(len(DECOY_COLOURS))],
    }
