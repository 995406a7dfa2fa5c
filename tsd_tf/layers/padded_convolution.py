"""A convolution of an explicitly padded input, and a faster gradient for inputs of few channels."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

# Up to this many input channels, the gradient of a strided convolution is slow to compute; frames have three.
_FEW_CHANNELS = 4
_WAYS = ("auto", "plain", "blocks")
_way = "auto"


@contextlib.contextmanager
def input_gradients(way: str) -> Iterator[None]:
    """A context that chooses how gradients to frames are computed by the steps that are traced, or run, in it.

    Args:
        way: "plain", the backend's own gradient; "blocks", `input_gradient`; or "auto", what holds outside of any such
            context: blocks on TensorFlow and JAX, plain on PyTorch.
    """
    global _way
    if way not in _WAYS:
        raise ValueError(f"`way` must be one of {', '.join(_WAYS)}. Received: way={way!r}")
    before, _way = _way, way
    try:
        yield
    finally:
        _way = before


def _in_blocks() -> bool:
    # PyTorch has no compiler that would leave the gradient out where nobody asks for it.
    return _way == "blocks" or (_way == "auto" and keras.backend.backend() != "torch")


def padded_convolution(
    convolution: keras.layers.Layer, inputs: Any, padding: Sequence[tuple[int, int]], training: bool | None = False
) -> Any:
    """Pads `inputs` with zeros and convolves them.

    When a client is trained, the gradient runs through the main network's first convolution to the frames. On a CPU,
    TensorFlow spends more time on this gradient than on the rest of the convolution's training. `input_gradient` is
    faster, there and on a GPU, and takes its place; see `input_gradients`.

    Args:
        convolution: a built keras.layers.Conv2D or Conv3D that does not pad.
        inputs: (batch, *size, channels).
        padding: (zeros before, zeros after) of each axis.
        training: whether gradients will be taken; if not, the graph stays plain.

    Returns:
        The output of `convolution` on the padded inputs.
    """
    padded = ops.pad(inputs, [(0, 0), *padding, (0, 0)])
    if not training or max(convolution.strides) == 1 or inputs.shape[-1] > _FEW_CHANNELS or not _in_blocks():
        return convolution(padded)
    outputs = convolution(ops.stop_gradient(padded))
    kernel = ops.stop_gradient(ops.cast(convolution.kernel, outputs.dtype))
    before, size = [zeros for zeros, _ in padding], tuple(inputs.shape[1:-1])

    @ops.custom_gradient
    def passed_on(outputs, inputs, kernel):
        def gradient(*args, upstream=None):
            (upstream,) = args if upstream is None else (upstream,)
            to_inputs = input_gradient(upstream, kernel, convolution.strides, before, size)
            return upstream, ops.cast(to_inputs, inputs.dtype), ops.zeros_like(kernel)

        return outputs, gradient

    return passed_on(outputs, inputs, kernel)


def input_gradient(
    upstream: Any, kernel: Any, strides: Sequence[int], before: Sequence[int], size: Sequence[int]
) -> Any:
    """The gradient of a convolution with respect to its inputs, computed as a convolution of stride 1.

    As in sub-pixel upsampling (Shi et al., CVPR 2016), its outputs are blocks of neighbouring inputs, one stride long
    on each axis, with their channels side by side. That many channels fill a processor's vectors; three do not.

    Args:
        upstream: the gradient with respect to the outputs, (batch, *output size, filters).
        kernel: (*kernel size, channels, filters).
        strides: of each axis.
        before: the number of zeros before the inputs on each axis; the number after them follows from the sizes.
        size: of the inputs without zeros.

    Returns:
        (batch, *size, channels), in the dtype of `upstream`.
    """
    rank, (channels, filters) = len(size), kernel.shape[-2:]
    axes = tuple(zip(kernel.shape[:rank], strides, before, size, upstream.shape[1:-1], strict=True))
    taps = [-(-length // stride) for length, stride, *_ in axes]
    # The blocks that hold the first and the last input of each axis.
    first = [zeros // stride for _, stride, zeros, *_ in axes]
    last = [(zeros + count - 1) // stride for _, stride, zeros, count, _ in axes]
    blocks = [end - start + 1 for start, end in zip(first, last, strict=True)]
    padding = [
        (tap - 1 - start, end + 1 - axis[-1]) for tap, start, end, axis in zip(taps, first, last, axes, strict=True)
    ]
    # Tap j for input k of a block is tap j * stride + k of the kernel.
    whole = [(0, tap * stride - length) for tap, (length, stride, *_) in zip(taps, axes, strict=True)]
    pairs = [count for pair in zip(taps, strides, strict=True) for count in pair]
    kernel = ops.reshape(ops.pad(kernel, [*whole, (0, 0), (0, 0)]), (*pairs, channels, filters))
    kernel = ops.transpose(kernel, (*range(0, 2 * rank, 2), 2 * rank + 1, *range(1, 2 * rank, 2), 2 * rank))
    kernel = ops.reshape(ops.flip(kernel, axis=tuple(range(rank))), (*taps, filters, -1))
    found = ops.conv(ops.pad(upstream, [(0, 0), *padding, (0, 0)]), kernel, strides=1, padding="valid")
    found = ops.reshape(found, (-1, *blocks, *strides, channels))
    interleaved = [place for axis in range(1, rank + 1) for place in (axis, rank + axis)]
    found = ops.transpose(found, (0, *interleaved, 2 * rank + 1))
    found = ops.reshape(found, (-1, *(count * stride for count, stride in zip(blocks, strides, strict=True)), channels))
    offsets = [zeros - start * stride for start, (_, stride, zeros, *_) in zip(first, axes, strict=True)]
    inside = (slice(offset, offset + count) for offset, count in zip(offsets, size, strict=True))
    window = (slice(None), *inside)
    return found[window]
