"""Converts the client half to TFLite files of builtin operations only."""

import pathlib
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.native_output import without_chatter

# What stays in float32 in the int8 file: the operations around the convolutions and dense layers of P's predictor.
# Above all the product Y = XP and the softmax, whose output in 8 bits would have steps of 1/256 and columns that do not
# sum to 1.
_FLOAT_OPERATIONS = [
    "ADD",
    "BATCH_MATMUL",
    "CAST",
    "CONCATENATION",
    "GATHER",
    "MUL",
    "NEG",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "SLICE",
    "SOFTMAX",
    "STRIDED_SLICE",
    "SUB",
    "SUM",
    "TOPK_V2",
    "TRANSPOSE",
]


def convert(
    saved_model_path: str | pathlib.Path,
    signature_keys: Sequence[str],
    variant: str,
    clips: np.ndarray | None = None,
    coarse_stride: int = 1,
) -> bytes:
    """A client half as TFLite, its signatures kept by name.

    Args:
        saved_model_path: folder that `save_client` wrote.
        signature_keys: the signatures to keep.
        variant: "float32"; "float16": weights stored in half precision, computed in float32; "int8": convolutions and
            dense layers of P's predictor in 8 bits, Y = XP exact.
        clips: uint8 (n, T, H, W, 3) that stand for all clips; int8 takes the ranges of activations from them.
        coarse_stride: of the client half.

    Returns:
        The file's contents.

    Raises:
        UserError: the selector, one of the user's own, needs operations that LiteRT does not have.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model_path), signature_keys=list(signature_keys))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant == "float32":
        return _converted(converter)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return _converted(converter)
    if variant != "int8":
        raise ValueError(f"`variant` must be one of float32, float16, int8. Received: variant={variant!r}")
    functions = tf.saved_model.load(str(saved_model_path)).signatures

    def representative_inputs() -> Iterator[tuple[str, dict]]:
        for clip in () if clips is None else clips:
            yield signatures.DISTILL, {signatures.FRAMES: clip[None]}
            if signatures.ENCODE_FRAME in signature_keys:
                encode = functions[signatures.ENCODE_FRAME]
                features = []
                # All that the clip's features are made of, and with that the ranges that `distill` has: the first frame
                # alone says little of how far activations reach.
                for frame in clip[::coarse_stride]:
                    yield signatures.ENCODE_FRAME, {signatures.FRAME: frame[None]}
                    features.append(encode(frame=frame[None])[signatures.FEATURES])
                yield (
                    signatures.DISTILL_FEATURES,
                    {signatures.FRAMES: clip[None], signatures.FEATURES: tf.stack(features, axis=1).numpy()},
                )

    converter.target_spec.supported_ops.append(tf.lite.OpsSet.TFLITE_BUILTINS_INT8)
    converter.representative_dataset = representative_inputs
    # The debugger is the one public way to name the operations that stay in float.
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=_FLOAT_OPERATIONS)
    with without_chatter(), warnings.catch_warnings():
        # The debugger's own matter.
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
        return tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=representative_inputs, debug_options=options
        ).get_nondebug_quantized_model()


def _converted(converter: tf.lite.TFLiteConverter) -> bytes:
    with without_chatter():
        try:
            return converter.convert()
        except ConverterError as error:
            missing = re.search(r"(?:TF Select|Custom) ops: (.+)", str(error))
            if missing is None:
                raise
            raise UserError(
                f"the selector cannot run on LiteRT, which has no operation {missing[1].strip()}: make P of others"
            ) from error
