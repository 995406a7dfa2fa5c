import shutil

import numpy as np
import pytest

from tsd_tf.building.sprite_videos import NUM_FRAMES, SIZE, SpriteVideos
from tsd_tf.evaluation import event_clips


def test_the_event_s_frames_of_each_clip_whatever_its_length():
    events, first = np.asarray([[10, 3], [0, 24], [5, 6]]), np.asarray([8, 20, 12])
    mask = event_clips.event_mask(events, first, 6)
    assert mask.tolist() == [[False, False, True, True, True, False], [True] * 4 + [False] * 2, [False] * 6]


def test_examples_show_as_much_of_their_events_as_any():
    share = np.asarray([0.5, 1.0, 0.0, 1.0, 0.75])
    clips = event_clips.EventClips(np.zeros((5, 1)), np.arange(5), np.zeros((5, 1), bool), share)
    assert clips.whole.tolist() == [False, True, False, True, False]
    assert clips.examples(4).tolist() == [1, 3, 4, 0]


@pytest.mark.parametrize("num_frames", [12, NUM_FRAMES])
def test_the_frames_of_the_event_are_those_that_were_rendered(sample_videos, sample_shards, tmp_path, num_frames):
    folder = tmp_path / "data"
    shutil.copytree(sample_shards, folder)
    shutil.copy(sample_videos / "test_events.csv", folder)
    found = event_clips.read(folder, "test", num_frames, seed=3, video_frames=NUM_FRAMES, size=SIZE)
    assert found.frames.shape == (6, num_frames, SIZE, SIZE, 3)
    firsts = []
    for frames, label, shown, share in zip(found.frames, found.labels, found.shown, found.share, strict=True):
        video = SpriteVideos(num_axes=2).render([0, 1, int(label)], int(label))  # the test split's number is 1
        windows = np.lib.stride_tricks.sliding_window_view(video.frames.astype(int), num_frames, axis=0)
        errors = np.abs(np.moveaxis(windows, -1, 1) - frames).mean(axis=(1, 2, 3, 4))
        firsts.append(int(errors.argmin()))
        times = np.arange(firsts[-1], firsts[-1] + num_frames)
        event = (times >= video.event_start) & (times < video.event_start + video.event_frames)
        assert shown.tolist() == event.tolist()
        assert share == event.sum() / video.event_frames
    assert (len(set(firsts)) > 1) is (num_frames < NUM_FRAMES)
    again = event_clips.read(folder, "test", num_frames, seed=3, video_frames=NUM_FRAMES, size=SIZE)
    np.testing.assert_array_equal(found.frames, again.frames)
