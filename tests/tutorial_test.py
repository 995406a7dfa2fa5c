"""docs/tutorial.ipynb: runs, says what it said when it was committed, and is the page beside it."""

import pathlib
import re

import pytest

nbclient = pytest.importorskip("nbclient")
nbconvert = pytest.importorskip("nbconvert")
nbformat = pytest.importorskip("nbformat")

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(DOCS / "tutorial.ipynb", as_version=4)


def texts(notebook):
    """What each cell of code printed; numbers differ from machine to machine."""
    return [
        re.sub(r"\d+(\.\d+)?", "0", "".join(output.get("text", "") for output in cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def pictures(notebook):
    """How many pictures each cell of code shows."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [sum("image/png" in output.get("data", ()) for output in cell.outputs) for cell in cells]


@pytest.mark.slow
def test_it_runs_and_says_what_it_said(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))
    again = nbformat.from_dict(notebook)
    nbclient.NotebookClient(again, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert texts(again) == texts(notebook)
    assert pictures(again) == pictures(notebook)
    assert sum(pictures(notebook)) == 2
    printed = "".join(texts(notebook))
    assert "`video` must hold uint0 values from 0 to 0. Received: float0, values from 0 to 0:" in printed
    assert not [output for cell in again.cells for output in cell.get("outputs", ()) if output.get("name") == "stderr"]


def test_the_page_is_the_notebooks(notebook):
    exporter = nbconvert.MarkdownExporter()
    resources = {"output_files_dir": "tutorial_files", "unique_key": "tutorial"}
    page, resources = exporter.from_notebook_node(notebook, resources)
    assert (DOCS / "tutorial.md").read_text() == page, "make tutorial"
    assert {path: (DOCS / path).read_bytes() for path in resources["outputs"]} == resources["outputs"]
    assert sorted(path.name for path in (DOCS / "tutorial_files").iterdir()) == sorted(
        path.rpartition("/")[2] for path in resources["outputs"]
    )
