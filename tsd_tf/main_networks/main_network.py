"""What every main network has in common: its input, its last layer and its configuration."""

import keras


class MainNetwork(keras.Model):
    """Base of the networks that turn distilled frames into class logits.

    Args:
        num_classes: number of logits.
        dropout_rate: before the last layer, in training.
        width: factor on the channels of every layer; 1 is the paper's.

    Input shape: (batch, num_frames, height, width, 3), RGB in [-1, 1].
    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, num_classes, dropout_rate, width, **kwargs):
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: num_classes={num_classes}")
        self.num_classes = num_classes
        self.dropout_rate = dropout_rate
        self.width = width
        self.dropout = keras.layers.Dropout(dropout_rate, dtype=self.dtype_policy, name="Dropout")
        # In the variables' type, which mixed precision leaves at float32.
        self.logits = keras.layers.Dense(num_classes, dtype=self.variable_dtype, name="Logits")

    def channels(self, count):
        """`count` channels of the paper's network at this width."""
        return max(1, round(count * self.width))

    def check_frames(self, shape):
        """Raises ValueError unless `shape` is (batch, num_frames, height, width, 3), known but for the batch."""
        if len(shape) != 5 or None in shape[1:] or shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} expects frames of a known shape (batch, num_frames, height, width, 3). "
                f"Received: input_shape={tuple(shape)}"
            )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "dropout_rate": self.dropout_rate,
            "width": self.width,
        }
