"""The whole few-frame network: selector, Equation 1, main network."""

import keras

from tsd_tf.layers.frame_distillation import FrameDistillation


@keras.saving.register_keras_serializable("tsd_tf")
class FewFrameNetwork(keras.Model):
    """Clip -> selector -> P -> Y = XP -> main network -> logits (Section 3.3; Figure 5).

    `client` and `cloud` are the two halves that are deployed apart; they share no variable, and calling the network
    is calling one on the other's answer.

    Args:
        selector: a tsd_tf.selectors.Selector.
        main_network: a tsd_tf.main_networks network.

    Call arguments:
        frames: (batch, T, height, width, 3), RGB in [-1, 1].
        seeds: (batch, 2) ints, one seed a clip, or None: see tsd_tf.selectors.Selector.

    Output shape: logits (batch, num_classes), float32.
    """

    def __init__(self, selector, main_network, **kwargs):
        super().__init__(**kwargs)
        self.selector = selector
        self.main_network = main_network
        self.frame_distillation = FrameDistillation(dtype=self.dtype_policy, name="frame_distillation")

    def build(self, input_shape):
        self.selector.check_frames(input_shape)
        if not self.selector.built:
            self.selector.build(input_shape)
        matrix_shape = self.selector.compute_output_shape(input_shape)
        distilled_shape = self.frame_distillation.compute_output_shape(input_shape, matrix_shape)
        if not self.main_network.built:
            self.main_network.build(distilled_shape)

    def transformation_matrix(self, frames, seeds=None, training=None):
        """P, (batch, T, T_s): what the selector answers for these frames."""
        return self.selector(frames, seeds=seeds, training=training)

    def client(self, frames, seeds=None, training=None):
        """Distilled frames Y, (batch, T_s, height, width, 3) in [-1, 1]: what travels."""
        return self.frame_distillation(frames, self.transformation_matrix(frames, seeds=seeds, training=training))

    def cloud(self, distilled_frames, training=None):
        """Logits (batch, num_classes) of distilled frames."""
        return self.main_network(distilled_frames, training=training)

    def call(self, frames, seeds=None, training=None):
        return self.cloud(self.client(frames, seeds=seeds, training=training), training=training)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.main_network.num_classes)

    def get_config(self):
        return {
            **super().get_config(),
            "selector": keras.saving.serialize_keras_object(self.selector),
            "main_network": keras.saving.serialize_keras_object(self.main_network),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("selector", "main_network"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
