import os
import pathlib
import signal

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
