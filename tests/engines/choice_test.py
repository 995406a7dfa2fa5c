"""Which precision is chosen."""

import logging

import numpy as np
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.engines import choice, processor
from tsd_tf.export.saved_model import save_cloud
from tsd_tf.export.verification import Reference


@pytest.fixture(scope="module")
def version(exported, tmp_path_factory):
    """A function: writes the cloud half with a change of the answers that are recorded; returns the path."""
    reference = Reference.of(exported.network, exported.clips)

    def write(change=0.0):
        path = tmp_path_factory.mktemp("version") / "1"
        save_cloud(
            exported.network, exported.labels, 64, path, reference.distilled_frames, reference.probabilities + change
        )
        return path

    return write


@pytest.fixture
def with_bfloat16(monkeypatch):
    """A function: what the processor says that it computes in."""
    return lambda answer: monkeypatch.setattr(processor, "computes_in_bfloat16", lambda: answer)


_needs_bfloat16 = pytest.mark.skipif(
    not choice.may_be_bfloat16("tensorflow"), reason="the processor has no bfloat16, or it is not this TensorFlow's"
)


@pytest.mark.slow
@_needs_bfloat16
def test_auto_is_bfloat16_where_the_answers_stay_near(version):
    engine = choice.load(version())
    assert engine.precision == "bfloat16"
    assert 1e-4 < engine.difference < 0.05


@pytest.mark.slow
@_needs_bfloat16
@pytest.mark.parametrize("change", [0.1, np.nan])
def test_auto_is_float32_where_they_do_not(version, caplog, change):
    caplog.set_level(logging.WARNING)
    path = version(change)
    assert choice.load(path).precision == "float32"
    assert "in bfloat16 by tensorflow, probabilities differ from the trained network's by" in caplog.text
    assert "expected at most 0.05; it answers in float32" in caplog.text
    with pytest.raises(UserError, match="expected at most 0.05: `precision` float32 serves it"):
        choice.load(path, precision="bfloat16")
    assert choice.load(path, precision="float32").precision == "float32"


@pytest.mark.slow
def test_auto_is_float32_on_another_tensorflow(version, with_bfloat16, monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    with_bfloat16(True)
    monkeypatch.setattr(choice.tf, "__version__", "2.21.0")
    assert choice.load(version()).precision == "float32"
    assert not caplog.text
    assert not choice.may_be_bfloat16("tensorflow")
    assert choice.may_be_bfloat16("openvino")
    monkeypatch.setattr(choice.tf, "__version__", "2.16.2")
    assert choice.may_be_bfloat16("tensorflow")


@pytest.mark.slow
def test_auto_is_float32_where_nothing_can_be_compared(version, with_bfloat16):
    path = version()
    with_bfloat16(False)
    assert choice.load(path).precision == "float32"
    with_bfloat16(True)
    (path / "assets.extra/tf_serving_warmup_requests").unlink()
    assert choice.load(path).precision == "float32"


def test_what_no_engine_or_processor_has_is_one_line(with_bfloat16):
    with_bfloat16(False)
    for engine, precision, message in (
        ("tensorflow", "int8", "`precision` int8 is for `engine` openvino"),
        ("tensorflow", "bfloat16", "`precision` bfloat16 needs a processor that computes in it"),
        ("tensorflow", "float16", "`precision` must be auto or one of float32, bfloat16, int8"),
        ("torch", "float32", "`engine` must be one of tensorflow, openvino"),
    ):
        with pytest.raises(UserError, match=message):
            choice.check(engine, precision)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("model name\t: bf16\nflags\t\t: fpu avx512f avx2\n", False),
        ("", False),
    ],
)
def test_what_the_processor_computes_in(monkeypatch, text, expected):
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: text)
    assert processor.computes_in_bfloat16() is expected
