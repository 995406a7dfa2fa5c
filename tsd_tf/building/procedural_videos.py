"""A procedural action data set that is a fair test of few-frame recognition.

A class is a colour and an axis of motion: "red horizontal". The event that shows it lasts a few frames at a random
time in the video: a small sprite in the class colour darts along the axis, either way. Slow sprites and decoy events
with the same motion in other colours clutter the video, over a panning, flickering, noisy background. A single frame
shows the colour at best, never the axis, and most frames show no event at all.

In the task `"direction"` a class is the signed direction alone, "eastward". The videos are the same, but the colour
means nothing, and only the order of the frames tells one way from the other (the arrow of time).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

SIZE = 64
NUM_FRAMES = 40
EVENT_FRAMES = 5
_TRIMMED_FRAMES = 8
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
class VideoSettings:
    """What the videos show, and how hard it is to see; the defaults are the demo's.

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


@dataclasses.dataclass(frozen=True)
class ProceduralVideo:
    """A rendered video and the truth about it.

    Attributes:
        frames: (NUM_FRAMES, SIZE, SIZE, 3) uint8 RGB.
        label: index into `class_names(settings)`.
        event_start: first frame of the event; it lasts EVENT_FRAMES.
    """

    frames: np.ndarray
    label: int
    event_start: int

    @property
    def trimmed_start(self) -> int:
        """First frame of `trimmed()`."""
        start = self.event_start - (_TRIMMED_FRAMES - EVENT_FRAMES) // 2
        return min(max(start, 0), NUM_FRAMES - _TRIMMED_FRAMES)

    def trimmed(self) -> np.ndarray:
        """The frames around the event, as an annotator would cut them out: (8, SIZE, SIZE, 3)."""
        return self.frames[self.trimmed_start : self.trimmed_start + _TRIMMED_FRAMES]


def class_names(settings: VideoSettings) -> list[str]:
    """The class names by label: colours times axes, or the ways along the axes."""
    if settings.task == "direction":
        return [way for axis in settings.axes for way in _WAYS[axis]]
    return [f"{colour} {axis}" for colour in settings.colours for axis in settings.axes]


def _background(rng: np.random.Generator) -> np.ndarray:
    """Colour noise at several scales, large enough to pan over: (2 SIZE, 2 SIZE, 3) float32 in [0, 255]."""
    size = 2 * SIZE
    canvas = np.full((size, size, 3), 110.0, "float32")
    for cells, amplitude in ((3, 30.0), (6, 24.0), (12, 16.0), (32, 10.0)):
        noise = rng.uniform(-1, 1, (cells, cells, 3)).astype("float32") * amplitude
        canvas += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(canvas, 0, 255)


def _draw(image: np.ndarray, shape: str, centre: np.ndarray, radius: float, colour: tuple[int, int, int]) -> None:
    point = tuple(int(round(value * (1 << _SHIFT))) for value in centre)
    if shape == "disc":
        cv2.circle(image, point, int(radius * (1 << _SHIFT)), colour, -1, cv2.LINE_AA, _SHIFT)
        return
    angles = np.pi / 4 + np.arange(4) * np.pi / 2 if shape == "square" else -np.pi / 2 + np.arange(3) * 2 * np.pi / 3
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius * 1.25 + centre
    cv2.fillConvexPoly(image, np.round(corners * (1 << _SHIFT)).astype(np.int32), colour, cv2.LINE_AA, _SHIFT)


def _dart(
    rng: np.random.Generator,
    angle: float,
    colour: tuple[int, int, int],
    settings: VideoSettings,
    sign: float | None = None,
) -> dict[str, Any]:
    """An event: a sprite that crosses part of the frame along `angle` (degrees) in EVENT_FRAMES frames.

    `sign`, 1.0 or -1.0, is its way along the axis; None draws one at random.
    """
    drawn = rng.choice([-1.0, 1.0])
    direction = np.asarray([np.cos(np.radians(angle)), -np.sin(np.radians(angle))]) * (drawn if sign is None else sign)
    speed, radius = rng.uniform(*settings.event_speed), rng.uniform(*settings.event_radius)
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


def render(seed: int | Sequence[int], label: int, settings: VideoSettings | None = None) -> ProceduralVideo:
    """Renders one video: a pure function of its arguments.

    Args:
        seed: one number, or several that form one seed.
        label: index into `class_names(settings)`.
        settings: None for the defaults.
    """
    settings = settings or VideoSettings()
    rng = np.random.default_rng(seed)
    axes = settings.axes
    event = _event(rng, label, settings)
    decoys = [
        _dart(rng, _AXES[axes[rng.integers(len(axes))]], DECOY_COLOURS[rng.integers(len(DECOY_COLOURS))], settings)
        for _ in range(settings.num_decoys)
    ]
    sprites = [*(_drifter(rng) for _ in range(settings.num_drifters)), *decoys, event]
    background = _background(rng)
    pan_start, pan_velocity = rng.uniform(16, 48, 2), rng.uniform(-0.4, 0.4, 2)
    flicker = rng.normal(1.0, 0.04, NUM_FRAMES)
    frames = np.empty((NUM_FRAMES, SIZE, SIZE, 3), np.uint8)
    for index in range(NUM_FRAMES):
        x, y = pan_start + pan_velocity * index
        view = np.asarray([[1, 0, x], [0, 1, y]], "float32")
        image = cv2.warpAffine(background, view, (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        for sprite in sprites:
            if 0 <= index - sprite["start"] < len(sprite["centres"]):
                centre = sprite["centres"][index - sprite["start"]]
                _draw(image, sprite["shape"], centre, sprite["radius"], sprite["colour"])
        image = image * flicker[index] + rng.normal(0, settings.pixel_noise, image.shape)
        frames[index] = np.clip(np.round(image), 0, 255)
    return ProceduralVideo(frames, label, event["start"])


def _event(rng: np.random.Generator, label: int, settings: VideoSettings) -> dict[str, Any]:
    colours, axes = list(settings.colours.values()), settings.axes
    if settings.task == "axis":
        return _dart(rng, _AXES[axes[label % len(axes)]], colours[label // len(axes)], settings)
    axis, way = divmod(label, 2)
    return _dart(rng, _AXES[axes[axis]], colours[rng.integers(len(colours))], settings, sign=(1.0, -1.0)[way])
