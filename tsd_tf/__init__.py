"""Temporal Sequence Distillation: few-frame action recognition, split between client and cloud."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsd_tf.client.recognizer import Recognizer as Recognizer
    from tsd_tf.config import Config as Config
    from tsd_tf.config import Stage as Stage
    from tsd_tf.contract.errors import UserError as UserError
    from tsd_tf.data.preprocessing import to_network_input as to_network_input
    from tsd_tf.data.preprocessing import to_uint8 as to_uint8
    from tsd_tf.inference.clip_format import ClipFormat as ClipFormat
    from tsd_tf.inference.loading import load as load
    from tsd_tf.inference.model import Model as Model
    from tsd_tf.inference.network_model import NetworkModel as NetworkModel
    from tsd_tf.inference.prediction import Prediction as Prediction
    from tsd_tf.layers import FrameDistillation as FrameDistillation
    from tsd_tf.layers import TSDBlock as TSDBlock
    from tsd_tf.main_networks import C3D as C3D
    from tsd_tf.main_networks import TSN as TSN
    from tsd_tf.main_networks import ARTNetResNet18 as ARTNetResNet18
    from tsd_tf.main_networks import InceptionI3D as InceptionI3D
    from tsd_tf.main_networks import MainNetwork as MainNetwork
    from tsd_tf.main_networks import ResNet3D18 as ResNet3D18
    from tsd_tf.network import FewFrameNetwork as FewFrameNetwork
    from tsd_tf.selectors import TSD as TSD
    from tsd_tf.selectors import Consecutive as Consecutive
    from tsd_tf.selectors import Random as Random
    from tsd_tf.selectors import Selector as Selector
    from tsd_tf.selectors import TemporalAttention as TemporalAttention
    from tsd_tf.selectors import Uniform as Uniform
    from tsd_tf.work_directory import WorkDirectory as WorkDirectory

__version__ = "0.1.0"

# Imported when they are asked for: a device has neither Keras nor TensorFlow.
_PLACES = {
    "Recognizer": "tsd_tf.client.recognizer",
    "Config": "tsd_tf.config",
    "Stage": "tsd_tf.config",
    "UserError": "tsd_tf.contract.errors",
    "FewFrameNetwork": "tsd_tf.network",
    "ClipFormat": "tsd_tf.inference.clip_format",
    "Model": "tsd_tf.inference.model",
    "NetworkModel": "tsd_tf.inference.network_model",
    "Prediction": "tsd_tf.inference.prediction",
    "load": "tsd_tf.inference.loading",
    "WorkDirectory": "tsd_tf.work_directory",
    **dict.fromkeys(("to_network_input", "to_uint8"), "tsd_tf.data.preprocessing"),
    **dict.fromkeys(("FrameDistillation", "TSDBlock"), "tsd_tf.layers"),
    **dict.fromkeys(
        ("C3D", "TSN", "ARTNetResNet18", "InceptionI3D", "MainNetwork", "ResNet3D18"), "tsd_tf.main_networks"
    ),
    **dict.fromkeys(("TSD", "Consecutive", "Random", "Selector", "TemporalAttention", "Uniform"), "tsd_tf.selectors"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
