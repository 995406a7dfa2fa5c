"""Writes the two halves as SavedModels."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tsd_tf.contract import signatures
from tsd_tf.export.client_half import ClientHalf
from tsd_tf.export.cloud_half import CloudHalf
from tsd_tf.network import FewFrameNetwork


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
    _save(half, path)
    return half


def _save(half: ClientHalf | CloudHalf, path: str | os.PathLike) -> None:
    # A bare module keeps the weights: Keras' own tracking would write down what training needs as well.
    module = tf.Module()
    module.weights = half.weights
    tf.saved_model.save(module, str(path), signatures=half.signatures())


def save_cloud(network: FewFrameNetwork, labels: Sequence[str], frame_size: int, path: str | os.PathLike) -> None:
    """Writes the cloud half as TensorFlow Serving takes it: batch norm folded, class names and warm-up requests inside.

    Args:
        network: built.
        labels: the class names, by label.
        frame_size: edge of its frames, pixels.
        path: folder to write; must not exist.
    """
    half = CloudHalf(network, labels, frame_size)
    _save(half, path)
    extra = pathlib.Path(path) / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for request in warmup_requests(half.clip_shape):
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def warmup_requests(clip_shape: tuple[int, ...]) -> list[predict_pb2.PredictRequest]:
    """One request for each signature, of grey frames: TensorFlow Serving runs them before it serves a version."""
    frames = np.full((1, *clip_shape), 128, "uint8")
    pictures = [[tf.io.encode_jpeg(frame).numpy() for frame in frames[0]]]
    inputs = {
        signatures.SERVING_DEFAULT: {signatures.FRAMES: frames},
        signatures.JPEG: {signatures.FRAMES_BYTES: np.array(pictures, object)},
        signatures.VIDEO: {signatures.FRAMES: frames[None]},
    }
    requests = []
    for name, tensors in inputs.items():
        request = predict_pb2.PredictRequest()
        request.model_spec.name = signatures.MODEL_NAME
        request.model_spec.signature_name = name
        for key, value in tensors.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        requests.append(request)
    return requests
