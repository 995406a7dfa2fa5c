"""Converts the client half to TFLite files of builtin operations only."""

import tensorflow as tf


def convert(saved_model_path, signature_keys, variant):
    """A client half as TFLite, its signatures kept by name.

    Args:
        saved_model_path: folder that `save_client` wrote.
        signature_keys: the signatures to keep.
        variant: "float32", or "float16": weights stored in half precision, computed in float32.

    Returns:
        bytes: the file's contents.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model_path), signature_keys=list(signature_keys))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    elif variant != "float32":
        raise ValueError(f"`variant` must be one of float32, float16. Received: variant={variant!r}")
    return converter.convert()
