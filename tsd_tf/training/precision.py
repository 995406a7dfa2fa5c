"""Which numbers a training computes in."""

import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError


def dtype_policy(config: Config) -> str:
    """Keras' dtype policy for a Config: variables are float32 always, and so are P, Y = XP and logits.

    With `mixed_precision`, the convolutions compute in float16 where there is a GPU, in bfloat16 on CPU.

    Raises:
        UserError: bfloat16 with another main network than I3D, whose unit alone avoids gradients that are wrong.
    """
    if not config.mixed_precision:
        return "float32"
    if tf.config.list_physical_devices("GPU"):
        return "mixed_float16"
    if config.main_network != "inception_i3d":
        raise UserError(
            "`mixed_precision` on CPU is for `main_network` inception_i3d: TensorFlow's bfloat16 gradient of a SAME "
            f"convolution over two frames is wrong there. Received: main_network={config.main_network}"
        )
    return "mixed_bfloat16"


def needs_loss_scale(policy: str) -> bool:
    """Whether gradients underflow under this policy: float16 has five bits of exponent, bfloat16 eight as float32."""
    return policy == "mixed_float16"
