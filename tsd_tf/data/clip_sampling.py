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


def segment_frames(video_length: int, num_frames: int, draws: np.ndarray) -> np.ndarray:
    """Indices of a random frame from each of `num_frames` equal segments of the video, in time order.

    The sparse sampling of Temporal Segment Networks (Wang et al., 2016, Section 3.1). Segments of less than a frame
    share it.

    Args:
        video_length: frames of the video, at least 1.
        num_frames: segments.
        draws: uint32 array (...,) of `start_draw`.

    Returns:
        int64 (..., num_frames), each in [0, video_length).
    """
    draws = np.asarray(draws)
    # The bits of Philox are promised to stay the same in every NumPy, other distributions are not.
    bits = [np.random.Philox(key=int(draw)).random_raw(num_frames) for draw in draws.ravel()]
    within = (np.stack(bits) >> np.uint64(11)) * 2.0**-53
    places = ((np.arange(num_frames) + within) * video_length / num_frames).astype(np.int64)
    return np.minimum(places, video_length - 1).reshape(*draws.shape, num_frames)


def segment_test_frames(video_length: int, num_frames: int, draws: np.ndarray) -> np.ndarray:
    """As `segment_frames`, for the clips of a test: the first one takes the middle of every segment.

    Args:
        video_length, num_frames: as for `segment_frames`.
        draws: uint32 (num_clips,).

    Returns:
        int64 (num_clips, num_frames), each in [0, video_length).
    """
    found = segment_frames(video_length, num_frames, draws)
    found[0] = (2 * np.arange(num_frames) + 1) * video_length // (2 * num_frames)
    return found


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


def corner_crops(height: tf.Tensor, width: tf.Tensor, crop_size: int) -> list[tf.Tensor]:
    """The square windows in the corners of a frame: top left, top right, bottom left, bottom right.

    Each is int32 (4,) of y, x, height, width, in pixels.
    """
    bottom, right = height - crop_size, width - crop_size
    return [tf.stack([y, x, crop_size, crop_size]) for y in (0, bottom) for x in (0, right)]


def random_flip(seed: tf.Tensor) -> tf.Tensor:
    """True for a clip that is mirrored, with probability 1/2: bool scalar."""
    return tf.random.stateless_uniform((), _fold_in(seed, _FLIP)) < 0.5


def augmentation_seed(seed: tf.Tensor) -> tf.Tensor:
    """The seed of a user's own augmentation of the clip: int32 (2,)."""
    return _fold_in(seed, _AUGMENTATION)
