"""The coarse extractor as a classifier of single frames."""

from typing import Any

import keras
from keras import ops

from tsd_tf.selectors import Selector


@keras.saving.register_keras_serializable("tsd_tf")
class FrameClassifier(keras.Model):
    """Coarse features of each frame, pooled over space by their maximum, one dense layer, logits averaged over time.

    Trains the coarse extractor where no ImageNet weights fit its size. The maximum, because an event may fill a single
    cell of the feature map.

    Args:
        selector: a selector with a coarse extractor, such as TSD.
        num_classes: number of logits.

    Input shape: frames (batch, num_frames, height, width, 3), RGB in [-1, 1].
    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, selector: Selector, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.selector = selector
        self.num_classes = num_classes
        self.logits = keras.layers.Dense(num_classes, name="logits")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.logits.build((None, self.selector.coarse_extractor.output_shape[-1]))

    def call(self, frames: Any, training: bool | None = None) -> Any:
        _, num_frames, height, width, channels = frames.shape
        features = self.selector.encode_frames(ops.reshape(frames, (-1, height, width, channels)), training=training)
        logits = self.logits(ops.max(features, axis=(1, 2)))
        return ops.mean(ops.reshape(logits, (-1, num_frames, self.num_classes)), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "selector": keras.saving.serialize_keras_object(self.selector),
            "num_classes": self.num_classes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FrameClassifier":
        return cls(**{**config, "selector": keras.saving.deserialize_keras_object(config["selector"])})
