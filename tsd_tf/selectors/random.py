"""I3D_R: frames at random."""

from typing import Any

import keras
from keras import ops

from tsd_tf.selectors.selector import Selector


def _word(x):
    """The low 32 bits. Keras' torch backend has no uint32: what is cast to it there is int64."""
    return ops.bitwise_and(x, ops.full_like(x, 0xFFFFFFFF))


def _mixed(x):
    """A bijection of 32-bit words whose every output bit depends on every input bit (Wellons' lowbias32)."""
    x = ops.bitwise_xor(x, ops.right_shift(x, ops.full_like(x, 16)))
    x = _word(x * ops.full_like(x, 0x7FEB352D))
    x = ops.bitwise_xor(x, ops.right_shift(x, ops.full_like(x, 15)))
    x = _word(x * ops.full_like(x, 0x846CA68B))
    return ops.bitwise_xor(x, ops.right_shift(x, ops.full_like(x, 16)))


def draws(seeds: Any, count: int) -> Any:
    """32 random bits for each of `count` places: a pure function of a clip's seed, on every backend.

    Args:
        seeds: (batch, 2) ints, a clip's seed each.
        count: of the places.

    Returns:
        (batch, count), in an integer type that holds them.
    """
    seeds = _word(ops.cast(seeds, "uint32"))
    clip = _mixed(_word(_mixed(seeds[:, :1]) + seeds[:, 1:]))
    place = ops.cast(ops.arange(count), "uint32")[None]
    return _mixed(_word(clip + _mixed(place)))


def random_indices(seeds: Any, num_frames: int, num_distilled_frames: int) -> Any:
    """T_s of T frame indices at random, without replacement: a pure function of a clip's seed, as `draws`.

    Every frame draws a 32-bit number from (seed, its index); the T_s frames with the smallest are picked.

    Args:
        seeds: (batch, 2) ints, a clip's seed each.
        num_frames, num_distilled_frames: T and T_s.

    Returns:
        (batch, T_s) int32, ascending in every row.
    """
    picked = ops.argsort(draws(seeds, num_frames), axis=1)[:, :num_distilled_frames]
    return ops.cast(ops.sort(picked, axis=1), "int32")


@keras.saving.register_keras_serializable("tsd_tf")
class Random(Selector):
    """T_s random frames of the clip, in time order, in training and test (Sections 3.3 and 4.1, I3D_R).

    Args:
        num_frames, num_distilled_frames: T and T_s.

    Call arguments:
        frames: (batch, T, height, width, 3).
        seeds: (batch, 2) ints; the frames of a clip depend on its seed alone. Without seeds, training draws them
            from the layer's seed generator, whose state is saved and restored as dropout's is; otherwise clip i of a
            batch has the seed (0, i).
    """

    looks_at_frames = False

    def __init__(self, num_frames: int, num_distilled_frames: int, **kwargs: Any) -> None:
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_frames(input_shape)

    def call(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        batch = ops.shape(frames)[0]
        if seeds is None and training:
            seeds = keras.random.randint((batch, 2), 0, 2**31 - 1, dtype="int32", seed=self.seed_generator)
        elif seeds is None:
            clips = ops.arange(batch)
            seeds = ops.stack([ops.zeros_like(clips), clips], axis=1)
        indices = random_indices(seeds, self.num_frames, self.num_distilled_frames)
        return ops.transpose(ops.one_hot(indices, self.num_frames, dtype="float32"), (0, 2, 1))
