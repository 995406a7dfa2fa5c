"""Writes the cloud half for OpenVINO, beside the SavedModel that it is made from."""

import contextlib
import io
import logging
import os
import pathlib
import sys

import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.export.cloud_half import CloudHalf
from tsd_tf.export.saved_model import save_signatures


def save_openvino(half: CloudHalf, path: str | os.PathLike, representative: np.ndarray | None = None) -> None:
    """Writes the main network for OpenVINO, and what lies around it as a SavedModel.

    Args:
        half: the cloud half.
        path: the SavedModel of it.
        representative: uint8 (n, T_s, H, W, 3), distilled frames that stand for all, for a network in int8 as well:
            NNCF takes the ranges of activations from them. None for float32 alone, which serves bfloat16, too.

    Raises:
        UserError: OpenVINO or NNCF is not installed.
    """
    # Both would report their use to Google Analytics, and do without this package.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import nncf
        import openvino
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet
    except ModuleNotFoundError as error:
        raise UserError(
            f"`engine` openvino needs {error.name}, which is not installed: pip install 'tsd_tf[openvino]'"
        ) from error
    folder = pathlib.Path(path) / signatures.OPENVINO_DIR
    save_signatures(half.rest_signatures(), [], folder / signatures.OPENVINO_REST)
    network = openvino.convert_model(str(path), output=signatures.LOGITS)
    openvino.save_model(network, str(folder / signatures.openvino_file("float32")), compress_to_fp16=False)
    if representative is None:
        return
    nncf.set_log_level(logging.ERROR)
    # Ranges from the lowest to the highest value of all clips. NNCF's own choice, the mean of each clip's highest, cuts
    # off what makes a clip special; and its correction of biases moved answers further from the network's.
    parameters = nncf.AdvancedQuantizationParameters(
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX, disable_bias_correction=True
    )
    with contextlib.redirect_stdout(io.StringIO()):  # its own bars of progress
        quantized = nncf.quantize(
            network,
            nncf.Dataset([clip[None] for clip in representative]),
            preset=nncf.QuantizationPreset.MIXED,  # the frames, alone, have values below zero
            subset_size=len(representative),
            advanced_parameters=parameters,
        )
    openvino.save_model(quantized, str(folder / signatures.openvino_file("int8")), compress_to_fp16=False)
