"""`make dist`: what is in sdist and wheel, and that its commands start."""

import importlib.metadata
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parent.parent
_PAGE = "tsd_tf/gateway/page"
_PAGE_FILES = ("index.html", "wasm/lite.wasm", "wasm/lite.wasm.gz")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which the project is installed, not editable, and which holds nothing else."""
    folder = tmp_path_factory.mktemp("install")
    source = folder / "source"
    made = ("demo", "model", "data", "runs", "export", "build", "dist", "web", "*.egg-info")
    ignore = shutil.ignore_patterns(".*", "__pycache__", *made)
    shutil.copytree(ROOT, source, ignore=lambda path, names: ignore(path, names) if path == str(ROOT) else [])
    # A stand-in for what `make web` builds.
    shutil.rmtree(source / _PAGE, ignore_errors=True)
    for name in _PAGE_FILES:
        (source / _PAGE / name).parent.mkdir(parents=True, exist_ok=True)
        (source / _PAGE / name).write_text(name)
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(build, capture_output=True, text=True)  # the wheel from the sdist
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("tsd_tf-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def entry_points(installed):
    (distribution,) = importlib.metadata.distributions(path=[str(installed)])
    return [point for point in distribution.entry_points if point.group == "console_scripts"]


def test_nothing_but_the_package_is_installed(installed):
    top = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"tsd_tf"}


def test_the_built_page_is_installed(installed):
    assert {name: (installed / _PAGE / name).read_text() for name in _PAGE_FILES} == {
        name: name for name in _PAGE_FILES
    }


def test_every_module_class_list_preset_and_model_is_installed(installed):
    package = ROOT / "tsd_tf"
    found = [*package.rglob("*.py"), *package.rglob("*.txt"), *package.glob("recipes/*.json")]
    found += (package / "models/actions").rglob("*")
    here = {path.relative_to(ROOT) for path in found if path.is_file() and ROOT / _PAGE not in path.parents}
    there = {path.relative_to(installed) for path in (installed / "tsd_tf").rglob("*") if path.is_file()}
    assert here | {pathlib.Path("tsd_tf/py.typed")} <= there


def test_every_command_starts(installed, tmp_path):
    points = entry_points(installed)
    assert {"tsd-train-kinetics", "tsd-evaluate", "tsd-export", "tsd-serve", "tsd-client"} <= {p.name for p in points}
    for point in points:
        module, function = point.value.split(":")
        code = f"import sys; sys.argv = [{point.name!r}, '--help']; from {module} import {function}; {function}()"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": str(installed), "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{point.name}: {done.stderr}"
        assert "--" in done.stdout, point.name
