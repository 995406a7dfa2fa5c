import os

import pytest

from tsd_tf.contract.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as it is, caf\u00e9 \u6f22", "as it is, caf\u00e9 \u6f22"),
        (os.fsdecode(b"caf\xe9.mp4"), "caf\\xe9.mp4"),
        ("two\nlines\t\x1b[2J", "two\\nlines\\t\\x1b[2J"),
        ("half a pair \ud83d", "half a pair \\ud83d"),
        ("", ""),
    ],
)
def test_what_cannot_be_shown_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(shown).encode().decode() == shown


def test_long_ones_are_cut():
    assert printable("x" * 10, 10) == "x" * 10
    assert printable("x" * 11, 10) == "x" * 10 + "..."
