"""What is committed under docs/study is what its results.json says."""

import csv
import pathlib

import pytest

from study import report, results, tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/study"


@pytest.mark.parametrize("path", sorted(DOCS.glob("**/results.json")), ids=lambda path: path.parent.name)
def test_tables_are_made_of_the_results(path):
    found = results.read(path.parent)
    made = tables.all_tables(found)
    assert (path.parent / "tables.md").read_text() == report.markdown(found, made)
    for table in made:
        with (path.parent / f"{table.name}.csv").open(newline="") as file:
            assert list(csv.reader(file)) == [list(table.header), *table.rows]


@pytest.mark.parametrize("path", ["README.md", "docs/study/README.md"])
def test_the_main_table_is_that_of_the_results(path):
    with (DOCS / "table2.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    shown = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / path).read_text().splitlines()
        if line.startswith("|")
    ]
    start = shown.index(rows[0])
    assert shown[start + 2 : start + 1 + len(rows)] == rows[1:]
