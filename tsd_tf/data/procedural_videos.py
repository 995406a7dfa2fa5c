"""A procedural action data set on which few-frame recognition is a fair question.

A class is a colour and an axis of motion: "red horizontal". The event that shows it lasts a few frames at a random
time of the video: a small sprite of one of the class colours darts along the axis, either way. Slow sprites and decoy
events with the same motion in other colours clutter the video, over a panning, flickering, noisy background. A single
frame tells the colour at best, never the axis, and most frames show no event at all.
"""

import dataclasses

import cv2
import numpy as np

SIZE = 64
NUM_FRAMES = 40
EVENT_FRAMES = 5
_TRIMMED_FRAMES = 8
_COLOURS = {"red": (225, 35, 35), "green": (35, 205, 35), "blue": (45, 60, 235)}
_AXES = {"horizontal": 0.0, "diagonal": 45.0, "vertical": 90.0, "antidiagonal": 135.0}
_DECOY_COLOURS = ((235, 225, 40), (40, 220, 220), (220, 40, 220), (240, 240, 240), (15, 15, 15), (130, 80, 30))
_PIXEL_NOISE = 8.0
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


@dataclasses.dataclass(frozen=True)
class ProceduralVideo:
    """A rendered video and the truth about it.

    Attributes:
        frames: (NUM_FRAMES, SIZE, SIZE, 3) uint8 RGB.
        label: index into `class_names(num_axes)`.
        event_start: first frame of the event; it lasts EVENT_FRAMES.
    """

    frames: np.ndarray
    label: int
    event_start: int

    @property
    def trimmed_start(self):
        """First frame of `trimmed()`."""
        start = self.event_start - (_TRIMMED_FRAMES - EVENT_FRAMES) // 2
        return min(max(start, 0), NUM_FRAMES - _TRIMMED_FRAMES)

    def trimmed(self):
        """The frames around the event, as an annotator of an action data set would cut them: (8, SIZE, SIZE, 3)."""
        return self.frames[self.trimmed_start : self.trimmed_start + _TRIMMED_FRAMES]


def class_names(num_axes=4):
    """The class names by label: colours times the axes.

    Args:
        num_axes: 2 (horizontal, vertical) or 4 (the diagonals as well).
    """
    return [f"{colour} {axis}" for colour in _COLOURS for axis in _axes(num_axes)]


def _axes(num_axes):
    if num_axes not in (2, 4):
        raise ValueError(f"`num_axes` must be 2 or 4. Received: num_axes={num_axes}")
    return list(_AXES)[:: 4 // num_axes]


def _background(rng):
    """Colour noise at several scales, large enough to pan over: (2 SIZE, 2 SIZE, 3) float32 in [0, 255]."""
    size = 2 * SIZE
    canvas = np.full((size, size, 3), 110.0, "float32")
    for cells, amplitude in ((3, 30.0), (6, 24.0), (12, 16.0), (32, 10.0)):
        noise = rng.uniform(-1, 1, (cells, cells, 3)).astype("float32") * amplitude
        canvas += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(canvas, 0, 255)


def _draw(image, shape, centre, radius, colour):
    point = tuple(int(round(value * (1 << _SHIFT))) for value in centre)
    if shape == "disc":
        cv2.circle(image, point, int(radius * (1 << _SHIFT)), colour, -1, cv2.LINE_AA, _SHIFT)
        return
    angles = np.pi / 4 + np.arange(4) * np.pi / 2 if shape == "square" else -np.pi / 2 + np.arange(3) * 2 * np.pi / 3
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius * 1.25 + np.asarray(centre)
    cv2.fillConvexPoly(image, np.round(corners * (1 << _SHIFT)).astype(np.int32), colour, cv2.LINE_AA, _SHIFT)


def _dart(rng, angle, colour):
    """An event: a sprite that crosses part of the frame along `angle` (degrees, either way) in EVENT_FRAMES frames."""
    direction = np.asarray([np.cos(np.radians(angle)), -np.sin(np.radians(angle))]) * rng.choice([-1.0, 1.0])
    speed, radius = rng.uniform(5, 7), rng.uniform(6, 8)
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


def _drifter(rng):
    """A slow sprite, there throughout."""
    angle = rng.uniform(0, 2 * np.pi)
    velocity = np.asarray([np.cos(angle), np.sin(angle)]) * rng.uniform(0.1, 0.6)
    centres = rng.uniform(8, SIZE - 8, 2) + (np.arange(NUM_FRAMES) - NUM_FRAMES / 2)[:, None] * velocity
    return {
        "start": 0,
        "centres": centres,
        "radius": rng.uniform(4, 6),
        "shape": str(rng.choice(["disc", "square", "triangle"])),
        "colour": _DECOY_COLOURS[rng.integers(len(_DECOY_COLOURS))],
    }


def render(seed, label, num_axes=4):
    """Renders one video: a pure function of its arguments.

    Args:
        seed: int or sequence of ints.
        label: index into `class_names(num_axes)`.
        num_axes: see `class_names`.

    Returns:
        ProceduralVideo.
    """
    rng = np.random.default_rng(seed)
    axes = _axes(num_axes)
    colour, axis = list(_COLOURS.values())[label // len(axes)], axes[label % len(axes)]
    event = _dart(rng, _AXES[axis], colour)
    decoys = [
        _dart(rng, _AXES[axes[rng.integers(len(axes))]], _DECOY_COLOURS[rng.integers(len(_DECOY_COLOURS))])
        for _ in range(2)
    ]
    sprites = [_drifter(rng), _drifter(rng), *decoys, event]
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
        image = image * flicker[index] + rng.normal(0, _PIXEL_NOISE, image.shape)
        frames[index] = np.clip(np.round(image), 0, 255)
    return ProceduralVideo(frames, label, event["start"])
