import errno
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from tsd_tf.contract import files

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(code, *arguments):
    """A process that runs `code` with the module `files`."""
    code = f"import sys, time\nfrom tsd_tf.contract import files\n{code}"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE)


def interrupted(path, write, error):
    """Begins to write and fails."""
    with files.whole(path) as partial:
        write(partial)
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_name_when_the_context_ends(tmp_path):
    path = tmp_path / "made/for it/result.json"
    with files.whole_file(path) as file:
        file.write(b"first")
        assert not path.exists()
    assert path.read_bytes() == b"first"
    with files.whole(path) as partial:
        partial.write_text("second")
        assert path.read_bytes() == b"first"
        assert partial.parent == path.parent
        assert partial.name.endswith("result.json")  # writers choose a format by the ending
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["result.json"]


def test_text_and_json(tmp_path):
    files.write(tmp_path / "text", "größer\n")
    files.write(str(tmp_path / "bytes"), b"\x00\xff")
    files.write_json(tmp_path / "value.json", {"a": [1, None]}, indent=1)
    assert (tmp_path / "text").read_text(encoding="utf-8") == "größer\n"
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert (tmp_path / "value.json").read_text() == '{\n "a": [\n  1,\n  null\n ]\n}\n'


def test_a_reader_sees_one_content_or_the_other(tmp_path):
    path, contents = tmp_path / "file", [b"a" * 300_000, b"b" * 300_000]
    files.write(path, contents[0])
    ended = threading.Event()

    def write():
        for index in range(40):
            files.write(path, contents[index % 2])
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not ended.is_set():
        assert path.read_bytes() in contents
    writer.join()


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_an_error_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, error):
    path = tmp_path / "file"
    files.write(path, "old")
    with pytest.raises(type(error)):
        interrupted(path, lambda partial: partial.write_text("half"), error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "folder"
    for content in ("old", "new"):
        with files.whole(path) as partial:
            (partial / "deep").mkdir(parents=True)
            (partial / "deep" / content).write_text(content)
            assert not path.exists() or names(path / "deep") == ["old"]
    assert names(path / "deep") == ["new"]
    with pytest.raises(ValueError, match="no"):
        interrupted(path, pathlib.Path.mkdir, ValueError("no"))
    assert names(path / "deep") == ["new"]
    assert names(tmp_path) == ["folder"]
    files.remove(path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_process_leaves_nothing_under_the_name_and_the_next_one_cleans_up(tmp_path, kind):
    path = tmp_path / kind
    code = """
with files.whole(sys.argv[1]) as partial:
    if sys.argv[2] == "folder":
        partial.mkdir()
        partial = partial / "file"
    partial.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""
    process = run(code, path, kind)
    assert process.stdout.readline() == b"writing\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not path.exists()
    (leftover,) = tmp_path.iterdir()
    assert run("files.write(sys.argv[1], 'whole')", tmp_path / "other").wait() == 0
    assert not leftover.exists()
    assert names(tmp_path) == ["other"]


def test_what_a_living_process_is_writing_stays(tmp_path):
    code = """
with files.whole_file(sys.argv[1]) as file:
    file.write(b"slow")
    print("writing", flush=True)
    sys.stdin.readline()
"""
    code = f"import sys\nfrom tsd_tf.contract import files\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "slow")], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"writing\n"
    files.write(tmp_path / "quick", "whole")
    assert len(names(tmp_path)) == 2
    process.communicate(b"\n")
    assert process.returncode == 0
    assert names(tmp_path) == ["quick", "slow"]
    assert (tmp_path / "slow").read_text() == "slow"


def test_an_error_names_the_path_that_was_asked_for(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/below") as caught:
        files.write(tmp_path / "file/below", "")
    assert caught.value.filename == str(tmp_path / "file/below")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        files.write(tmp_path / "full", "")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "full"))
    assert names(tmp_path) == ["file"]


def test_many_may_write_one_path_at_once(tmp_path):
    path = tmp_path / "file"
    contents = [f"{number}" * 100_000 for number in range(8)]
    code = "for _ in range(20): files.write(sys.argv[1], sys.argv[2] * 100_000)"
    processes = [run(code, path, number) for number in (8, 9)]
    threads = [threading.Thread(target=files.write, args=(path, content)) for content in contents for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in [*contents, "8" * 100_000, "9" * 100_000]
    assert [process.wait() for process in processes] == [0, 0]
    assert path.read_text() in [*contents, "8" * 100_000, "9" * 100_000]
    assert names(tmp_path) == ["file"]


def test_everything_is_on_the_disk_before_and_after_the_renaming(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def counted_fsync(descriptor):
        events.append(pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.rpartition(".partial.")[2])
        fsync(descriptor)

    def counted_replace(source, target):
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", counted_fsync)
    monkeypatch.setattr(os, "replace", counted_replace)
    files.write(tmp_path / "file", "x")
    assert events == ["file", "rename", tmp_path.name]
    events.clear()
    with files.whole(tmp_path / "folder") as partial:
        (partial / "deep").mkdir(parents=True)
        (partial / "deep/file").write_text("x")
    assert sorted(events[:3]) == ["deep", "file", "folder"]
    assert events[3:] == ["rename", tmp_path.name]


def test_whether_a_folder_can_be_written_to(tmp_path):
    files.require_writable(tmp_path)
    assert names(tmp_path) == []
    with pytest.raises(OSError, match="missing"):
        files.require_writable(tmp_path / "missing")
