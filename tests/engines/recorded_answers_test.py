"""The requests and answers that an export leaves for whoever serves it."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tsd_tf.contract import signatures
from tsd_tf.engines.recorded_answers import RecordedAnswers


@pytest.fixture
def path(tmp_path):
    """Five requests: three clips with answers, a longer clip with one, and one without."""
    (tmp_path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / signatures.WARMUP_FILE)) as writer:
        for value, length, answer in ((1, 2, 0.1), (2, 2, 0.2), (3, 2, 0.3), (4, 5, 0.4), (5, 2, None)):
            log = prediction_log_pb2.PredictLog()
            log.request.inputs["frames"].CopyFrom(tf.make_tensor_proto(np.full((1, length), value, "uint8")))
            if answer is not None:
                probabilities = np.array([[answer, 1 - answer]], "float32")
                log.response.outputs["probabilities"].CopyFrom(tf.make_tensor_proto(probabilities))
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
    return tmp_path


class _Engine:
    def __init__(self, precision, off=lambda values: 0.0):
        self.precision, self.asked, self._off = precision, [], off

    def call(self, signature, inputs):
        assert signature == "serving_default"
        values = inputs["frames"][:, 0]
        self.asked.append((values.tolist(), inputs["frames"].shape[1]))
        first = values / 10 + self._off(values)
        return {"probabilities": np.stack([first, 1 - first], axis=1)}


def test_all_are_asked_and_those_that_are_alike_together(path):
    alone = [([1], 2), ([2], 2), ([3], 2), ([4], 5), ([5], 2)]
    for precision, expected in (("float32", alone), ("bfloat16", [*alone, ([1, 2], 2)])):
        engine = _Engine(precision)
        assert RecordedAnswers(path).ask(engine) == pytest.approx(0.0, abs=1e-6)
        assert engine.asked == expected


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (lambda values: np.where(values == 3, 0.25, 0.0), 0.25),
        (lambda values: 0.5 if len(values) == 2 else 0.0, 0.5),  # together alone
        (lambda values: np.where(values == 4, np.nan, 0.0), np.nan),
        (lambda values: np.where(values == 5, 0.5, 0.0), 0.0),  # which has no answer
    ],
)
def test_the_largest_difference_counts(path, off, expected):
    assert RecordedAnswers(path).ask(_Engine("int8", off)) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_without_answers_there_is_nothing_to_compare(path, tmp_path_factory):
    empty = RecordedAnswers(tmp_path_factory.mktemp("empty"))
    assert not empty
    assert empty.ask(_Engine("int8")) is None
    assert RecordedAnswers(path)
