import os
import pathlib
import signal
import time

import av
import cv2
import numpy as np
import pytest

from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.video.isolated_decoder import IsolatedDecoder


@pytest.fixture
def decoder():
    decoder = IsolatedDecoder()
    yield decoder
    decoder.close()


def _child():
    """The number of the decoding process that this one has started."""
    task = pathlib.Path(f"/proc/{os.getpid()}/task")
    children = {int(number) for thread in task.iterdir() for number in (thread / "children").read_text().split()}
    (child,) = [number for number in children if b"isolated" in pathlib.Path(f"/proc/{number}/cmdline").read_bytes()]
    return child


def _read(decoder, path):
    return decoder.frames(path, frame_rate=25.0, short_side=24)


def test_one_video_after_the_other_in_one_process(decoder, write_video, index_of, tmp_path):
    path = write_video("v.mp4", 30)
    assert index_of(list(_read(decoder, path))).tolist() == list(range(30))
    first = _child()
    with pytest.raises(UnreadableVideoError, match="no such file"):
        list(_read(decoder, tmp_path / "missing.mp4"))
    assert index_of(list(_read(decoder, path))).tolist() == list(range(30))
    assert _child() == first


def test_what_it_tells_at_the_end(decoder, tmp_path):
    assert (decoder.duration, decoder.header_duration, decoder.shortfall) == (0.0, None, "")
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:  # the header is at the start
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        for index in range(50):
            picture = np.full((48, 64, 3), 4 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    assert len(list(_read(decoder, path))) == 50
    assert (decoder.duration, decoder.header_duration, decoder.shortfall) == (2.0, 2.0, "")
    path.write_bytes(path.read_bytes()[: 2 * path.stat().st_size // 3])
    count = len(list(_read(decoder, path)))
    assert 0 < count < 45
    promised = "of the 2.00 s that the file's header promises could be read"
    assert decoder.shortfall == f"only {count / 25:.2f} s {promised}"
    with pytest.raises(UnreadableVideoError):
        list(_read(decoder, tmp_path / "missing.mp4"))
    assert (decoder.duration, decoder.header_duration, decoder.shortfall) == (0.0, None, "")


def test_a_folder_of_pictures(index_of, tmp_path):
    for index in range(20):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((48, 64, 3), 4 * index, np.uint8))
    (tmp_path / "7.png").write_bytes(b"")
    decoder = IsolatedDecoder(frame_folder_rate=25.0)
    assert index_of(list(_read(decoder, tmp_path))).tolist() == [*range(7), 6, *range(8, 20)]
    assert (decoder.duration, decoder.header_duration) == (0.8, 0.8)
    assert decoder.shortfall == decoder.damage == "passed over 1 of 20 pictures that are damaged, the first 7.png"
    decoder.close()


def test_a_video_that_is_left_in_the_middle(decoder, write_video, index_of):
    frames = _read(decoder, write_video("v.mp4", 200, size=(240, 320)))
    next(frames)
    frames.close()
    assert index_of(list(_read(decoder, write_video("w.mp4", 3)))).tolist() == [0, 1, 2]


def test_a_crash_costs_one_video(decoder, write_video):
    path = write_video("v.mp4", 300, size=(240, 320))
    frames = _read(decoder, path)
    next(frames)
    os.kill(_child(), signal.SIGSEGV)
    with pytest.raises(UnreadableVideoError, match=r"crashed \(exit code -11\)"):
        list(frames)
    assert len(list(_read(decoder, path))) == 300


@pytest.mark.parametrize("num_read", [0, 1, 20])
def test_a_crash_that_is_noticed_late(decoder, write_video, num_read):
    """The process is dead before the next request or acknowledgement is written."""
    path = write_video("v.mp4", 300, size=(240, 320))
    list(_read(decoder, path))
    frames = _read(decoder, path)
    for _ in range(num_read):
        next(frames)
    child = _child()
    os.kill(child, signal.SIGKILL)
    while pathlib.Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    with pytest.raises(UnreadableVideoError, match=r"crashed \(exit code -9\)"):
        list(frames)
    assert len(list(_read(decoder, path))) == 300


def test_a_reader_that_is_left_alone_neither_disturbs_the_next_nor_reads_on(decoder, write_video, index_of):
    first = _read(decoder, write_video("v.mp4", 200, size=(240, 320)))
    next(first)
    second = _read(decoder, write_video("w.mp4", 40))
    assert index_of([next(second)]).tolist() == [0]
    with pytest.raises(RuntimeError, match="another video"):
        next(first)
    assert index_of(list(second)).tolist() == list(range(1, 40))


def test_modules_of_the_current_folder_are_not_taken(decoder, write_video, tmp_path, monkeypatch):
    (tmp_path / "cv2.py").write_text("raise SystemExit(3)\n")
    path = write_video("v.mp4", 3)
    monkeypatch.chdir(tmp_path)
    assert len(list(_read(decoder, path))) == 3


def test_a_process_that_does_not_start(write_video, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start"):
        list(_read(IsolatedDecoder(), write_video("v.mp4", 3)))


def test_a_hang_costs_one_video(write_video):
    decoder = IsolatedDecoder(hang_seconds=0.5)
    path = write_video("v.mp4", 300, size=(240, 320))
    frames = _read(decoder, path)
    try:
        next(frames)
        os.kill(_child(), signal.SIGSTOP)
        with pytest.raises(UnreadableVideoError, match=r"still busy after 0.5 s"):
            list(frames)
    finally:
        decoder.close()
