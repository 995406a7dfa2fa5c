"""A model folder in which anything may lie, and anything may happen."""

import gc
import logging
import os
import shutil
import time
import types
import weakref

import grpc
import pytest
from tensorflow_serving.apis import model_pb2

from tsd_tf.contract.errors import UserError
from tsd_tf.serving import model_store
from tsd_tf.serving.model_store import ModelStore
from tsd_tf.serving.serving_error import ServingError

pytestmark = pytest.mark.slow

_LATEST = model_pb2.ModelSpec(name="tsd")


@pytest.fixture
def folder(tmp_path, small_model):
    """A model folder with version 1."""
    shutil.copytree(small_model / "1", tmp_path / "1")
    return tmp_path


@pytest.fixture
def store(folder):
    """It, loaded."""
    store = ModelStore("tsd", folder)
    store.load()
    return store


def _look_twice(store):
    """What is new has to be there at two looks, as it was."""
    store.refresh()
    store.refresh()
    return store.find(_LATEST).version


def _states(store):
    return {status.version: status.state for status in store.status(_LATEST).model_version_status}


def _events(caplog):
    return [(record.event, getattr(record, "version", None)) for record in caplog.records if hasattr(record, "event")]


def test_nothing_to_serve(tmp_path):
    with pytest.raises(UserError, match="no model to serve: looked for .*/<version>/saved_model.pb"):
        ModelStore("tsd", tmp_path).load()
    with pytest.raises(UserError, match="looked for .*/nowhere/<version>/saved_model.pb.*No such file or directory"):
        ModelStore("tsd", tmp_path / "nowhere").load()
    (tmp_path / "3").mkdir()
    (tmp_path / "3/saved_model.pb").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"no model to serve.*version 3: DecodeError"):
        ModelStore("tsd", tmp_path).load()


def test_before_it_is_loaded(folder):
    store = ModelStore("tsd", folder)
    with pytest.raises(ServingError) as caught:
        store.find(_LATEST)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(ServingError) as caught:
        store.find(model_pb2.ModelSpec(name="x"))
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_versions_come_and_go(folder, caplog):
    caplog.set_level(logging.INFO)
    store = ModelStore("tsd", folder, {"stable": 1})
    store.load()
    shutil.copytree(folder / "1", folder / "2")
    assert _look_twice(store) == 2
    (folder / "3").symlink_to(folder / "1")
    assert _look_twice(store) == 3
    assert store.find(model_pb2.ModelSpec(name="tsd", version_label="stable")).version == 1
    assert _states(store) == {3: 30, 2: 50, 1: 30}
    assert _events(caplog) == [
        ("version_loaded", 1),
        ("version_loaded", 2),
        ("version_loaded", 3),
        ("version_unloaded", 2),
    ]


def test_a_version_is_rolled_back(folder, store, caplog):
    caplog.set_level(logging.INFO)
    shutil.copytree(folder / "1", folder / "2")
    assert _look_twice(store) == 2
    shutil.rmtree(folder / "2")
    assert _look_twice(store) == 1
    assert _states(store) == {2: 50, 1: 30}
    assert _events(caplog)[2:] == [("version_loaded", 1), ("rolled_back", 1), ("version_unloaded", 2)]
    (record,) = (record for record in caplog.records if getattr(record, "event", "") == "rolled_back")
    assert record.getMessage() == "version 2 of tsd is gone; version 1 serves"
    assert (record.from_version, record.levelname) == (2, "WARNING")


def test_no_request_finds_nothing_while_versions_roll(folder, monkeypatch):
    """At every moment of a roll: while the new one is loaded, and between all changes of what is loaded."""
    store = ModelStore("tsd", folder)
    found = []
    load, set_state = model_store.Servable, ModelStore._set_state

    def find():
        if store._servables:
            found.append(store.find(_LATEST).version)

    def loading(*args):
        find()
        return load(*args)

    def setting(*args):
        find()
        set_state(*args)

    monkeypatch.setattr(model_store, "Servable", loading)
    monkeypatch.setattr(ModelStore, "_set_state", setting)
    store.load()
    shutil.copytree(folder / "1", folder / "2")
    assert _look_twice(store) == 2
    shutil.rmtree(folder / "2")
    assert _look_twice(store) == 1
    assert found == [1, 1, 1, 2, 2, 2, 2, 2, 1]


def test_a_version_that_is_being_copied_waits(folder, store, caplog):
    target = folder / "2"
    target.mkdir()
    shutil.copy(folder / "1/saved_model.pb", target)
    store.refresh()
    for number, name in enumerate(("variables.index", "variables.data-00000-of-00001")):
        (target / "variables").mkdir(exist_ok=True)
        shutil.copy(folder / "1/variables" / name, target / "variables")
        store.refresh()
        assert store.find(_LATEST).version == 1, number
    store.refresh()
    assert store.find(_LATEST).version == 2
    assert "version_failed" not in dict(_events(caplog))


def test_one_that_cannot_be_loaded_is_tried_again_when_it_changes(folder, store, caplog):
    target = folder / "2"
    target.mkdir()
    (target / "saved_model.pb").write_bytes(b"broken")
    for _ in range(4):
        assert _look_twice(store) == 1
    assert _events(caplog) == [("version_failed", 2)]
    assert _states(store) == {2: 50, 1: 30}
    assert store.status(_LATEST).model_version_status[0].status.error_message.startswith("DecodeError")
    # A clock that has been put back: what is written now is older than what was there.
    shutil.copytree(folder / "1", target, dirs_exist_ok=True)
    for path in (target, *target.rglob("*")):
        os.utime(path, (1, 1))
    assert _look_twice(store) == 2


def test_one_that_cannot_be_loaded_is_tried_again_after_a_while(folder, store, monkeypatch):
    shutil.copytree(folder / "1", folder / "2")
    full, load = True, model_store.Servable

    def loading(*args):
        if full:
            raise MemoryError("no room")
        return load(*args)

    monkeypatch.setattr(model_store, "Servable", loading)
    assert _look_twice(store) == 1
    full = False
    assert _look_twice(store) == 1
    now = time.monotonic()
    monkeypatch.setattr(model_store.time, "monotonic", lambda: now + 1000)
    assert _look_twice(store) == 2


def _dangling_link(path, good):
    path.mkdir()
    (path / "saved_model.pb").symlink_to("/nowhere")


def _dangling_assets(path, good):
    shutil.copytree(good, path)
    shutil.rmtree(path / "assets")
    (path / "assets").symlink_to("/nowhere")


def _loop(path, good):
    shutil.copytree(good, path)
    (path / "variables/again").symlink_to(path)
    (path / "itself").symlink_to("itself")


def _pipe(path, good):
    shutil.copytree(good, path)
    (path / "variables/variables.index").unlink()
    os.mkfifo(path / "variables/variables.index")


@pytest.mark.parametrize(
    "put",
    [
        lambda path, good: path.write_text("a file"),
        lambda path, good: path.mkdir(),
        lambda path, good: path.symlink_to("/nowhere"),
        lambda path, good: path.symlink_to(path.name),
        _dangling_link,
        lambda path, good: (path.mkdir(), (path / "saved_model.pb").mkdir()),
        lambda path, good: (path.mkdir(), os.mkfifo(path / "saved_model.pb")),
        lambda path, good: (path.mkdir(), (path / "saved_model.pb").write_bytes(b"")),
        lambda path, good: (path.mkdir(), shutil.copy(good / "saved_model.pb", path)),
        _pipe,
    ],
)
def test_what_is_no_version(folder, store, put):
    put(folder / "2", folder / "1")
    assert _look_twice(store) == 1
    shutil.copytree(folder / "1", folder / "3")
    assert _look_twice(store) == 3


@pytest.mark.parametrize("put", [_dangling_assets, _loop])
def test_what_is_one_nevertheless(folder, store, put):
    put(folder / "2", folder / "1")
    assert _look_twice(store) == 2


@pytest.mark.parametrize("name", ["x", "-1", "2.5", "٣", "9" * 30, ".2", "2~", b"caf\xe9", "lost+found"])
def test_names_that_are_no_versions(folder, store, name):
    shutil.copytree(folder / "1", folder / os.fsdecode(name))
    assert _look_twice(store) == 1
    assert _states(store) == {1: 30}


def test_a_version_with_zeros_before_it(folder, store):
    shutil.copytree(folder / "1", folder / "0002")
    assert _look_twice(store) == 2
    shutil.copytree(folder / "1", folder / "2")
    assert _look_twice(store) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_version_that_may_not_be_read(folder, store, caplog):
    shutil.copytree(folder / "1", folder / "2")
    (folder / "2").chmod(0)
    assert _look_twice(store) == 1
    assert _events(caplog) == [("version_failed", 2)]
    (folder / "2").chmod(0o755)
    assert _look_twice(store) == 2


def test_files_that_vanish_while_they_are_looked_at(folder, store, monkeypatch):
    shutil.copytree(folder / "1", folder / "2")
    walk = os.walk

    def vanishing(*args, **kwargs):
        for found in walk(*args, **kwargs):
            shutil.rmtree(folder / "2", ignore_errors=True)
            yield found

    monkeypatch.setattr(os, "walk", vanishing)
    assert _look_twice(store) == 1
    monkeypatch.undo()
    shutil.copytree(folder / "1", folder / "3")
    assert _look_twice(store) == 3


def test_a_folder_that_is_away_for_a_while(folder, store, caplog):
    away = folder.with_name("away")
    folder.rename(away)
    for _ in range(3):
        assert _look_twice(store) == 1
    folder.mkdir()
    assert _look_twice(store) == 1
    folder.rmdir()
    shutil.copytree(away / "1", away / "2")
    away.rename(folder)
    assert _look_twice(store) == 2
    assert [record.trouble for record in caplog.records if record.event == "model_folder"] == [
        "cannot be read: No such file or directory",
        "holds no version",
        "",
    ]


def test_a_version_whose_files_change_while_it_is_loaded(folder, store, monkeypatch):
    shutil.copytree(folder / "1", folder / "2")
    load = model_store.Servable

    def loading(version, path, *options):
        (path / "assets/more").write_text(str(version))
        return load(version, path, *options)

    monkeypatch.setattr(model_store, "Servable", loading)
    assert _look_twice(store) == 1
    assert "changed while it was loaded" in store.status(_LATEST).model_version_status[0].status.error_message
    monkeypatch.undo()
    assert _look_twice(store) == 2


def test_what_is_unloaded_is_gone_from_memory(folder, store):
    old = weakref.ref(store.find(_LATEST))
    shutil.copytree(folder / "1", folder / "2")
    in_flight = old()
    assert _look_twice(store) == 2
    assert old() is in_flight  # whoever asked it is still answered by it
    del in_flight
    gc.collect()
    assert old() is None


def _stub(version, path, engine, precision):
    engine = types.SimpleNamespace(name=engine, precision=precision, difference=None)
    return types.SimpleNamespace(version=version, engine=engine)


def test_old_versions_are_forgotten(folder, store, monkeypatch):
    monkeypatch.setattr(model_store.gc, "collect", lambda: None)  # which takes long among all that tests import
    monkeypatch.setattr(model_store, "Servable", _stub)
    for version in range(2, 40):
        (folder / str(version - 1)).rename(folder / str(version))
        assert _look_twice(store) == version
    assert _states(store) == {39: 30, **dict.fromkeys(range(29, 39), 50)}
