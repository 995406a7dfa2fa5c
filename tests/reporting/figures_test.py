import cv2

from tsd_tf.reporting import figures


def draw(path):
    figure = figures.new(2, 1)
    figure.subplots().plot([0, 1], [1, 0])
    figures.save(figure, path)
    return path.read_bytes()


def test_a_picture_depends_on_what_it_shows_alone(tmp_path):
    assert draw(tmp_path / "one.png") == draw(tmp_path / "folder" / "two.png")
    assert cv2.imread(str(tmp_path / "one.png")).shape == (110, 220, 3)


def test_methods_of_ones_own_have_colours_of_their_own():
    found = figures.colours(["i3d", "tsd", "package:One", "package:Two"])
    assert len(set(found.values())) == 4
    assert {name: found[name] for name in ("i3d", "tsd")} == figures.colours(["i3d", "tsd"])
