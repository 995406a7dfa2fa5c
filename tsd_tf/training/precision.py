"""Which numbers a training computes in."""

import tensorflow as tf


def dtype_policy(config):
    """Keras' dtype policy for a Config: variables are float32 always, and so is what P, Y = XP and logits are made in.

    With `mixed_precision`, the convolutions compute in float16 where there is a GPU, in bfloat16 on CPU.
    """
    if not config.mixed_precision:
        return "float32"
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"


def needs_loss_scale(policy):
    """Whether gradients underflow under this policy: float16 has five bits of exponent, bfloat16 eight as float32."""
    return policy == "mixed_float16"
