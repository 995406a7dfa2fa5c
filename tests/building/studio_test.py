import numpy as np
import pytest

from tsd_tf.building import motion
from tsd_tf.building.body import Body
from tsd_tf.building.studio import Camera, open_studio

CAMERA = Camera((0, 0, 0.85), 3, 0, 0, (0, 0, 1))
RED, GREEN, BLUE = np.eye(3)
STANDING = motion.load("walk").poses(np.asarray([0.3]))[0]


def picture(*bodies, camera=CAMERA, size=96, pose=STANDING, **placing):
    bodies = bodies or (Body(),)
    studio = open_studio(bodies)
    for person in range(len(bodies)):
        studio.dress(person, RED, GREEN, BLUE)
        studio.pose(person, pose, **placing)
    return studio.picture(camera, size)


def extent(cover):
    """First and last row, first and last column that somebody covers."""
    rows, columns = np.nonzero(cover[..., 0] > 0.5)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_a_person_stands_in_the_picture():
    colours, cover = picture()
    assert colours.shape == (96, 96, 3)
    assert cover.shape == (96, 96, 1)
    assert 0.02 < cover.mean() < 0.1
    assert cover.max() == 1
    assert (colours[cover[..., 0] == 0] == 0).all()
    top, bottom, _, _ = extent(cover)
    # Metres to pixels: 96 of them for 2 tan(25 degrees) times the distance.
    assert (bottom - top) / 96 * 2 * np.tan(np.radians(25)) * 3 == pytest.approx(1.6, abs=0.15)


def test_clothes_have_their_colours():
    colours, cover = picture()
    top, bottom, _, _ = extent(cover)
    for row, channel in ((top + 4, 0), (bottom - 8, 2)):  # the head, a shin
        there = colours[row][cover[row, :, 0] == 1].astype(int)
        assert there.argmax(axis=1).tolist() == [channel] * len(there)
    assert (colours[..., 1] > 100).any()  # the shirt


def test_where_a_person_is():
    _, _, left, right = extent(picture()[1])
    _, _, left_moved, right_moved = extent(picture(place=(0.5, 0))[1])  # seen along y, x goes to the right
    shift = 0.5 / (2 * np.tan(np.radians(25)) * 3) * 96
    assert (left_moved - left, right_moved - right) == pytest.approx((shift, shift), abs=1.5)
    higher = STANDING.copy()
    higher[1] += 0.3
    assert extent(picture(pose=higher)[1])[0] < extent(picture()[1])[0] - 5


def test_turning_the_person_is_turning_the_camera():
    turned, _ = picture(heading=40)
    seen_from_elsewhere, _ = picture(camera=Camera(CAMERA.target, 3, -40, 0, (0, 0, 1)))
    assert np.abs(turned.astype(int) - seen_from_elsewhere).mean() < 0.5
    assert np.abs(turned.astype(int) - picture()[0]).mean() > 1


@pytest.mark.parametrize(
    ("body", "is_larger"),
    [
        (Body(legs=1.3), lambda found, usual: found[1] - found[0] > usual[1] - usual[0] + 5),
        (Body(torso=1.3), lambda found, usual: found[0] < usual[0] - 3),
        (Body(head=1.5), lambda found, usual: found[0] < usual[0]),
    ],
)
def test_proportions(body, is_larger):
    assert is_larger(extent(picture(body)[1]), extent(picture()[1]))


def test_thicker_people_cover_more():
    usual = picture()[1].mean()
    assert picture(Body(girth=1.5))[1].mean() > 1.2 * usual
    assert picture(Body(arms=1.5))[1].mean() > usual


def test_somebody_in_front_hides_somebody_behind():
    studio = open_studio((Body(), Body()))
    for person, colour, y in ((0, RED, 0.0), (1, BLUE, -0.6)):
        studio.dress(person, colour, colour, colour)
        studio.pose(person, STANDING, (0, y))
    front = studio.picture(CAMERA, 96)[0]
    studio.pose(1, STANDING, (0, 0.6))
    behind = studio.picture(CAMERA, 96)[0]
    assert (front[..., 2] > 0).sum() > (behind[..., 2] > 0).sum()
    assert (behind[..., 0] > 0).sum() > (front[..., 0] > 0).sum()


def test_an_unchanged_body_is_the_one_of_the_package():
    urdf = Body().urdf()
    assert 'radius="0.410000"' in urdf  # the head
    assert 'radius="0.820000"' in Body(head=2).urdf()
    assert 'length="1.200000"' in urdf  # a thigh
    assert 'length="1.800000"' in Body(legs=1.5).urdf()
    assert "\0" not in urdf
