"""What is committed under docs/study is what its results.json says."""

import csv
import json
import pathlib

import pytest

from study import report, results, tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs/study"
# Results of the first study may be there until those of today's have been made.
OF_TODAY = [
    path.parent
    for path in sorted(DOCS.glob("**/results.json"))
    if json.loads(path.read_text()).get("format") == results.FORMAT
]


@pytest.mark.parametrize("folder", OF_TODAY, ids=lambda folder: folder.name)
def test_tables_are_made_of_the_results(folder):
    found = results.read(folder)
    made = tables.all_tables(found)
    assert (folder / "tables.md").read_text() == report.markdown(found, made)
    for table in made:
        with (folder / f"{table.name}.csv").open(newline="") as file:
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
