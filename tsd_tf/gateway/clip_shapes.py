"""The size of the clips that a model takes."""

import time
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from tsd_tf.contract import messages, signatures
from tsd_tf.contract.model_metadata import shape_of, signatures_of
from tsd_tf.gateway.backends import Backends
from tsd_tf.serving.serving_error import ServingError

_MAX_AGE = 5.0


class ClipShapes:
    """Asks for (T_s, H, W) of a model's clips, and remembers the answer for some seconds.

    Args:
        backends: who are asked.
    """

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        # Of models that exist, so that there are few.
        self._known: dict[tuple[str, int | None, str], tuple[float, tuple[int, int, int]]] = {}

    async def of(self, spec: Any, timeout: float, max_age: float = _MAX_AGE) -> tuple[int, int, int]:
        """The frames of one clip.

        Args:
            spec: a ModelSpec; its signature does not matter.
            timeout: seconds.
            max_age: seconds for which an answer is good.

        Returns:
            (T_s, H, W).

        Raises:
            ServingError: there is no such model, or it takes no clips; see also Backends.call.
        """
        # Field by field: in a message there may be others, of any size and number.
        request = messages.GetModelMetadataRequest(metadata_field=[messages.SIGNATURE_DEF])
        request.model_spec.name, version = spec.name, None
        if spec.WhichOneof("version_choice") == "version":
            version = request.model_spec.version.value = spec.version.value
        elif spec.version_label:
            request.model_spec.version_label = spec.version_label
        key = spec.name, version, request.model_spec.version_label
        since, shape = self._known.get(key, (0.0, None))
        if shape is not None and time.monotonic() - since <= max_age:
            return shape
        content = await self._backends.call(messages.GET_MODEL_METADATA, request.SerializeToString(), timeout)
        try:
            shape = shape_of(signatures_of(messages.GetModelMetadataResponse.FromString(content)))
        except DecodeError:
            shape = None
        if shape is None:
            self._known.pop(key, None)
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"the model {spec.name} takes no clips: its signature {signatures.SERVING_DEFAULT} has no input "
                f"{signatures.FRAMES} of uint8 (batch, T_s, H, W, 3)",
            )
        self._known[key] = time.monotonic(), shape
        return shape
