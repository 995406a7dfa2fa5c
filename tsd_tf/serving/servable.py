"""One loaded version of a SavedModel."""

import functools
import os
import pathlib
import re
from collections.abc import Callable

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.contract.signatures import SERVING_DEFAULT
from tsd_tf.serving.serving_error import ServingError, invalid_argument
from tsd_tf.serving.tensors import tensor_from_proto

# The SavedModel loader's own signature for initialisation; TensorFlow Serving lists it, but nobody calls it.
_INIT_SIGNATURE = "__saved_model_init_op"


class Servable:
    """A SavedModel in memory: its signatures, which can be called.

    Args:
        version: its number.
        path: its folder.

    Attributes:
        version: its number.
        signature_defs: {name: SignatureDef}.

    Raises:
        OSError, ValueError: the folder holds no SavedModel that can be loaded.
    """

    def __init__(self, version: int, path: str | os.PathLike) -> None:
        self.version = version
        path = pathlib.Path(path)
        meta_graph = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
        self.signature_defs = dict(meta_graph.signature_def)
        self._loaded = tf.saved_model.load(str(path))
        self._calls = {name: functools.partial(self.call, name) for name in self.signature_defs}
        self._warm_up(path / "assets.extra" / "tf_serving_warmup_requests")

    def _warm_up(self, path: pathlib.Path) -> None:
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            name, signature = self.signature(request.model_spec.signature_name)
            self.call(name, {key: tensor_from_proto(key, request.inputs[key], signature) for key in request.inputs})

    def signature(self, name: str) -> tuple[str, SignatureDef]:
        """The name and SignatureDef of a signature; "" stands for serving_default.

        Raises:
            KeyError: there is no signature of that name.
        """
        name = name or SERVING_DEFAULT
        if name == _INIT_SIGNATURE:
            raise KeyError(name)
        return name, self.signature_defs[name]

    def function(self, name: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
        """`call` of one signature; always the same object, so that a Batcher joins its calls."""
        return self._calls[name]

    def call(self, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            name: of the signature.
            inputs: {alias: NumPy array of the type that the signature expects}.

        Returns:
            {alias: NumPy array}.

        Raises:
            ServingError: RESOURCE_EXHAUSTED, INVALID_ARGUMENT if the model refuses the values, otherwise INTERNAL.
        """
        tensors = {alias: tf.constant(value) for alias, value in inputs.items()}
        try:
            return {alias: value.numpy() for alias, value in self._loaded.signatures[name](**tensors).items()}
        except tf.errors.ResourceExhaustedError as error:
            raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, _reason(error)) from error
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise invalid_argument(_reason(error)) from error
        except tf.errors.OpError as error:
            raise ServingError(grpc.StatusCode.INTERNAL, _reason(error)) from error


def batch_dimensions(tensor_info: TensorInfo) -> int:
    """How many of a tensor's leading dimensions the signature leaves open."""
    sizes = [dimension.size for dimension in tensor_info.tensor_shape.dim]
    return next((index for index, size in enumerate(sizes) if size >= 0), len(sizes))


def num_clips(inputs: dict[str, np.ndarray], signature: SignatureDef) -> int:
    """The number of clips in a call: the product of the open dimensions of its first input."""
    alias = min(inputs)
    return int(np.prod(inputs[alias].shape[: batch_dimensions(signature.inputs[alias])]))


def _reason(error: Exception) -> str:
    # "Graph execution error:\n\nDetected at node ... (Python's stack)\n<the reason>\n\t [[{{node ...}}]] [Op:...]"
    text = getattr(error, "message", str(error)).split("[[{{node")[0].strip()
    text = text.replace("<stack traces unavailable>", "")
    text = text.split("\n\n")[-1] if "Detected at node" in text else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [
        line for line in lines if not re.match(r'(File ".*", line \d+|Detected at node|Graph execution error)', line)
    ]
    return " ".join(lines) or "the model failed"
