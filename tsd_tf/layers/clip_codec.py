"""What a video codec makes of distilled frames, and what they cost, in operations that pass gradients on."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer

CHROMA = ("4:2:0", "4:4:4")
_BLOCK = 8
# BT.601 in limited range, as the video codecs get it: levels of RGB, 0 to 255 -> Y', Cb, Cr.
_TO_YUV = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
_OFFSETS = np.array([16.0, 128.0, 128.0])
_GREY = 128.0  # what a block is predicted from if not from the frame before it
# x264's: a first frame's finer step, since the others are predicted from it, and what is added before rounding down.
_FIRST_FRAME = 1.4
_ROUNDING = {"grey": 1 / 3, "before": 1 / 6}


def dct_matrix() -> np.ndarray:
    """The orthonormal DCT-II of eight values, (frequency, place) float32."""
    frequency, place = np.mgrid[:_BLOCK, :_BLOCK]
    matrix = np.cos((2 * place + 1) * frequency * math.pi / (2 * _BLOCK)) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.astype("float32")


def quantiser_step(quality: float) -> float:
    """The step of H.264's quantiser, in levels of 255 for orthonormal coefficients: it doubles every six."""
    return 0.625 * 2 ** (quality / 6)


def rounded(values: Any, addend: Any = 0.5) -> Any:
    """Integers, with the gradient of the values themselves (straight-through).

    Args:
        values: any shape.
        addend: what is added to their magnitudes before they are rounded down: 0.5 gives the nearest integers, less
            makes more of them zero.
    """
    return values + ops.stop_gradient(ops.sign(values) * ops.floor(ops.abs(values) + addend) - values)


def clipped(values: Any, low: float, high: float) -> Any:
    """Values within bounds, with the gradient of the values themselves."""
    return values + ops.stop_gradient(ops.clip(values, low, high) - values)


def code(frames: Any, step: float, chroma: str = "4:2:0") -> tuple[Any, Any]:
    """Codes and decodes a clip: colours, an 8 x 8 DCT, prediction from the frame before, quantisation.

    Each block is predicted from the decoded frame before it, in the same place, or from grey, whichever costs less.
    There is no search for motion. What is left is divided by `step` and rounded, by x264's rules. A coefficient c of it
    costs log(1 + |c / step|), as in Guleryuz et al., Sandwiched Image Compression (2021). Roundings and bounds pass
    gradients on unchanged.

    Args:
        frames: (batch, num_frames, height, width, 3) float32, RGB in [-1, 1], each alike the one before.
        step: of the quantiser, see `quantiser_step`; the first frame's is smaller, as x264's.
        chroma: one of CHROMA.

    Returns:
        (decoded, cost): decoded frames of the same shape, of whole levels as uint8 has them; and the costs (batch,).
    """
    frames = ops.convert_to_tensor(frames)
    _, num_frames, height, width, _ = frames.shape
    levels = rounded(clipped((frames + 1.0) * 127.5, 0.0, 255.0))
    planes = ops.matmul(levels, ops.convert_to_tensor(_TO_YUV.T.astype("float32")))
    planes = planes + ops.convert_to_tensor((_OFFSETS - _GREY).astype("float32"))
    halved = chroma == "4:2:0"
    multiple = _BLOCK * (2 if halved else 1)
    padded = tuple(-(-size // multiple) * multiple for size in (height, width))
    planes = _repeat_edge(planes, padded)
    luma, colours = planes[..., :1], planes[..., 1:]
    if halved:
        shape = (-1, num_frames, padded[0] // 2, 2, padded[1] // 2, 2, 2)
        colours = ops.mean(ops.reshape(colours, shape), axis=(3, 5))
    coefficients = ops.concatenate([_transform(luma), _transform(colours)], axis=2)
    coded, cost = _predict_and_quantise(coefficients, step)

    blocks = padded[0] * padded[1] // _BLOCK**2
    luma = _inverse(coded[:, :, :blocks], padded, 1)
    colours = _inverse(coded[:, :, blocks:], tuple(size // 2 for size in padded) if halved else padded, 2)
    if halved:
        colours = ops.repeat(ops.repeat(colours, 2, axis=2), 2, axis=3)
    planes = ops.concatenate([luma, colours], axis=-1)[:, :, :height, :width]
    planes = planes - ops.convert_to_tensor((_OFFSETS - _GREY).astype("float32"))
    levels = ops.matmul(planes, ops.convert_to_tensor(np.linalg.inv(_TO_YUV).T.astype("float32")))
    return rounded(clipped(levels, 0.0, 255.0)) / 127.5 - 1.0, cost


def _repeat_edge(planes: Any, size: tuple[int, int]) -> Any:
    """Planes (batch, num_frames, height, width, channels), their last rows and columns repeated up to `size`."""
    for axis, (old, new) in enumerate(zip(planes.shape[2:4], size, strict=True), start=2):
        if new > old:
            planes = ops.take(planes, np.minimum(np.arange(new), old - 1), axis=axis)
    return planes


def _transform(planes: Any) -> Any:
    """Planes (batch, num_frames, height, width, channels) as coefficients (batch, num_frames, blocks, 8, 8)."""
    _, num_frames, height, width, channels = planes.shape
    rows, columns = height // _BLOCK, width // _BLOCK
    blocks = ops.reshape(planes, (-1, num_frames, rows, _BLOCK, columns, _BLOCK, channels))
    blocks = ops.reshape(
        ops.transpose(blocks, (0, 1, 6, 2, 4, 3, 5)), (-1, num_frames, channels * rows * columns, 8, 8)
    )
    matrix = ops.convert_to_tensor(dct_matrix())
    return ops.matmul(ops.matmul(matrix, blocks), ops.transpose(matrix))


def _inverse(coefficients: Any, size: tuple[int, int], channels: int) -> Any:
    """The planes of `size` that `_transform` made these coefficients of."""
    num_frames = coefficients.shape[1]
    rows, columns = (length // _BLOCK for length in size)
    matrix = ops.convert_to_tensor(dct_matrix())
    blocks = ops.matmul(ops.matmul(ops.transpose(matrix), coefficients), matrix)
    blocks = ops.reshape(blocks, (-1, num_frames, channels, rows, columns, _BLOCK, _BLOCK))
    return ops.reshape(ops.transpose(blocks, (0, 1, 3, 5, 4, 6, 2)), (-1, num_frames, *size, channels))


def _predict_and_quantise(coefficients: Any, step: float) -> tuple[Any, Any]:
    """Coefficients (batch, num_frames, blocks, 8, 8) as the decoder gets them, and what they cost (batch,)."""
    # The transform is linear: prediction needs no frames, only their coefficients.
    decoded: list[Any] = []
    total: Any = 0.0
    for index in range(coefficients.shape[1]):
        one, scale = coefficients[:, index], step if decoded else step / _FIRST_FRAME
        cost = _cost(one, scale)
        prediction, addend = ops.zeros_like(one), _ROUNDING["grey"]
        if decoded:
            from_before = _cost(one - decoded[-1], scale)
            cheaper = from_before < cost
            cost = ops.where(cheaper, from_before, cost)
            cheaper = cheaper[..., None, None]
            prediction = ops.where(cheaper, decoded[-1], prediction)
            addend = ops.where(cheaper, _ROUNDING["before"], addend)
        total = total + ops.sum(cost, axis=1)
        decoded.append(prediction + scale * rounded((one - prediction) / scale, addend))
    return ops.stack(decoded, axis=1), total


def _cost(residual: Any, step: float) -> Any:
    """The cost of each block of (..., blocks, 8, 8): (..., blocks)."""
    return ops.sum(ops.log1p(ops.abs(residual) / step), axis=(-2, -1))


@keras.saving.register_keras_serializable("tsd_tf")
class ClipCodec(ConfiguredLayer):
    """Distilled frames as they arrive when they are coded as a video, and what that costs; see `code`.

    As for a real codec, frames follow each other in time order: by the expected times sum_i i P_ij of the columns of
    P. It has no weights, and nothing of it is in the paper.

    Args:
        quality: as a video codec's, from 0 (best); see `quantiser_step`.
        chroma: "4:2:0" (colours at half the size, as video codecs do by default) or "4:4:4".

    Call arguments:
        distilled_frames: Y, (batch, T_s, height, width, 3), RGB in [-1, 1].
        transformation_matrix: P, (batch, T, T_s).

    Output: (frames, cost). Frames float32 of the shape and in the order of Y; cost (batch,) float32, to be multiplied
        with the bytes that a unit of it takes.
    """

    def __init__(self, quality: float = 24, chroma: str = "4:2:0", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if quality < 0:
            raise ValueError(f"`quality` must be at least 0. Received: quality={quality}")
        if chroma not in CHROMA:
            raise ValueError(f"`chroma` must be one of {', '.join(CHROMA)}. Received: chroma={chroma!r}")
        self.quality = quality
        self.chroma = chroma

    def call(self, distilled_frames: Any, transformation_matrix: Any) -> tuple[Any, Any]:
        frames = ops.cast(distilled_frames, "float32")
        # Row j has its one where the j-th frame in time order stands.
        order = ops.one_hot(_time_order(transformation_matrix), frames.shape[1], dtype="float32")
        decoded, cost = code(_permuted(order, frames), quantiser_step(self.quality), self.chroma)
        return _permuted(ops.transpose(order, (0, 2, 1)), decoded), cost

    def compute_output_shape(
        self, distilled_frames_shape: tuple[int | None, ...], transformation_matrix_shape: tuple[int | None, ...]
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        return tuple(distilled_frames_shape), (distilled_frames_shape[0],)


def _time_order(matrix: Any) -> Any:
    """The columns of P (batch, T, T_s) by their expected time: (batch, T_s) ints."""
    times = ops.reshape(ops.arange(matrix.shape[1], dtype="float32"), (1, -1, 1))
    return ops.argsort(ops.sum(ops.cast(matrix, "float32") * times, axis=1), axis=1)


def _permuted(order: Any, frames: Any) -> Any:
    flat = ops.reshape(frames, (-1, frames.shape[1], math.prod(frames.shape[2:])))
    return ops.reshape(ops.matmul(order, flat), (-1, *frames.shape[1:]))
