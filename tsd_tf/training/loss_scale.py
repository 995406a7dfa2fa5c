"""Loss scaling, without which float16 gradients underflow."""

import keras
import tensorflow as tf


class LossScale:
    """The factor on the loss of a float16 training, which follows what float16 can hold.

    Gradients of the scaled loss that overflow halve the scale, and their step is left out; `growth_steps` steps
    without an overflow double it (Micikevicius et al., Mixed precision training, 2018). Make it in the scope of the
    strategy.

    Args:
        initial: the first scale.
        growth_steps: steps without an overflow between doublings.
    """

    def __init__(self, initial=2.0**15, growth_steps=2000):
        self.growth_steps = growth_steps
        self.scale = keras.Variable(initial, dtype="float32", trainable=False, name="loss_scale")
        self.good_steps = keras.Variable(0, dtype="int32", trainable=False, name="steps_since_overflow")

    @property
    def variables(self):
        """What a checkpoint has to hold."""
        return [self.scale, self.good_steps]

    @property
    def value(self):
        """The scale, as a tensor of this replica."""
        return tf.convert_to_tensor(self.scale)

    def update(self, overflowed):
        """Takes whether the gradients of this step overflowed; called once a step, outside of the replicas."""
        good_steps = 0 if overflowed else int(tf.convert_to_tensor(self.good_steps)) + 1
        if overflowed:
            self.scale.assign(self.value / 2)
        elif good_steps == self.growth_steps:
            self.scale.assign(self.value * 2)
            good_steps = 0
        self.good_steps.assign(good_steps)
