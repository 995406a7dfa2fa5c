"""Augmentations of training clips by name, all frames of a clip alike: pure functions of the clip and a seed.

Each takes uint8 frames (num_frames, height, width, 3) and a seed, int32 (2,), and returns such frames. They come after
the crop and the flip, which the configuration has beside them.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tsd_tf import config
from tsd_tf.contract import references

Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_STRENGTH = 0.4  # of changes of colour: factors lie between 1 - 0.4 and 1 + 0.4
_GREY_SHARE = 0.2
_SMALLEST_WINDOW = 0.66  # TSN's smallest scale (arXiv 1608.00859, Section 3.2)
_LUMA = (0.299, 0.587, 0.114)


def brightness(frames: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """All values times one factor."""
    return _between(tf.zeros_like(frames), frames, seed)


def contrast(frames: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Distances from the clip's mean grey times one factor."""
    return _between(tf.fill(tf.shape(frames), tf.reduce_mean(_grey(frames))), frames, seed)


def saturation(frames: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Distances from the same frames in grey times one factor."""
    return _between(tf.broadcast_to(_grey(frames), tf.shape(frames)), frames, seed)


def grey(frames: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A fifth of the clips in grey."""
    is_grey = tf.random.stateless_uniform((), seed) < _GREY_SHARE
    return tf.cond(is_grey, lambda: _uint8(tf.broadcast_to(_grey(frames), tf.shape(frames))), lambda: frames)


def zoom(frames: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A square window of 0.66 to 1 of the sides, anywhere, made as large as the frames."""
    scale, y, x = tf.unstack(tf.random.stateless_uniform((3,), seed))
    height, width = tf.shape(frames)[1], tf.shape(frames)[2]
    scale = _SMALLEST_WINDOW + scale * (1 - _SMALLEST_WINDOW)
    rows, columns = (tf.cast(tf.round(scale * tf.cast(side, tf.float32)), tf.int32) for side in (height, width))
    top, left = (
        tf.cast(place * tf.cast(space + 1, tf.float32), tf.int32)
        for place, space in ((y, height - rows), (x, width - columns))
    )
    window = frames[:, top : top + rows, left : left + columns]
    return _uint8(tf.image.resize(window, (height, width)))


def composed(names: Sequence[str]) -> Augmentation | None:
    """One after the other, each with a seed of its own; None where there is none.

    Args:
        names: of config.AUGMENTATIONS, or package.module:function of the user's own.

    Raises:
        UserError: a reference names nothing.
    """
    functions = [
        globals()[name] if name in config.AUGMENTATIONS else references.resolve(name, "augmentations") for name in names
    ]
    if not functions:
        return None

    def augment(frames: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        for number, function in enumerate(functions):
            # The first one's is the clip's, as when there could be only one.
            own_seed = tf.random.experimental.stateless_fold_in(seed, number) if number else seed
            frames = tf.convert_to_tensor(function(frames, own_seed))
        return frames

    return augment


def _between(plain, frames, seed):
    """`plain` at a factor of 0, `frames` at 1, and beyond them above 1."""
    factor = tf.random.stateless_uniform((), seed, 1 - _STRENGTH, 1 + _STRENGTH)
    plain = tf.cast(plain, tf.float32)
    return _uint8(plain + factor * (tf.cast(frames, tf.float32) - plain))


def _grey(frames):
    """(num_frames, height, width, 1), float32."""
    return tf.reduce_sum(tf.cast(frames, tf.float32) * tf.constant(_LUMA), axis=-1, keepdims=True)


def _uint8(values):
    return tf.cast(tf.clip_by_value(tf.round(values), 0, 255), tf.uint8)
