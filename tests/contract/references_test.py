import sys

import pytest

from tsd_tf.contract import references
from tsd_tf.contract.errors import UserError


@pytest.mark.parametrize("text", ["own:Selector", "a.package.module:name", "_private:_name1"])
def test_references(text):
    assert references.is_reference(text)
    assert references.short_name(text) == text.partition(":")[2]


@pytest.mark.parametrize(
    "text", ["", "own", "own:", ":name", "own.py:a-b", "a/b:name", "a..b:name", "1a:name", "a:b:c", "a:b.c"]
)
def test_other_texts(text):
    assert not references.is_reference(text)
    with pytest.raises(UserError, match="`part` must have the form package.module:name. Received: part="):
        references.resolve(text, "part")


def test_the_current_folder_is_looked_in(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts_of_a_user").mkdir()
    (tmp_path / "parts_of_a_user/more.py").write_text("def make():\n    return 7\n")
    assert references.resolve("parts_of_a_user.more:make", "part")() == 7


def test_what_is_wrong_inside_a_module_is_shown_as_it_is(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_broken_module.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        references.resolve("a_broken_module:name", "part")
