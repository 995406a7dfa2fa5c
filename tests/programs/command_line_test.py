import json
import os
import pathlib
import platform
import subprocess
import sys

import pytest
from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

ROOT = pathlib.Path(__file__).resolve().parents[2]

PROGRAM = '''"""A program of the test's own."""
import sys

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

flags.DEFINE_integer("T", 40, "frames of a clip", lower_bound=1)
flags.DEFINE_bool("no_extra", False, "without an extra")


def main(argv):
    command_line.no_arguments(argv)
    {body}


if __name__ == "__main__":
    command_line.run(main, extra=None if "--no_extra" in sys.argv else "train", backends=("tensorflow",))
'''


@pytest.fixture
def program(tmp_path):
    """A function: runs a program whose main has this body; returns (exit code, stdout, stderr)."""

    def run(body, *arguments, stdout=subprocess.PIPE, **environment):
        path = tmp_path / "program.py"
        path.write_text(PROGRAM.format(body=body))
        done = subprocess.run(
            [sys.executable, str(path), *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "KERAS_BACKEND": "",
                "KERAS_HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT),
                **environment,
            },
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def defined(monkeypatch):
    """A function: the only flags that there are."""

    def define(*names):
        values = flags.FlagValues()
        for name in names:
            flags.DEFINE_string(name, None, "", flag_values=values)
        monkeypatch.setattr(flags, "FLAGS", values)

    return define


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`num_frames` must be at least 1. Received: num_frames=0", "--T must be at least 1. Received: --T=0"),
        (
            "`num_distilled_frames` must be at most `num_frames`. Received: num_distilled_frames=9, num_frames=8",
            "--Ts must be at most --T. Received: --Ts=9, --T=8",
        ),
        ("`stride` must be positive. Received: stride=-1", "--stride must be positive. Received: --stride=-1"),
        ("`no_flag` must be 1. Received: no_flag=2, stride=3", "`no_flag` must be 1. Received: no_flag=2, --stride=3"),
        ("num_frames=3 is in the file; stride=2 too", "num_frames=3 is in the file; stride=2 too"),  # not received
        ("no such run: `runs/T`", "no such run: `runs/T`"),
        ("--T is kept. Received: --T=3", "--T is kept. Received: --T=3"),
    ],
)
def test_arguments_are_shown_as_this_programs_flags(defined, message, expected):
    defined("T", "Ts", "stride")
    assert command_line.in_flags(message) == expected


def test_arguments_without_a_flag_in_this_program_keep_their_names(defined):
    defined("T")
    message = "`num_distilled_frames` must be at most `num_frames`. Received: num_distilled_frames=9, num_frames=8"
    expected = "`num_distilled_frames` must be at most --T. Received: num_distilled_frames=9, --T=8"
    assert command_line.in_flags(message) == expected


def test_only_flags_are_taken():
    command_line.no_arguments(["program"])
    with pytest.raises(UserError, match="expected flags only, received T=3 x"):
        command_line.no_arguments(["program", "T=3", "x"])


@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("return 0", 0), ("return 1", 1), ("return 3", 3)])
def test_the_exit_code_is_mains(program, body, code):
    assert program(body) == (code, "", "")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('raise UserError("`num_frames` must be 1.\\n  Received: num_frames=2")', "--T must be 1. Received: --T=2"),
        ('open("absent/file")', "cannot read or write absent/file: No such file or directory"),
        (
            "import no_such_package.module",
            "this program needs no_such_package, which is not installed: pip install 'tsd_tf[train]'",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(program, body, line):
    assert program(body) == (1, "", f"error: {line}\n")


@pytest.mark.parametrize(
    ("body", "arguments", "last"),
    [
        ('raise ValueError("a bug")', [], "ValueError: a bug"),
        ('raise OSError("without a file")', [], "OSError: without a file"),
        ("import tsd_tf.no_such_module", [], "No module named 'tsd_tf.no_such_module'"),
        ("import no_such_package", ["--no_extra"], "No module named 'no_such_package'"),
    ],
)
def test_a_bug_shows_its_traceback(program, body, arguments, last):
    code, _, stderr = program(body, *arguments)
    assert code == 1
    assert "Traceback" in stderr
    assert stderr.strip().endswith(last)


def test_an_interrupted_program_says_so(program):
    assert program("raise KeyboardInterrupt") == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--T=0"], ["--T=0", "(--help lists the flags)"]),
        (["--T=many"], ["--T=many"]),
        (["--no_such_flag"], ["no_such_flag"]),
    ],
)
def test_wrong_flags_are_one_line_and_code_2(program, arguments, parts):
    code, stdout, stderr = program("pass", *arguments)
    assert (code, stdout) == (2, "")
    (line,) = stderr.splitlines()
    assert line.startswith("error: ")
    assert all(part in line for part in parts)


def test_another_keras_backend_is_refused_in_one_line(program, tmp_path):
    line = "error: this program runs on the Keras backend tensorflow, and jax is chosen: set KERAS_BACKEND=tensorflow\n"
    assert program("pass", KERAS_BACKEND="jax") == (1, "", line)
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    assert program("pass") == (1, "", line)
    assert program("pass", KERAS_BACKEND="tensorflow") == (0, "", "")


def test_help_shows_the_docstring_and_the_flags(program):
    code, stdout, _ = program("return 1", "--help")
    assert code == 0
    assert stdout.startswith("A program of the test's own.")
    assert "frames of a clip" in stdout


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_a_program_ends_quietly_when_nobody_reads_its_output(program, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, _, stderr = program("print('a table')", *arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (code, stderr) == (141, "")


def test_another_broken_pipe_is_no_reader_that_left(program):
    body = "import os; reader, writer = os.pipe(); os.close(reader); os.write(writer, b'x')"
    code, _, stderr = program(body)
    assert code == 1
    assert "BrokenPipeError" in stderr


def test_names_that_are_not_utf_8_can_be_printed():
    script = (
        "import os; from tsd_tf.programs import command_line\n"
        'command_line.run(lambda argv: print(os.fsdecode(b"caf\\xe9.mp4")))'
    )
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("caf\\udce9.mp4\n", "")


_LOGGING = """
    import logging as standard, os
    from absl import logging
    logging.info("one")
    logging.warning("two")
    standard.getLogger("tensorflow").warning("three")
    standard.getLogger("tensorflow").error("four")
    print(os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["GRPC_VERBOSITY"])
"""


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [([], ["two", "four"]), (["--verbosity=0"], ["one", "two", "three", "four"]), (["--verbosity=-2"], ["four"])],
)
def test_what_libraries_log_is_as_much_as_asked_for(program, arguments, shown):
    unset = {"TF_CPP_MIN_LOG_LEVEL": "0", "GRPC_VERBOSITY": "INFO"}
    code, stdout, stderr = program(_LOGGING.strip(), *arguments, **unset)
    assert (code, stdout) == (0, "0 INFO\n")  # what the environment says stands
    assert [line.rpartition("] ")[2] for line in stderr.splitlines()] == shown


@pytest.mark.slow
def test_tensorflow_is_imported_and_used_without_a_word(program, monkeypatch):
    for name in ("TF_CPP_MIN_LOG_LEVEL", "GRPC_VERBOSITY"):
        monkeypatch.delenv(name, raising=False)
    body = "import tensorflow as tf; print(float(tf.function(lambda x: x + 1)(tf.constant(1.0))))"
    assert program(body) == (0, "2.0\n", "")


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is TensorFlow's own choice elsewhere")
def test_tensorflow_has_onednn_on_every_processor(program, monkeypatch):
    body = "from tensorflow.python.framework import test_util; print(test_util.IsMklEnabled())"
    assert program(body, TF_ENABLE_ONEDNN_OPTS="0") == (0, "False\n", "")  # what the environment says stands
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    assert program(body) == (0, "True\n", "")
