from tsd_tf.video.timestamps import BestEffortTimestamps


def _chosen(*pairs):
    timestamps = BestEffortTimestamps()
    return [timestamps.choose(*pair) for pair in pairs]


def test_times_of_presentation_where_they_ascend():
    assert _chosen((0, -2), (1, 0), (2, 0), (3, 2)) == [0, 1, 2, 3]


def test_times_of_decoding_where_the_others_go_back():
    assert _chosen((1, 1), (2, 2), (4, 3), (3, 4), (6, 5), (5, 6)) == [1, 2, 4, 4, 5, 6]


def test_whatever_is_there():
    assert _chosen((None, 0), (1, None), (None, None)) == [0, 1, None]
