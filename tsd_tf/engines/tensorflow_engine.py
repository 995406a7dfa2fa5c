"""The cloud half on TensorFlow."""

import contextlib
import logging
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tsd_tf.engines.engine import Engine


class TensorFlowEngine(Engine):
    """A SavedModel in a session, as TensorFlow Serving runs it.

    A session's graph is rewritten by options of its own, of which bfloat16 is one; functions share the process'.

    Args:
        path: the SavedModel's folder.
        precision: "float32" or "bfloat16".

    Raises:
        OSError, ValueError: the folder holds no SavedModel that can be loaded.
    """

    name = "tensorflow"

    def __init__(self, path: str | os.PathLike, precision: str = "float32") -> None:
        self.precision = precision
        options = tf.compat.v1.ConfigProto()
        if precision == "bfloat16":
            options.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1  # RewriterConfig.ON
        session = tf.compat.v1.Session(graph=tf.Graph(), config=options)
        with session.graph.as_default(), _without_deprecations():
            loaded = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(path))
        self._calls = {}
        for name, signature in loaded.signature_def.items():
            if not signature.method_name:
                continue  # the loader's own, for initialisation
            aliases, outputs = sorted(signature.inputs), sorted(signature.outputs)
            function = session.make_callable(
                [signature.outputs[alias].name for alias in outputs],
                [signature.inputs[alias].name for alias in aliases],
            )
            self._calls[name] = aliases, outputs, function

    def call(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        aliases, outputs, function = self._calls[signature]
        return dict(zip(outputs, function(*(inputs[alias] for alias in aliases)), strict=True))


@contextlib.contextmanager
def _without_deprecations() -> Iterator[None]:
    """A context in which TensorFlow does not say that sessions are its older interface."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
