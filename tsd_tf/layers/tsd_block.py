"""The temporal sequence distillation block (Section 3.2.1, Figure 4)."""

from typing import Any

import keras
from keras import ops

from tsd_tf.layers.configured_layer import ConfiguredLayer

_STILL = 1e-3  # least variance over time, as a share of the features' mean square
_TINY = 1e-20


@keras.saving.register_keras_serializable("tsd_tf")
class TSDBlock(ConfiguredLayer):
    """Predicts the transformation matrix P from the coarse features f of a clip (Equations 2 to 4).

        O = Trans(f * w_alpha) * w_beta      temporal embedding, (H, W, C', T_s)         Equation 2
        G = f * w_gamma                      feature embedding,  (T, H, W, C')           Equation 3
        P = softmax over T of G'O'           G' is (T, HWC'), O' is (HWC', T_s)          Equation 4

    The paper prints O'G', whose shapes do not match; G'O' is the product that gives a T x T_s matrix. w_alpha and
    w_gamma are 1x1x1 convolutions, kept as dense layers over the channels: the mathematics is the same, and TFLite
    can quantise them. w_beta convolves the (H, W, C') volume, T channels in and T_s out. The defaults are the paper's.

    Args:
        num_distilled_frames: T_s.
        embedding_channels: C'; 512 reproduces the paper's client parameters and FLOPs.
        output_kernel: edge of w_beta's cubic kernel.
        initializer_stddev: standard deviation of the Gaussian that the three kernels are drawn from (Section 4.2).
        logit_scale: factor on G'O' before the softmax, or "auto" for one that fits any map, width and deviation of the
            weights; see `automatic_scale`. The paper has none.
        in_time_order: sorts the columns of P by their expected time, sum_i i P_ij. It adds no weights.
            The paper does not sort: the order of the distilled frames that its main network reads has no meaning.

    Input shape: (batch, T, H, W, C).
    Output shape: (batch, T, T_s), float32; every column sums to 1.
    """

    def __init__(
        self,
        num_distilled_frames: int,
        embedding_channels: int = 512,
        output_kernel: int = 3,
        initializer_stddev: float = 0.01,
        logit_scale: float | str = 1.0,
        in_time_order: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(logit_scale, str) and logit_scale != "auto":
            raise ValueError(f"`logit_scale` must be a number or 'auto'. Received: logit_scale={logit_scale!r}")
        for name, value in (
            ("num_distilled_frames", num_distilled_frames),
            ("embedding_channels", embedding_channels),
            ("output_kernel", output_kernel),
        ):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.num_distilled_frames = num_distilled_frames
        self.embedding_channels = embedding_channels
        self.output_kernel = output_kernel
        self.initializer_stddev = initializer_stddev
        self.logit_scale = logit_scale
        self.in_time_order = in_time_order

        def common() -> dict[str, Any]:
            # An initializer for each: Keras' gives the same values every time it is asked for the same shape.
            gaussian = keras.initializers.RandomNormal(stddev=initializer_stddev)
            return {"use_bias": False, "kernel_initializer": gaussian, "dtype": self.dtype_policy}

        self.w_alpha = keras.layers.Dense(embedding_channels, name="w_alpha", **common())
        self.w_beta = keras.layers.Conv3D(
            num_distilled_frames, output_kernel, padding="same", name="w_beta", **common()
        )
        self.w_gamma = keras.layers.Dense(embedding_channels, name="w_gamma", **common())

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 5 or None in input_shape[1:]:
            raise ValueError(
                "TSDBlock expects features of a known shape (batch, num_frames, height, width, channels). "
                f"Received: input_shape={tuple(input_shape)}"
            )
        batch, num_frames, height, width, _ = input_shape
        if num_frames < self.num_distilled_frames:
            raise ValueError(
                "TSDBlock distils a clip into at most as many frames as the clip has. Received: "
                f"num_frames={num_frames}, num_distilled_frames={self.num_distilled_frames}"
            )
        self.w_alpha.build(input_shape)
        self.w_beta.build((batch, height, width, self.embedding_channels, num_frames))
        self.w_gamma.build(input_shape)

    def call(self, features: Any) -> Any:
        num_frames = features.shape[1]
        temporal = self.w_beta(ops.transpose(self.w_alpha(features), (0, 2, 3, 4, 1)))
        temporal = ops.reshape(
            temporal, (-1, temporal.shape[1] * temporal.shape[2] * temporal.shape[3], temporal.shape[4])
        )
        feature = ops.reshape(self.w_gamma(features), (-1, num_frames, temporal.shape[1]))
        # The sum over HWC' is float32 under mixed precision too: float16 overflows, bfloat16 keeps eight bits.
        logits = ops.matmul(ops.cast(feature, "float32"), ops.cast(temporal, "float32"))
        if self.logit_scale == "auto":
            logits *= automatic_scale(ops.cast(features, "float32"), self.w_gamma.kernel, ops.cast(temporal, "float32"))
        else:
            logits *= self.logit_scale
        matrix = ops.softmax(logits, axis=1)
        return _sorted_by_expected_time(matrix) if self.in_time_order else matrix

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[1], self.num_distilled_frames)

    def compute_output_spec(self, features: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(features.shape), dtype="float32")


def _sorted_by_expected_time(matrix: Any) -> Any:
    """The columns of P (batch, T, T_s), permuted so that sum_i i P_ij ascends; gradients pass through unchanged."""
    times = ops.reshape(ops.arange(matrix.shape[1], dtype="float32"), (1, -1, 1))
    order = ops.argsort(ops.sum(matrix * times, axis=1), axis=1)
    return ops.matmul(matrix, ops.transpose(ops.one_hot(order, matrix.shape[2], dtype="float32"), (0, 2, 1)))


def automatic_scale(features: Any, w_gamma: Any, temporal: Any) -> Any:
    """The factor on G'O' that gives the logits of random weights unit deviation over time, whatever the sizes are.

        1 / (sqrt(H W C' C) std_t(f) rms(w_gamma) rms(O_j))

    An entry of G'O' sums H W C' products of O_j with sums of C products of f and w_gamma; the softmax over T sees only
    how f deviates from its mean over time. Of a matrix P that is one-hot from the first updates on, nothing is learned
    any more; so the logits may grow by what the weights have learned, but not by how large they are.

    Args:
        features: f, (batch, T, H, W, C) float32; H and W may be one axis.
        w_gamma: (C, C').
        temporal: O', (batch, H W C', T_s) float32.

    Returns:
        (batch, 1, T_s) float32.
    """
    weights = ops.mean(ops.square(ops.cast(w_gamma, "float32")))
    places = tuple(range(2, len(features.shape)))
    deviation = ops.mean(ops.var(features, axis=1, keepdims=True), axis=places)
    # A picture that stands still has no deviation; what remains of it is noise, not to be blown up.
    deviation += _STILL * ops.mean(ops.square(features), axis=(1, *places))[:, None]
    products = features.shape[-1] * temporal.shape[1]
    power = products * weights * deviation[..., None] * ops.mean(ops.square(temporal), axis=1, keepdims=True)
    return ops.rsqrt(power + _TINY)
