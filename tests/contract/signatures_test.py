import dataclasses

import pytest

from tsd_tf.contract.signatures import ClientModel, Variant, tflite_file

_VARIANT = Variant("float32", "client.tflite", 10, "ab", 1e-6, 1.0, 0.01, 1e-4, 1e-5, 1.0)
_MODEL = ClientModel(3, "tsd", 40, 10, 224, 256, 25.0, 400, (3, 3, 1024), ("distill",), (_VARIANT,))


def test_the_sidecar_survives_json():
    assert ClientModel.from_json(_MODEL.to_json()) == _MODEL
    fixed = dataclasses.replace(_MODEL, method="i3d", feature_shape=None)
    assert ClientModel.from_json(fixed.to_json()) == fixed


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"variants": 3}', '{"variants": [{"name": "x"}]}'])
def test_another_file_is_refused(text):
    with pytest.raises(ValueError, match="not the sidecar"):
        ClientModel.from_json(text)


def test_file_names():
    assert tflite_file("float32") == "client.tflite"
    assert tflite_file("float16") == "client_float16.tflite"
