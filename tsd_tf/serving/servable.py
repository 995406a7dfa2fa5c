"""One loaded version of a SavedModel."""

import functools
import pathlib
import re

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.serving.serving_error import ServingError, invalid_argument
from tsd_tf.serving.tensors import tensor_from_proto

# The SavedModel loader's own signature for initialisation; TensorFlow Serving lists it, nobody calls it.
_INIT_SIGNATURE = "__saved_model_init_op"


class Servable:
    """A SavedModel in memory: its signatures, and calling them.

    Args:
        version: its number.
        path: its folder.

    Attributes:
        version: its number.
        signature_defs: {name: SignatureDef}.

    Raises:
        OSError, ValueError: the folder holds no SavedModel that can be loaded.
    """

    def __init__(self, version, path):
        self.version = version
        path = pathlib.Path(path)
        meta_graph = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
        self.signature_defs = dict(meta_graph.signature_def)
        self._loaded = tf.saved_model.load(str(path))
        self._calls = {name: functools.partial(self.call, name) for name in self.signature_defs}
        self._warm_up(path / "assets.extra" / "tf_serving_warmup_requests")

    def _warm_up(self, path):
        if not path.is_file():
            return
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            name, signature = self.signature(request.model_spec.signature_name)
            self.call(name, {key: tensor_from_proto(key, request.inputs[key], signature) for key in request.inputs})

    def signature(self, name):
        """The name, "" standing for serving_default, and SignatureDef of a signature.

        Raises:
            KeyError: there is none of that name.
        """
        name = name or "serving_default"
        if name == _INIT_SIGNATURE:
            raise KeyError(name)
        return name, self.signature_defs[name]

    def function(self, name):
        """`call` of one signature; always the same object, so that a Batcher joins its requests."""
        return self._calls[name]

    def call(self, name, inputs):
        """Runs a signature.

        Args:
            name: of the signature.
            inputs: {alias: NumPy array of the type that the signature expects}.

        Returns:
            {alias: NumPy array}.

        Raises:
            ServingError: INVALID_ARGUMENT where the model refuses the values, else INTERNAL.
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


def batch_dimensions(tensor_info):
    """How many of a tensor's first dimensions the signature leaves open."""
    sizes = [dimension.size for dimension in tensor_info.tensor_shape.dim]
    return next((index for index, size in enumerate(sizes) if size >= 0), len(sizes))


def num_clips(inputs, signature):
    """The clips that a call works on: the product of the open dimensions of its first input."""
    alias = min(inputs)
    return int(np.prod(inputs[alias].shape[: batch_dimensions(signature.inputs[alias])]))


def _reason(error):
    # "Graph execution error:\n\nDetected at node ... (Python's stack)\n<the reason>\n\t [[{{node ...}}]] [Op:...]"
    text = getattr(error, "message", str(error)).split("[[{{node")[0].strip()
    text = text.replace("<stack traces unavailable>", "")
    text = text.split("\n\n")[-1] if "Detected at node" in text else text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [
        line for line in lines if not re.match(r'(File ".*", line \d+|Detected at node|Graph execution error)', line)
    ]
    return " ".join(lines) or "the model failed"
