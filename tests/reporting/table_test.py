import csv

import pytest

from tsd_tf.reporting.table import Table

TABLE = Table(("method", "top-1"), [["I3D", 36.7], ["I3D, twice", None]], "Accuracy", "A note.")


def test_markdown_has_title_and_note():
    assert TABLE.markdown() == (
        "## Accuracy\n\n"
        "| method     | top-1 |\n"
        "| ---------- | ----- |\n"
        "| I3D        | 36.7  |\n"
        "| I3D, twice |       |\n\n"
        "A note.\n"
    )


def test_markdown_without_alignment_title_and_note():
    assert Table(("a", "b"), [[1, "long"]]).markdown(aligned=False) == "| a | b |\n| --- | --- |\n| 1 | long |\n"


def test_csv_leaves_out_title_and_note():
    assert TABLE.csv() == 'method,top-1\nI3D,36.7\n"I3D, twice",\n'
    assert list(csv.reader(TABLE.csv().splitlines()))[2] == ["I3D, twice", ""]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="argument 2"):
        Table(("a", "b"), [[1]]).markdown()
