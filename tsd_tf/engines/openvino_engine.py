"""The cloud half on OpenVINO."""

import os
import pathlib
import threading

import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.engines.engine import Engine
from tsd_tf.engines.tensorflow_engine import TensorFlowEngine


class OpenVINOEngine(Engine):
    """The main network on OpenVINO; what lies around it, such as decoding pictures, on TensorFlow.

    Args:
        path: the folder of a SavedModel that was exported for OpenVINO, too.
        precision: "float32", "bfloat16" or "int8", which has a network of its own.

    Raises:
        UserError: OpenVINO is not installed, or the network is missing.
    """

    name = "openvino"

    def __init__(self, path: str | os.PathLike, precision: str = "float32") -> None:
        try:
            import openvino
            from openvino import properties
        except ModuleNotFoundError as error:
            raise UserError(
                "`engine` openvino needs OpenVINO, which is not installed: pip install 'tsd_tf[openvino]'"
            ) from error
        self.precision = precision
        folder = pathlib.Path(path) / signatures.OPENVINO_DIR
        network = folder / signatures.openvino_file(precision)
        if not network.is_file():
            raise UserError(
                f"no network for `engine` openvino in {precision}: looked for {network}; python -m tsd_tf.export makes "
                "it if it is told the same `engine` and `precision`"
            )
        self._network = openvino.Core().compile_model(
            str(network),
            "CPU",
            {
                # All cores work on one call.
                properties.hint.performance_mode(): properties.hint.PerformanceMode.LATENCY,
                # Of what is not in int8.
                properties.hint.inference_precision(): "bf16" if precision == "bfloat16" else "f32",
            },
        )
        self._requests = threading.local()  # each holds the memory of one call
        self._rest = TensorFlowEngine(folder / signatures.OPENVINO_REST)

    def call(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if signature == signatures.JPEG:
            inputs = self._rest.call(signatures.JPEG, inputs)
        frames = inputs[signatures.FRAMES]
        clips = frames.shape[:-4]  # (batch,), or (batch, Q)
        logits = self._logits(frames.reshape(-1, *frames.shape[-4:])).reshape(*clips, -1)
        name = signatures.VIDEO if signature == signatures.VIDEO else signatures.SERVING_DEFAULT
        return self._rest.call(name, {signatures.LOGITS: logits})

    def _logits(self, frames: np.ndarray) -> np.ndarray:
        """float32 (n, num_classes) of clips, uint8 (n, T_s, H, W, 3)."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._network.create_infer_request()
        return self._requests.own.infer([frames])[0].copy()
