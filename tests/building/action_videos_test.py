import hashlib
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tsd_tf.building import motion
from tsd_tf.building.action_videos import ActionVideos
from tsd_tf.contract.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORDINGS = {"kick": "kick", "cartwheel": "cartwheel", "crawl": "crawl", "backflip": "backflip"}


def differing_frames(one, other):
    return np.flatnonzero((one != other).reshape(len(one), -1).any(axis=1)).tolist()


def event_of(video):
    return list(range(video.event_start, video.event_start + video.event_frames))


def distance(poses, recording):
    """Of each pose to the nearest one of a recording, height and all: (n,)."""
    recording = motion.load(recording)
    known = recording.poses(np.linspace(0, recording.seconds, 2000))
    apart = np.zeros((len(poses), len(known)))
    for joint, part in motion.PARTS.items():
        if motion.JOINTS[joint] == 4:
            apart = np.maximum(apart, 1 - np.abs(poses[:, part] @ known[:, part].T))
        else:
            apart = np.maximum(apart, np.abs(poses[:, part] - known[:, part].T))
    return apart.min(axis=1)


def test_a_video_is_a_function_of_its_arguments_in_any_process():
    scene = ActionVideos(size=64, num_frames=12, event_frames=(4, 6), clutter=True, domain="other_people")
    video = scene.render([3, 1], 2)
    program = (
        "import hashlib; from tsd_tf.building.action_videos import ActionVideos\n"
        f"scene = {scene!r}\n"
        "scene.render(0, 1); ActionVideos(num_frames=26).render(0, 3)\n"  # who was in the studio before is forgotten
        "print(hashlib.sha256(scene.render([3, 1], 2).frames.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""  # pybullet would tell when it was built
    assert done.stdout == hashlib.sha256(video.frames.tobytes()).hexdigest() + "\n"


@pytest.mark.parametrize("event_frames", [(3, 3), (10, 14), (24, 24)])
def test_the_event_is_where_the_classes_differ(event_frames):
    scene = ActionVideos(event_frames=event_frames)
    for seed in range(3):
        one, other = scene.render(seed, 0), scene.render(seed, 3)
        assert event_frames[0] <= one.event_frames <= event_frames[1]
        assert 1 <= one.event_start <= 40 - one.event_frames - 1
        assert event_of(one) == event_of(other)
        assert differing_frames(one.frames, other.frames) == event_of(one)
        assert differing_frames(one.poses, other.poses) == event_of(one)


@pytest.mark.parametrize("event_frames", [(3, 3), (10, 14), (24, 24)])
def test_a_person_walks_and_in_the_event_acts(event_frames):
    scene = ActionVideos(event_frames=event_frames, num_classes=4)
    assert scene.class_names == list(RECORDINGS)
    for label, recording in enumerate(RECORDINGS.values()):
        video = scene.render(label, label)
        walks = distance(video.poses, "walk") < 0.02
        assert np.flatnonzero(~walks).tolist() == event_of(video)
        acts = distance(video.poses[event_of(video)], recording) < 0.02
        edge = 0 if event_frames[1] < 5 else 2  # frames from walking to the action, and back
        assert acts[edge : len(acts) - edge].all()


def test_every_class_is_another_action():
    scene = ActionVideos()
    assert len(set(scene.class_names)) == 12
    videos = [scene.render(1, label) for label in range(12)]
    middle = videos[0].event_start + videos[0].event_frames // 2
    for label, video in enumerate(videos):
        assert video.label == label
        for other in videos[:label]:
            assert np.abs(video.poses[middle] - other.poses[middle]).max() > 0.1


def test_fewer_classes_are_the_first_ones():
    assert ActionVideos(num_classes=6).class_names == ActionVideos().class_names[:6]


@pytest.mark.parametrize("size", [64, 128, 224])
def test_a_size_is_a_resolution_of_the_same_picture(size):
    scene = ActionVideos(size=size, num_frames=12, event_frames=(4, 4))
    video = scene.render(2, 0)
    assert video.frames.shape == (12, size, size, 3)
    assert video.frames.dtype == np.uint8
    assert video.poses.shape == (12, motion.POSE_SIZE)
    assert video.poses.dtype == np.float32
    small = ActionVideos(num_frames=12, event_frames=(4, 4)).render(2, 0)
    np.testing.assert_array_equal(video.poses, small.poses)
    assert video.event_start == small.event_start
    coarse = [
        frames.reshape(12, 16, len(frames[0]) // 16, 16, -1, 3).mean(axis=(2, 4))
        for frames in (video.frames, small.frames)
    ]
    assert np.corrcoef(coarse[0].ravel(), coarse[1].ravel())[0, 1] > 0.98


def test_somebody_else_walks_through_the_picture():
    alone, together = (ActionVideos(clutter=clutter).render(3, 1) for clutter in (False, True))
    np.testing.assert_array_equal(alone.poses, together.poses)
    assert event_of(alone) == event_of(together)
    differs = (np.abs(alone.frames.astype(int) - together.frames) > 8).any(axis=3).mean(axis=(1, 2))
    assert (differs > 0.01).all()
    assert (differs < 0.4).all()


def test_a_camera_that_stands_still():
    moving, still = (ActionVideos(camera_motion=factor).render(4, 0) for factor in (1.0, 0.0))
    np.testing.assert_array_equal(moving.poses, still.poses)
    # A corner in which nobody is, without noise and flicker.
    corners = [video.frames[[0, -1], :16, :16].reshape(2, 4, 4, 4, 4, 3).mean((2, 4)) for video in (moving, still)]
    corners = [corner / corner.mean((1, 2, 3), keepdims=True) for corner in corners]
    change = [np.abs(corner[1] - corner[0]).mean() for corner in corners]
    assert change[1] < 0.02 < 0.05 < change[0]


def test_other_people_do_the_same_things():
    main, other = (ActionVideos(domain=domain) for domain in ("main", "other_people"))
    assert main.class_names == other.class_names
    one, another = main.render(5, 2), other.render(5, 2)
    assert event_of(one) == event_of(another)
    joints = slice(3, None)
    np.testing.assert_array_equal(one.poses[:, joints], another.poses[:, joints])
    ratios = another.poses[:, 1] / one.poses[:, 1]  # how long their legs are
    assert ratios.std() < 1e-5
    assert abs(ratios.mean() - 1) > 0.01
    assert differing_frames(one.frames, another.frames) == list(range(40))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 62}, "`size` must be from 64 to 224, and even. Received: size=62"),
        ({"size": 65}, "`size` must be .* even. Received: size=65"),
        ({"event_frames": (2, 5)}, "`event_frames` must be .* from 3 to 24. Received: event_frames=2,5"),
        ({"event_frames": (9, 5)}, "`event_frames` must be .* Received: event_frames=9,5"),
        ({"num_frames": 15}, "`num_frames` must be at least 2 more .* Received: num_frames=15, event_frames=10,14"),
        ({"num_classes": 13}, "`num_classes` must be from 2 to 12. Received: num_classes=13"),
        ({"camera_motion": float("nan")}, "`camera_motion` must be from 0 to 10. Received: camera_motion=nan"),
        ({"domain": "mine"}, "`domain` must be one of main, other_people. Received: domain=mine"),
    ],
)
def test_settings_that_mean_nothing(settings, message):
    with pytest.raises(UserError, match=message):
        ActionVideos(**settings)
