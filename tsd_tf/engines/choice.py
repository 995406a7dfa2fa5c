"""Which engine runs a version, and in which precision."""

import logging
import os

import tensorflow as tf

from tsd_tf.contract.errors import UserError
from tsd_tf.engines import processor
from tsd_tf.engines.engine import Engine
from tsd_tf.engines.kinds import AUTO, ENGINES, PRECISIONS, TOLERANCES
from tsd_tf.engines.openvino_engine import OpenVINOEngine
from tsd_tf.engines.recorded_answers import RecordedAnswers
from tsd_tf.engines.tensorflow_engine import TensorFlowEngine

# Of which versions `auto` takes TensorFlow's bfloat16. 2.21 answers with noise or NaN now and then for small networks,
# and a comparison of a few answers may miss it.
_TENSORFLOW = "2.16."

_LOG = logging.getLogger(__name__)


def check(engine: str, precision: str) -> None:
    """UserError unless an engine has a precision, and this processor too."""
    if engine not in ENGINES:
        raise UserError(f"`engine` must be one of {', '.join(ENGINES)}. Received: engine={engine}")
    if precision not in (AUTO, *PRECISIONS):
        raise UserError(
            f"`precision` must be {AUTO} or one of {', '.join(PRECISIONS)}. Received: precision={precision}"
        )
    if engine == "tensorflow" and precision == "int8":
        raise UserError("`precision` int8 is for `engine` openvino. Received: engine=tensorflow, precision=int8")
    if precision == "bfloat16" and not processor.computes_in_bfloat16():
        raise UserError("`precision` bfloat16 needs a processor that computes in it, and this one does not")


def may_be_bfloat16(engine: str) -> bool:
    """Whether "auto" may mean bfloat16 here: the processor computes in it, and the engine is known to do so well."""
    return processor.computes_in_bfloat16() and (engine != "tensorflow" or tf.__version__.startswith(_TENSORFLOW))


def open_engine(path: str | os.PathLike, engine: str = "tensorflow", precision: str = "float32") -> Engine:
    """An engine as it is asked for, without a look at its answers.

    Args:
        path: the SavedModel's folder.
        engine: one of ENGINES.
        precision: one of PRECISIONS.

    Raises:
        UserError: see `check` and OpenVINOEngine.
        OSError, ValueError: the folder holds no SavedModel that can be loaded.
    """
    check(engine, precision)
    return (OpenVINOEngine if engine == "openvino" else TensorFlowEngine)(path, precision)


def load(path: str | os.PathLike, engine: str = "tensorflow", precision: str = AUTO) -> Engine:
    """A warm engine whose answers were compared with those that the export recorded, if it recorded any.

    Args:
        path: the SavedModel's folder.
        engine: one of ENGINES.
        precision: one of PRECISIONS, or "auto": bfloat16 where `may_be_bfloat16` says so and the answers stay within
            TOLERANCES, otherwise float32.

    Raises:
        UserError: the answers in a `precision` that was asked for, other than float32, are beyond TOLERANCES; or see
            `open_engine`.
        OSError, ValueError: the folder holds no SavedModel that can be loaded.
    """
    check(engine, precision)
    recorded = RecordedAnswers(path)
    if precision == AUTO and not (recorded and may_be_bfloat16(engine)):
        precision = "float32"
    opened = open_engine(path, engine, "bfloat16" if precision == AUTO else precision)
    opened.difference = difference = recorded.ask(opened)
    # Written so that NaN fails.
    if opened.precision != "float32" and difference is not None and not difference <= TOLERANCES[opened.precision]:
        reason = (
            f"in {opened.precision} by {engine}, probabilities differ from the trained network's by {difference:.3g}, "
            f"expected at most {TOLERANCES[opened.precision]:g}"
        )
        if precision != AUTO:
            raise UserError(f"{reason}: `precision` float32 serves it")
        _LOG.warning("%s: %s; it answers in float32", path, reason, extra={"event": "precision", "reason": reason})
        return load(path, engine, "float32")
    return opened
