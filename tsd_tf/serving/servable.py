"""One loaded version of a SavedModel."""

import functools
import os
import pathlib
import re
from collections.abc import Callable

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis import get_model_metadata_pb2

from tsd_tf.contract.signatures import FRAMES, FRAMES_BYTES, JPEG, SERVING_DEFAULT
from tsd_tf.engines import choice
from tsd_tf.serving.input_spec import Signatures
from tsd_tf.serving.serving_error import ServingError, invalid_argument
from tsd_tf.serving.tensors import input_specs

# The SavedModel loader's own signature for initialisation; TensorFlow Serving lists it, but nobody calls it.
_INIT_SIGNATURE = "__saved_model_init_op"


class Servable:
    """A SavedModel in memory: its signatures, which can be called.

    Args:
        version: its number.
        path: its folder.
        engine, precision: what runs it; see tsd_tf.engines.choice.load.

    Attributes:
        version: its number.
        signature_defs: {name: SignatureDef}.
        metadata: all of them as a SignatureDefMap, packed.
        inputs: of the signatures that can be called, by name.
        picture_size: (height, width) of the pictures of the signature `jpeg`; None if it has none, or takes any.
        engine: the Engine that runs it.

    Raises:
        OSError, ValueError: the folder holds no SavedModel that can be loaded, or see tsd_tf.engines.choice.load.
    """

    def __init__(
        self, version: int, path: str | os.PathLike, engine: str = "tensorflow", precision: str = "float32"
    ) -> None:
        self.version = version
        path = pathlib.Path(path)
        meta_graph = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
        self.signature_defs = dict(meta_graph.signature_def)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signature_defs.items():
            signatures.signature_def[name].CopyFrom(signature)
        self.metadata = any_pb2.Any()
        self.metadata.Pack(signatures)
        self.inputs: Signatures = {
            name: input_specs(signature) for name, signature in self.signature_defs.items() if name != _INIT_SIGNATURE
        }
        self.picture_size = _picture_size(self.inputs)
        self.engine = choice.load(path, engine, precision)
        self._calls = {name: functools.partial(self.call, name) for name in self.signature_defs}

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
        try:
            return self.engine.call(name, inputs)
        except tf.errors.ResourceExhaustedError as error:
            raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, _reason(error)) from error
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise invalid_argument(_reason(error)) from error
        except tf.errors.OpError as error:
            raise ServingError(grpc.StatusCode.INTERNAL, _reason(error)) from error


def _picture_size(inputs: Signatures) -> tuple[int, int] | None:
    """The export's pictures become the frames of its default signature."""
    frames = inputs.get(SERVING_DEFAULT, {}).get(FRAMES)
    if JPEG not in inputs or set(inputs[JPEG]) != {FRAMES_BYTES} or frames is None or len(frames.shape) != 5:
        return None
    height, width = frames.shape[2:4]
    return (height, width) if min(height, width) > 0 else None


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
