"""Answers in TensorFlow Serving's JSON."""

import base64
import json

import numpy as np

from tsd_tf.serving import json_outputs


def test_answers():
    outputs = {
        "scores": np.array([[0.1, 1e-9], [np.nan, 1]], "float32"),
        "classes": np.array([[b"a", b"b"], [b"c", b"d"]], object),
        "data_bytes": np.array([b"\xff", b""], object),
    }
    rows = json.loads(json_outputs.outputs_to_json(outputs, row=True))["predictions"]
    assert rows[0] == {
        "scores": [0.1, 1e-9],
        "classes": ["a", "b"],
        "data_bytes": {"b64": base64.b64encode(b"\xff").decode()},
    }
    assert np.isnan(rows[1]["scores"][0])
    columns = json.loads(json_outputs.outputs_to_json(outputs, row=False))["outputs"]
    assert columns["classes"] == [["a", "b"], ["c", "d"]]
    single = {"x": np.arange(8, dtype="float32").reshape(2, 2, 2)}
    assert json.loads(json_outputs.outputs_to_json(single, row=True)) == {"predictions": single["x"].tolist()}
    assert json.loads(json_outputs.outputs_to_json(single, row=False)) == {"outputs": single["x"].tolist()}
