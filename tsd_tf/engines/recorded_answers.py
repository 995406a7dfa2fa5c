"""What a network has to answer to the requests that its export wrote beside it."""

import os
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.contract import signatures
from tsd_tf.engines.engine import Engine


class RecordedAnswers:
    """The warm-up requests of a version, some with the answers of the trained network.

    Args:
        path: the SavedModel's folder, which need not have any.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._logs = []
        file = pathlib.Path(path) / signatures.WARMUP_FILE
        if file.is_file():
            records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
            self._logs = [prediction_log_pb2.PredictionLog.FromString(record).predict_log for record in records]

    def __bool__(self) -> bool:
        """Whether there is an answer to compare with."""
        return any(signatures.PROBABILITIES in log.response.outputs for log in self._logs)

    def ask(self, engine: Engine) -> float | None:
        """Asks an engine all of the requests, after which it is warm.

        In other precisions than float32, it also asks 2, 4, ... of those that are alike at a time, since engines
        compute batches in other ways than clips.

        Returns:
            The largest absolute difference of its probabilities from the recorded ones, NaN if it answers with that;
            None if none is recorded.
        """
        differences = []
        alike: dict[tuple, list[tuple[dict[str, np.ndarray], np.ndarray]]] = {}
        for log in self._logs:
            name = log.request.model_spec.signature_name or signatures.SERVING_DEFAULT
            inputs = {alias: tf.make_ndarray(proto) for alias, proto in log.request.inputs.items()}
            if signatures.PROBABILITIES not in log.response.outputs:
                engine.call(name, inputs)
                continue
            expected = tf.make_ndarray(log.response.outputs[signatures.PROBABILITIES])
            differences.append(_difference(engine, name, inputs, expected))
            shapes = tuple(sorted((alias, value.shape[1:]) for alias, value in inputs.items()))
            alike.setdefault((name, shapes), []).append((inputs, expected))
        for (name, _), pairs in alike.items():
            sizes = () if engine.precision == "float32" else (2**power for power in range(1, len(pairs).bit_length()))
            for size in sizes:
                joined = {alias: np.concatenate([inputs[alias] for inputs, _ in pairs[:size]]) for alias in pairs[0][0]}
                expected = np.concatenate([answer for _, answer in pairs[:size]])
                differences.append(_difference(engine, name, joined, expected))
        return float(np.max(differences)) if differences else None


def _difference(engine: Engine, signature: str, inputs: dict[str, np.ndarray], expected: np.ndarray) -> float:
    return np.abs(engine.call(signature, inputs)[signatures.PROBABILITIES] - expected).max()
