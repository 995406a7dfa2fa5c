"""What every main network has in common: its input, its blocks, its last layer and its configuration."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer


class MainNetwork(ConfiguredLayer, keras.Model):
    """Base of the networks that turn distilled frames into class logits: blocks, one after the other, and a last layer.

    Subclasses fill `blocks`. Calling the network is `head` of `features`.

    Args:
        num_classes: number of logits.
        dropout_rate: before the last layer, in training.
        width: factor on the channels of every layer; 1 is the paper's.
        batch_norm_momentum: of all batch normalisations; None in a network without any.

    Input shape: (batch, num_frames, height, width, 3), RGB in [-1, 1].
    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(
        self,
        num_classes: int,
        dropout_rate: float,
        width: float = 1.0,
        batch_norm_momentum: float | None = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: num_classes={num_classes}")
        self.num_classes = num_classes
        self.dropout_rate = dropout_rate
        self.width = width
        self.batch_norm_momentum = batch_norm_momentum
        self.dropout = keras.layers.Dropout(dropout_rate, dtype=self.dtype_policy, name="Dropout")
        # In the variables' type, which mixed precision leaves at float32.
        self.logits = keras.layers.Dense(num_classes, dtype=self.variable_dtype, name="Logits")
        self.blocks: list[keras.layers.Layer] = []

    def channels(self, count: int) -> int:
        """`count` channels of the paper's network at this width."""
        return max(1, round(count * self.width))

    def check_frames(self, shape: tuple[int | None, ...]) -> None:
        """Raises ValueError unless `shape` is (batch, num_frames, height, width, 3), known but for the batch."""
        if len(shape) != 5 or None in shape[1:] or shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} expects frames of a known shape (batch, num_frames, height, width, 3). "
                f"Received: input_shape={tuple(shape)}"
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.check_frames(input_shape)
        shape = self._build_blocks(tuple(input_shape))
        self.logits.build((shape[0], shape[-1]))

    def _build_blocks(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Builds the blocks; returns the shape of the last one's output."""
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        return shape

    def call(self, frames: Any, training: bool | None = None) -> Any:
        return self.head(self.features(frames, training=training), training=training)

    def features(self, frames: Any, training: bool | None = None) -> Any:
        """The last features that have a place in time and space, (batch, time, height, width, channels)."""
        return self._run_blocks(frames, training)

    def head(self, features: Any, training: bool | None = None) -> Any:
        """Logits (batch, num_classes), float32, of `features`."""
        return self._classify(ops.mean(features, axis=(1, 2, 3)), training)

    def _run_blocks(self, x: Any, training: bool | None) -> Any:
        """The output of the last block; Keras drops `training` for layers that do not take it."""
        for block in self.blocks:
            x = block(x, training=training)
        return x

    def _classify(self, x: Any, training: bool | None) -> Any:
        """Logits, float32, of features (batch, channels)."""
        return ops.cast(self.logits(self.dropout(x, training=training)), "float32")

    @property
    def _unit_arguments(self) -> dict[str, Any]:
        """Arguments of every unit that normalises."""
        return {"batch_norm_momentum": self.batch_norm_momentum, "dtype": self.dtype_policy}

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.num_classes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.batch_norm_momentum is None:
            del config["batch_norm_momentum"]
        return config
