"""Both protocols' metadata of the same model, made with tensorflow-serving-api's own messages."""

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from tsd_tf.contract import messages, model_metadata


def _official(frames=(-1, 4, 64, 96, 3), probabilities=(-1, 6)):
    signatures = get_model_metadata_pb2.SignatureDefMap()
    definition = signatures.signature_def["serving_default"]
    for tensor, shape, dtype in (
        (definition.inputs["frames"], frames, tf.uint8),
        (definition.outputs["probabilities"], probabilities, tf.float32),
        (definition.outputs["sizes"], (-1,), tf.int64),
    ):
        tensor.dtype = dtype.as_datatype_enum
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
    return signatures


def _both(official):
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(official)
    document = json_format.MessageToDict(official, preserving_proto_field_name=True)
    yield model_metadata.signatures_of(messages.GetModelMetadataResponse.FromString(response.SerializeToString()))
    yield model_metadata.signatures_of_json({"metadata": {"signature_def": document}})


def test_shape_and_classes():
    for found in _both(_official()):
        assert model_metadata.shape_of(found) == (4, 64, 96)
        assert model_metadata.num_classes_of(found) == 6


def test_what_does_not_tell():
    for found in _both(_official(frames=(-1, -1, 64, 64, 3), probabilities=(-1, -1))):
        assert model_metadata.shape_of(found) is None
        assert model_metadata.num_classes_of(found) is None
    assert model_metadata.num_classes_of(messages.SignatureDefMap()) is None


@pytest.mark.parametrize("document", [{}, [], {"metadata": 3}, {"metadata": {"signature_def": {"signature_def": []}}}])
def test_other_documents(document):
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        model_metadata.signatures_of_json(document)
