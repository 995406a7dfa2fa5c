import pytest

from tsd_tf.client import clips


@pytest.mark.parametrize(
    ("count", "num_frames", "stride", "starts"),
    [
        (4, 4, 4, [0]),
        (8, 4, 4, [0, 4]),
        (9, 4, 4, [0, 4, 5]),
        (9, 4, 2, [0, 2, 4, 5]),
        (8, 4, 2, [0, 2, 4]),
        (6, 4, 1, [0, 1, 2]),
        (5, 4, 4, [0, 1]),
        (0, 4, 4, []),
    ],
)
def test_clips_cover_the_stream(count, num_frames, stride, starts):
    found = list(clips.sliding(iter(range(count)), num_frames, stride))
    assert [start for start, _ in found] == starts
    assert [clip for _, clip in found] == [list(range(start, start + num_frames)) for start in starts]


def test_a_short_stream_loops():
    assert list(clips.sliding("abc", 8, 8)) == [(0, list("abcabcab"))]


def test_clips_come_as_soon_as_they_are_complete():
    def endless():
        index = 0
        while True:
            yield index
            index += 1

    stream = endless()
    assert next(clips.sliding(stream, 4, 2)) == (0, [0, 1, 2, 3])
    assert next(stream) == 4
