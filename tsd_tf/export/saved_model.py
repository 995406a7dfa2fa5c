"""Writes the two halves as SavedModels."""

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.contract import signatures
from tsd_tf.export.client_half import ClientHalf
from tsd_tf.export.cloud_half import CloudHalf
from tsd_tf.network import FewFrameNetwork

_WARMUP_CLIPS = 8


def save_client(network: FewFrameNetwork, frame_size: int, path: str | os.PathLike) -> ClientHalf:
    """Writes the client half.

    Args:
        network: built.
        frame_size: edge of its frames, pixels.
        path: folder to write; must not exist.

    Returns:
        The ClientHalf that was written.
    """
    half = ClientHalf(network, frame_size)
    save_signatures(half.signatures(), half.weights, path)
    return half


def save_cloud(
    network: FewFrameNetwork,
    labels: Sequence[str],
    frame_size: int,
    path: str | os.PathLike,
    frames: np.ndarray,
    probabilities: np.ndarray,
) -> CloudHalf:
    """Writes the cloud half as TensorFlow Serving takes it: batch norm folded, class names and warm-up requests inside.

    The warm-up requests are real clips, with the network's answers: whoever serves the half in another precision can
    tell how far its answers are off.

    Args:
        network: built.
        labels: the class names, by label.
        frame_size: edge of its frames, pixels.
        path: folder to write; must not exist.
        frames: uint8 (n, T_s, H, W, 3), distilled frames of real clips; some of them become warm-up requests.
        probabilities: float32 (n, num_classes), the network's for them.

    Returns:
        The CloudHalf that was written.
    """
    half = CloudHalf(network, labels, frame_size)
    save_signatures(half.signatures(), half.weights, path)
    warmup = pathlib.Path(path) / signatures.WARMUP_FILE
    warmup.parent.mkdir()
    with tf.io.TFRecordWriter(str(warmup)) as writer:
        for log in _warmup_requests(frames[:_WARMUP_CLIPS], probabilities):
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
    return half


def save_signatures(functions: dict[str, Any], weights: list[tf.Variable], path: str | os.PathLike) -> None:
    """Writes a SavedModel of functions, by the name of their signature, and the variables that they read."""
    # A bare module keeps the weights: Keras' own tracking would write down what training needs as well.
    module = tf.Module()
    module.weights = weights
    tf.saved_model.save(module, str(path), signatures=functions)


def _warmup_requests(frames: np.ndarray, probabilities: np.ndarray) -> Iterator[prediction_log_pb2.PredictLog]:
    """A request with each clip, and of the first one a request for each of the other signatures, answers included.

    TensorFlow Serving runs them before it serves a version.
    """
    for clip, answer in zip(frames, probabilities, strict=False):
        yield _warmup_request(signatures.SERVING_DEFAULT, signatures.FRAMES, clip[None], answer)
    pictures = [[tf.io.encode_png(frame).numpy() for frame in frames[0]]]
    yield _warmup_request(signatures.JPEG, signatures.FRAMES_BYTES, np.array(pictures, object), probabilities[0])
    yield _warmup_request(signatures.VIDEO, signatures.FRAMES, frames[None, :1], probabilities[0])


def _warmup_request(
    signature: str, name: str, values: np.ndarray, probabilities: np.ndarray
) -> prediction_log_pb2.PredictLog:
    log = prediction_log_pb2.PredictLog()
    log.request.model_spec.name = signatures.MODEL_NAME
    log.request.model_spec.signature_name = signature
    log.request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    log.response.outputs[signatures.PROBABILITIES].CopyFrom(tf.make_tensor_proto(probabilities[None]))
    return log
