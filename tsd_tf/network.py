"""The whole few-frame network: selector, Equation 1, main network."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.frame_distillation import FrameDistillation
from tsd_tf.main_networks.interface import output_shape
from tsd_tf.selectors import Selector
from tsd_tf.trainable_flags import TrainableFlags


@keras.saving.register_keras_serializable("tsd_tf")
class FewFrameNetwork(keras.Model):
    """Clip -> selector -> P -> Y = XP -> main network -> logits (Section 3.3; Figure 5).

    `client` and `cloud` are the two halves that are deployed apart. They share no variable; calling the network calls
    one on the other's answer.

    Args:
        selector: a tsd_tf.selectors.Selector.
        main_network: a tsd_tf.main_networks network, or any other Keras model or layer: frames (batch, T_s, height,
            width, 3) in [-1, 1] in, logits (batch, num_classes) out.

    Call arguments:
        frames: (batch, T, height, width, 3), RGB in [-1, 1]; whole numbers are refused, as uint8 pixels are.
        seeds: (batch, 2) ints, one seed a clip, or None: see tsd_tf.selectors.Selector.

    Attributes:
        num_classes: logits of the main network; set when the network is built, as the next two are.
        clip_shape: (T, height, width, 3).
        trainable_flags: TrainableFlags, which hold what the authors of the parts left trainable.

    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, selector: Selector, main_network: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.selector = selector
        self.main_network = main_network
        self.frame_distillation = FrameDistillation(dtype=self.dtype_policy, name="frame_distillation")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.selector.check_frames(input_shape)
        if type(self.selector).build is keras.layers.Layer.build:
            self.selector(keras.KerasTensor(input_shape))  # builds what a selector without `build` holds
        elif not self.selector.built:
            self.selector.build(input_shape)
        self.clip_shape: Any = tuple(input_shape[1:])
        self.num_classes: Any = self.compute_output_shape(input_shape)[-1]
        self.trainable_flags = TrainableFlags(self)

    def transformation_matrix(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        """P, (batch, T, T_s), of these frames."""
        _check_type(frames)
        return self.selector(frames, seeds=seeds, training=training)

    def client(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        """Distilled frames Y, (batch, T_s, height, width, 3) in [-1, 1]: what travels."""
        return self.frame_distillation(frames, self.transformation_matrix(frames, seeds=seeds, training=training))

    def cloud(self, distilled_frames: Any, training: bool | None = None) -> Any:
        """Logits (batch, num_classes) of distilled frames."""
        _check_type(distilled_frames)
        return ops.cast(self.main_network(distilled_frames, training=training), "float32")

    def call(self, frames: Any, seeds: Any = None, training: bool | None = None) -> Any:
        return self.cloud(self.client(frames, seeds=seeds, training=training), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        matrix_shape = self.selector.compute_output_shape(input_shape)
        distilled_shape = self.frame_distillation.compute_output_shape(input_shape, matrix_shape)
        return output_shape(self.main_network, distilled_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "selector": keras.saving.serialize_keras_object(self.selector),
            "main_network": keras.saving.serialize_keras_object(self.main_network),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FewFrameNetwork":
        config = dict(config)
        for name in ("selector", "main_network"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _check_type(frames: Any) -> None:
    """ValueError for whole numbers, which are pixels of 0 to 255: everything would be computed, and all of it wrong."""
    dtype = keras.backend.standardize_dtype(frames.dtype)
    if "float" not in dtype:
        raise ValueError(
            "`frames` must be of a float type, values in [-1, 1]; tsd_tf.to_network_input(frames) makes them of uint8. "
            f"Received: {dtype}"
        )
