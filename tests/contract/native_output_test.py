"""Chatter of native libraries is held back; everything else passes."""

import os
import subprocess
import sys
import textwrap

import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.native_output import without_chatter

_CHATTER = [
    b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
    b"W0000 00:00:1795715020.784401   11315 tf_tfl_flatbuffer_helpers.cc:390] Ignored output_format.\n",
    b"I0000 00:00:1795715020.784401 11315 service.cc:145] XLA service initialized\n",
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
    b"fully_quantize: 0, inference_type: 6, input_inference_type: FLOAT32, output_inference_type: FLOAT32\n",
    b"pybullet build time: Nov 28 2023 23:45:17\n",
]
_WORDS = [
    b"ERROR: Node number 3 (CONV_3D) failed to prepare.\n",
    b"E0000 00:00:1795715020.784401   11315 graph.cc:1] out of memory\n",
    b"F0000 00:00:1795715020.784401   11315 graph.cc:1] check failed\n",
    b"libfoo.so: INFO: not at the beginning\n",
    b"\n",
    b"no end of line",
]


def _fail(line, error):
    os.write(2, line)
    raise error


def test_chatter_is_held_back_and_the_rest_comes_in_its_order(capfd):
    with without_chatter():
        for lines in zip(_CHATTER, _WORDS, strict=True):
            os.write(2, b"".join(lines))
    assert capfd.readouterr().err.encode() == b"".join(_WORDS)
    os.write(2, _CHATTER[0])
    assert capfd.readouterr().err.encode() == _CHATTER[0]  # outside the context nothing is held back


def test_after_an_error_everything_comes(capfd):
    with pytest.raises(ValueError, match="converter"), without_chatter():
        _fail(_CHATTER[1] + _WORDS[0], ValueError("converter"))
    assert capfd.readouterr().err.encode() == _CHATTER[1] + _WORDS[0]


def test_after_an_error_of_the_user_nothing_comes(capfd):
    with pytest.raises(UserError), without_chatter():
        _fail(_WORDS[0], UserError("LiteRT has no such operation"))
    assert capfd.readouterr().err == ""


def _run(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_pythons_own_lines_keep_their_place():
    done = _run("""
        import os, sys
        from tsd_tf.contract.native_output import without_chatter
        print("before", file=sys.stderr)
        with without_chatter():
            print("within", file=sys.stderr)
            os.write(2, b"INFO: chatter\\nnative\\n")
            with without_chatter():
                print("nested", file=sys.stderr)
        print("after", file=sys.stderr)
    """)
    assert done.stderr.splitlines() == ["before", "within", "native", "nested", "after"]


def test_a_process_without_stderr_goes_on():
    done = _run("""
        import os
        from tsd_tf.contract.native_output import without_chatter
        os.close(2)
        with without_chatter():
            print("works")
    """)
    assert done.stdout == "works\n"
