"""What is committed under docs/study is what its results.json says."""

import csv
import pathlib

import pytest

from study import report, results, tables

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/study"


@pytest.mark.parametrize("path", sorted(DOCS.glob("**/results.json")), ids=lambda path: path.parent.name)
def test_tables_are_made_of_the_results(path):
    found = results.read(path.parent)
    made = tables.all_tables(found)
    assert (path.parent / "tables.md").read_text() == report.markdown(found, made)
    for table in made:
        with (path.parent / f"{table.name}.csv").open(newline="") as file:
            assert list(csv.reader(file)) == [list(table.header), *table.rows]
