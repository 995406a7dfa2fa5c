"""A module whose import writes to stderr behind Python's back is imported without that."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def imported(tmp_path):
    """A function: (exit code, stdout, lines of stderr) of a process that imports a module of this source quietly."""

    def run(source, statement="import loud"):
        (tmp_path / "loud.py").write_text(source)
        code = "import sys\nfrom tsd_tf.programs.quiet_import import QuietImport\n"
        code += f"sys.meta_path.insert(0, QuietImport('loud'))\n{statement}\n"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr.splitlines()

    return run


_LOUD = "import os\nos.write(2, b'I0000 00:00:1.2   34 port.cc:153] oneDNN\\nE0000 00:00:1.2   34 port.cc:1] bad\\n')\n"


def test_the_module_is_whole_and_its_chatter_is_not_heard(imported):
    code, stdout, stderr = imported(_LOUD + "X = 1", "import loud\nprint(loud.X, loud.__spec__.origin)")
    assert (code, stderr) == (0, ["E0000 00:00:1.2   34 port.cc:1] bad"])
    assert stdout.startswith("1 /")


def test_what_fails_tells_everything(imported):
    code, _, stderr = imported(_LOUD + "raise OSError('no such library')")
    assert code == 1
    assert stderr[0].startswith("I0000")
    assert stderr[-1] == "OSError: no such library"


def test_a_module_that_is_missing_is_missing_as_ever(imported):
    code, _, stderr = imported("", "sys.meta_path.insert(0, QuietImport('absent'))\nimport absent")
    assert code == 1
    assert stderr[-1] == "ModuleNotFoundError: No module named 'absent'"
