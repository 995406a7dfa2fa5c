import collections

import numpy as np
import pytest

from tsd_tf.data import clip_sampling

SEGMENTS = [[0, 103, 175], [50, 116, 201]]


def draws(function, count=300):
    return [function(clip_sampling.seed_of(7, i)) for i in range(count)]


def random_frames(video_length, num_frames, seed):
    return clip_sampling.frames(video_length, num_frames, clip_sampling.start_draw(seed).numpy())


def test_same_seed_same_draw():
    for seed in (0, -3, 2**40):
        first, second = (random_frames(1000, 4, clip_sampling.seed_of(seed, 5, 6)) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_every_part_of_a_seed_counts():
    seeds = {
        tuple(clip_sampling.seed_of(*path).numpy()) for path in [(1,), (2,), (1, 0), (1, 1), (1, 0, 0), (1 + 2**32,)]
    }
    assert len(seeds) == 6


def test_starts_are_uniform_and_reach_both_ends():
    starts = collections.Counter(int(frames[0]) for frames in draws(lambda seed: random_frames(8, 5, seed)))
    assert set(starts) == {0, 1, 2, 3}
    assert min(starts.values()) > 45  # of 300: 75 expected, standard deviation 7.5


def test_frames_are_consecutive():
    for frames in draws(lambda seed: random_frames(100, 5, seed), 20):
        np.testing.assert_array_equal(frames, np.arange(frames[0], frames[0] + 5))


@pytest.mark.parametrize(("length", "expected"), [(1, [0] * 7), (3, [0, 1, 2, 0, 1, 2, 0]), (7, [0, 1, 2, 3, 4, 5, 6])])
def test_short_videos_are_looped(length, expected):
    for seed in (0, 1, 2):
        assert random_frames(length, 7, clip_sampling.seed_of(seed)).tolist() == expected


def test_clips_of_one_video_are_drawn_apart():
    clips = clip_sampling.frames(1000, 3, clip_sampling.start_draws(5, clip_sampling.seed_of(0)).numpy())
    assert clips.shape == (5, 3)
    assert len(set(clips[:, 0])) == 5


def test_segments_give_each_a_frame_at_random():
    segments = np.array(draws(lambda seed: clip_sampling.segment_frames(12, 3, clip_sampling.start_draw(seed).numpy())))
    for segment in range(3):
        counts = collections.Counter(segments[:, segment].tolist())
        assert set(counts) == set(range(4 * segment, 4 * segment + 4))
        assert min(counts.values()) > 45  # of 300: 75 expected, standard deviation 7.5
    assert len(set(map(tuple, segments.tolist()))) > 50  # of 64: each segment draws for itself


def test_what_a_draw_gives_of_segments_stays_what_it_is():
    draw = np.array([0, 2**32 - 1], np.uint32)
    assert clip_sampling.segment_frames(250, 3, draw).tolist() == SEGMENTS
    assert clip_sampling.segment_frames(250, 3, draw[1]).tolist() == SEGMENTS[1]


@pytest.mark.parametrize(("length", "expected"), [(1, [0, 0, 0]), (2, [0, 1, 1]), (3, [0, 1, 2]), (10, [1, 5, 8])])
def test_a_test_takes_the_middle_of_each_segment_first(length, expected):
    draw = clip_sampling.start_draws(3, clip_sampling.seed_of(0)).numpy()
    found = clip_sampling.segment_test_frames(length, 3, draw)
    assert found[0].tolist() == expected
    np.testing.assert_array_equal(found[1:], clip_sampling.segment_frames(length, 3, draw[1:]))
    assert (found >= 0).all()
    assert (found < length).all()


def test_twenty_five_segments_of_ten_seconds():
    found = clip_sampling.segment_test_frames(250, 25, np.zeros(1, np.uint32))
    assert found[0].tolist() == list(range(5, 250, 10))


def test_crops_reach_every_corner_and_stay_inside():
    windows = np.array(draws(lambda seed: clip_sampling.random_crop(10, 12, 8, seed)))
    assert set(map(tuple, windows[:, :2])) == {(y, x) for y in range(3) for x in range(5)}
    assert (windows[:, 2:] == 8).all()


def test_centre_crop():
    assert clip_sampling.centre_crop(256, 340, 224).numpy().tolist() == [16, 58, 224, 224]


def test_corner_crops():
    crops = [window.numpy().tolist() for window in clip_sampling.corner_crops(256, 340, 224)]
    assert crops == [[0, 0, 224, 224], [0, 116, 224, 224], [32, 0, 224, 224], [32, 116, 224, 224]]


def test_flips_half_of_the_time():
    assert 115 < sum(bool(flip) for flip in draws(clip_sampling.random_flip)) < 185  # of 300, 4 standard deviations
