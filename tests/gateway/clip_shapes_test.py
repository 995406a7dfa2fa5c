import asyncio

from tsd_tf.contract import messages
from tsd_tf.gateway.clip_shapes import ClipShapes


class _Backends:
    """Know a model whose clips have T_s frames of 4 x 5, T_s being the version that is asked for."""

    def __init__(self):
        self.asked = []

    async def call(self, method, content, timeout):
        assert method == messages.GET_MODEL_METADATA
        self.asked.append(content)
        spec = messages.GetModelMetadataRequest.FromString(content).model_spec
        signatures, response = messages.SignatureDefMap(), messages.GetModelMetadataResponse()
        frames = signatures.signature_def["serving_default"].inputs["frames"]
        frames.dtype = messages.DT_UINT8
        for size in (-1, spec.version.value or 7, 4, 5, 3):
            frames.tensor_shape.dim.add(size=size)
        response.metadata["signature_def"].Pack(signatures)
        return response.SerializeToString()


def _spec(unknown=b"", **fields):
    spec = messages.ModelSpec(name="tsd", **fields)
    spec.MergeFromString(unknown)
    return spec


def test_it_asks_once_for_each_version():
    backends = _Backends()
    shapes = ClipShapes(backends)

    async def ask():
        for _ in range(2):
            assert await shapes.of(_spec(), 1.0) == (7, 4, 5)
            assert await shapes.of(_spec(signature_name="coded"), 1.0) == (7, 4, 5)
            assert await shapes.of(_spec(version={"value": 2}), 1.0) == (2, 4, 5)
            assert await shapes.of(_spec(version_label="stable"), 1.0) == (7, 4, 5)

    asyncio.run(ask())
    assert len(backends.asked) == 3


def test_fields_that_nobody_knows_are_neither_passed_on_nor_kept():
    """They may be of any size and number, beside a name that is known."""
    backends = _Backends()
    shapes = ClipShapes(backends)
    version = messages.ModelSpec(version={"value": 2}).SerializeToString()

    async def ask():
        for index in range(5):
            unknown = b"\x9a\x06\x64" + b"%0100d" % index  # of the spec, and of the version in it
            assert await shapes.of(_spec(unknown), 1.0) == (7, 4, 5)
            nested = b"\x12" + bytes([len(version[2:]) + len(unknown)]) + version[2:] + unknown
            assert await shapes.of(_spec(nested), 1.0) == (2, 4, 5)

    asyncio.run(ask())
    assert len(backends.asked) == 2
    assert max(map(len, backends.asked)) < 60
