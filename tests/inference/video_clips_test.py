import numpy as np
import pytest

from tsd_tf.inference import video_clips


def numbered(length):
    """A video whose frames tell their numbers."""
    return lambda: (np.full((1, 1, 3), number, np.uint8) for number in range(length))


@pytest.mark.parametrize(
    ("length", "num_clips", "starts"),
    [
        (20, 1, [8]),
        (20, 2, [0, 16]),
        (20, 3, [0, 8, 16]),
        (20, 4, [0, 5, 11, 16]),
        (6, 5, [0, 1, 2]),
        (4, 3, [0]),
    ],
)
def test_clips_lie_evenly_over_the_video(length, num_clips, starts):
    clips = video_clips.evenly(numbered(length), 4, num_clips)
    assert [clip.indices.tolist() for clip in clips] == [list(range(start, start + 4)) for start in starts]
    for clip in clips:
        np.testing.assert_array_equal(clip.frames[:, 0, 0, 0], clip.indices)


def test_short_videos_are_looped_and_empty_ones_have_no_clips():
    (clip,) = video_clips.evenly(numbered(3), 7, 2)
    assert clip.indices.tolist() == clip.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert video_clips.evenly(numbered(0), 4, 1) == []


def test_long_videos_are_read_twice_and_their_frames_not_kept(monkeypatch):
    monkeypatch.setattr(video_clips, "_MOST_KEPT_BYTES", 30)  # ten of these frames
    reads = []

    def read():
        reads.append(1)
        return numbered(50)()

    clips = video_clips.evenly(read, 4, 3)
    assert len(reads) == 2
    assert [clip.frames[:, 0, 0, 0].tolist() for clip in clips] == [[0, 1, 2, 3], [23, 24, 25, 26], [46, 47, 48, 49]]
    reads.clear()
    assert len(video_clips.evenly(numbered(10), 4, 3)) == 3
