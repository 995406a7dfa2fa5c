import numpy as np
import pytest

from tsd_tf.building.sample_video import SampleVideo


def video(num_frames, event_start, event_frames):
    """Frames and poses that tell their own indices."""
    frames = np.broadcast_to(np.arange(num_frames, dtype=np.uint8)[:, None, None, None], (num_frames, 4, 4, 3))
    return SampleVideo(frames, 2, event_start, event_frames, np.arange(num_frames, dtype=np.float32)[:, None])


@pytest.mark.parametrize(
    ("event_start", "event_frames", "first", "event"),
    [
        (20, 5, 19, (1, 5)),  # the middle of the event in the middle
        (20, 8, 20, (0, 8)),
        (20, 12, 22, (0, 8)),  # nothing but event
        (0, 5, 0, (0, 5)),  # at the ends the event is not in the middle
        (37, 3, 32, (5, 3)),
    ],
)
def test_trimmed_to_the_event(event_start, event_frames, first, event):
    whole = video(40, event_start, event_frames)
    trimmed = whole.trimmed()
    assert trimmed.frames[:, 0, 0, 0].tolist() == list(range(first, first + 8))
    assert trimmed.poses[:, 0].tolist() == list(range(first, first + 8))
    assert (trimmed.event_start, trimmed.event_frames) == event
    assert trimmed.label == 2


def test_trimmed_to_another_length_and_without_poses():
    whole = video(40, 20, 4)
    assert whole.trimmed(4).frames[:, 0, 0, 0].tolist() == [20, 21, 22, 23]
    assert SampleVideo(whole.frames, 0, 20, 4).trimmed().poses is None
