from tsd_tf.video.resampling import on_display

TIMED = [(0.0, "a"), (0.1, "b"), (0.5, "c"), (0.6, None)]


def test_what_is_shown_at_each_moment():
    assert list(on_display(TIMED, 10.0)) == ["a", "b", "b", "b", "b", "c"]
    assert list(on_display(TIMED, 5.0)) == ["a", "b", "b"]
    assert list(on_display(TIMED, 20.0)) == ["a"] * 2 + ["b"] * 8 + ["c"] * 2


def test_an_interval():
    assert list(on_display(TIMED, 10.0, 0.3, 0.6)) == ["b", "b", "c"]  # b is from before the interval
    assert list(on_display(TIMED, 10.0, 0.45)) == ["b", "c"]
    assert list(on_display(TIMED, 10.0, 0.6)) == []


def test_a_late_first_item_is_shown_before_its_time():
    assert list(on_display([(0.2, "a"), (0.3, None)], 10.0)) == ["a", "a", "a"]


def test_what_lies_behind_the_interval_is_not_read():
    timed = iter(TIMED)
    list(on_display(timed, 10.0, 0.0, 0.2))
    assert next(timed) == (0.6, None)
