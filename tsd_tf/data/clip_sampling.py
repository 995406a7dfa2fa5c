"""Which frames, which crop, which flip: pure functions of a seed.

A seed is an int32 tensor of shape (2,). The same seed gives the same answer on every machine and in every order of
execution, so that a resumed run draws what an uninterrupted one would have drawn.
"""

import numpy as np
import tensorflow as tf

# What a record's seed is used for: folded into it, so that the draws are independent of each other.
_START, _CROP_Y, _CROP_X, _FLIP, _SELECTION, _AUGMENTATION = range(6)
_fold_in = tf.random.experimental.stateless_fold_in


def seed_of(*path: int | tf.Tensor) -> tf.Tensor:
    """The seed of a node in a tree of integers: seed_of(seed, epoch, shard, record, ...).

    Args:
        *path: at least one integer, Python's or a tensor's; negative ones are allowed.

    Returns:
        int32 (2,).
    """
    low, high = tf.unstack(tf.bitcast(tf.cast(path[0], tf.int64), tf.int32))
    seed = _fold_in(tf.stack([low, 0]), high)
    for number in path[1:]:
        seed = _fold_in(seed, tf.cast(number, tf.int32))
    return seed


def start_draw(seed: tf.Tensor) -> tf.Tensor:
    """The random number from which `frames` makes a clip, drawn before the video's length is known: uint32 scalar."""
    return tf.random.stateless_uniform((), _fold_in(seed, _START), None, None, tf.uint32)


def start_draws(num_clips: int, seed: tf.Tensor) -> tf.Tensor:
    """`start_draw` of each of a video's `num_clips` clips, independent of each other: uint32 (num_clips,)."""
    return tf.stack([start_draw(_fold_in(seed, q)) for q in range(num_clips)])


def frames(video_length: int, num_frames: int, draws: np.ndarray) -> np.ndarray:
    """Indices of consecutive frames from a uniformly random start; a video shorter than the clip is looped.

    In NumPy, since readers call it while they look at a record.

    Args:
        video_length: frames of the video, at least 1.
        num_frames: frames of the clip.
        draws: uint32 array (...,) of `start_draw`.

    Returns:
        int64 (..., num_frames), each in [0, video_length).
    """
    starts = np.asarray(draws, np.int64) % (max(video_length - num_frames, 0) + 1)
    return (starts[..., None] + np.arange(num_frames)) % video_length


def selection_seed(seed: tf.Tensor) -> tf.Tensor:
    """The seed from which a selector that draws at random draws the frames of the clip: int32 (2,)."""
    return _fold_in(seed, _SELECTION)


def selection_seeds(num_clips: int, seed: tf.Tensor) -> tf.Tensor:
    """`selection_seed` of each of the `num_clips` clips that `start_draws` draws: int32 (num_clips, 2)."""
    return tf.stack([selection_seed(_fold_in(seed, q)) for q in range(num_clips)])


def random_crop(height: tf.Tensor, width: tf.Tensor, crop_size: int, seed: tf.Tensor) -> tf.Tensor:
    """A uniformly random square window inside a frame: int32 (4,) of y, x, height, width, in pixels."""
    y = tf.random.stateless_uniform((), _fold_in(seed, _CROP_Y), 0, height - crop_size + 1, tf.int32)
    x = tf.random.stateless_uniform((), _fold_in(seed, _CROP_X), 0, width - crop_size + 1, tf.int32)
    return tf.stack([y, x, crop_size, crop_size])


def centre_crop(height: tf.Tensor, width: tf.Tensor, crop_size: int) -> tf.Tensor:
    """The square window in the middle of a frame: int32 (4,) of y, x, height, width, in pixels."""
    return tf.stack([(height - crop_size) // 2, (width - crop_size) // 2, crop_size, crop_size])


def random_flip(seed: tf.Tensor) -> tf.Tensor:
    """True for a clip that is mirrored, with probability 1/2: bool scalar."""
    return tf.random.stateless_uniform((), _fold_in(seed, _FLIP)) < 0.5


def augmentation_seed(seed: tf.Tensor) -> tf.Tensor:
    """The seed of a user's own augmentation of the clip: int32 (2,)."""
    return _fold_in(seed, _AUGMENTATION)
