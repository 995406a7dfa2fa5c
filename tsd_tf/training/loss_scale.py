"""Loss scaling, without which float16 gradients underflow."""

import keras
import tensorflow as tf


class LossScale:
    """The factor on the loss of a float16 training, which follows what float16 can hold.

    If gradients of the scaled loss overflow, the scale is halved and the step left out; `growth_steps` steps without an
    overflow double it (Micikevicius et al., Mixed precision training, 2018). Make it in the scope of the
    strategy.

    Args:
        initial: the first scale.
        growth_steps: steps without an overflow between doublings.
    """

    def __init__(self, initial: float = 2.0**15, growth_steps: int = 2000) -> None:
        self.growth_steps = growth_steps
        self.scale = keras.Variable(initial, dtype="float32", trainable=False, name="loss_scale")
        self.good_steps = keras.Variable(0, dtype="int32", trainable=False, name="steps_since_overflow")

    @property
    def variables(self) -> list[keras.Variable]:
        """What a checkpoint has to hold."""
        return [self.scale, self.good_steps]

    @property
    def value(self) -> tf.Tensor:
        """The scale, as a tensor of this replica."""
        return tf.convert_to_tensor(self.scale)

    def update(self, overflowed: bool) -> None:
        """Takes whether the gradients of this step overflowed; call it once a step, outside of the replicas."""
        good_steps = 0 if overflowed else int(tf.convert_to_tensor(self.good_steps)) + 1
        if overflowed:
            self.scale.assign(self.value / 2)
        elif good_steps == self.growth_steps:
            self.scale.assign(self.value * 2)
            good_steps = 0
        self.good_steps.assign(good_steps)
