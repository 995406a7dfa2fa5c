"""What is behind and over everything in a sample video: clouds of colour, a camera that pans, and its sensor."""

from collections.abc import Iterator

import cv2
import numpy as np

_CELLS = (3, 6, 12, 32)  # a side, of each layer of clouds


def clouds(
    rng: np.random.Generator, size: int, colour: np.ndarray | float, amplitudes: tuple[float, float, float, float]
) -> np.ndarray:
    """Colour noise at several scales, large enough to pan over: (2 size, 2 size, 3) float32 in [0, 255].

    Args:
        rng: where the noise comes from.
        size: height and width of the video.
        colour: the mean, one level or three.
        amplitudes: in levels, of 3, 6, 12 and 32 cells a side.
    """
    side = 2 * size
    canvas = np.full((side, side, 3), colour, "float32")
    for cells, amplitude in zip(_CELLS, amplitudes, strict=True):
        noise = rng.uniform(-1, 1, (cells, cells, 3)).astype("float32") * amplitude
        canvas += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(canvas, 0, 255)


def pan(canvas: np.ndarray, start: np.ndarray, velocity: np.ndarray, num_frames: int) -> Iterator[np.ndarray]:
    """The part of a canvas that each frame shows, (size, size, 3).

    Args:
        canvas: (2 size, 2 size, 3).
        start: x and y of the first frame's corner, in pixels.
        velocity: pixels a frame; what lies beyond the canvas is its mirror image.
        num_frames: how many.
    """
    size = len(canvas) // 2
    for index in range(num_frames):
        x, y = start + velocity * index
        view = np.asarray([[1, 0, x], [0, 1, y]], "float32")
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        yield cv2.warpAffine(canvas, view, (size, size), flags=how, borderMode=cv2.BORDER_REFLECT_101)


def exposed(rng: np.random.Generator, image: np.ndarray, gain: float, noise: float) -> np.ndarray:
    """An image as the sensor sees it: brighter by `gain`, with noise of this standard deviation, as uint8."""
    return np.clip(np.round(image * gain + rng.normal(0, noise, image.shape)), 0, 255).astype(np.uint8)
