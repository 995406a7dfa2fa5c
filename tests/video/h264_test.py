import numpy as np

from tsd_tf.building import procedural_videos
from tsd_tf.video import h264


def test_what_comes_back_and_what_it_costs():
    frames = procedural_videos.render([0], 0, procedural_videos.VideoSettings()).frames[:20]
    sizes, errors = [], []
    for factor in (10, 23, 43):
        size, decoded = h264.through_file(frames, factor)
        assert decoded.shape == frames.shape
        assert decoded.dtype == np.uint8
        sizes.append(size)
        errors.append(np.abs(decoded.astype(int) - frames).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)
    assert errors[0] < 8 < errors[2]  # colour at half of the resolution is lost even where bytes are many
    assert h264.through_file(frames, 23)[0] == sizes[1]


def test_frames_stay_in_order():
    frames = np.repeat(np.arange(0, 250, 25, dtype=np.uint8), 16 * 16 * 3).reshape(10, 16, 16, 3)
    _, decoded = h264.through_file(frames, 18)
    assert np.rint(decoded.mean((1, 2, 3)) / 25).tolist() == list(range(10))
