import dataclasses

import numpy as np
import pytest

from tsd_tf.building.sprite_videos import DECOY_COLOURS, EVENT_FRAMES, SpriteVideos

CLEAR = SpriteVideos(pixel_noise=0.0, num_drifters=0, num_decoys=0)


def path_of_event(scene, seed, label, colour):
    """Centres (x, y) of the pixels nearest to a colour, in each frame of the event."""
    video = scene.render(seed, label)
    centres = []
    for frame in video.frames[video.event_start : video.event_start + EVENT_FRAMES]:
        distances = np.abs(frame.astype(int) - colour).sum(axis=2)
        y, x = np.nonzero(distances < 90)
        centres.append((x.mean(), y.mean()))
    return np.asarray(centres)


def test_the_demo_s_videos_stay_what_they_were():
    # Any other order of random draws gives other events.
    starts = [SpriteVideos().render([0, 0, i], i % 12).event_start for i in range(8)]
    assert starts == [22, 16, 22, 27, 35, 34, 23, 4]
    grid = SpriteVideos().render([3, 0, 1], 1).frames[::13, ::16, ::32].mean(axis=3)
    expected = [
        [[109, 103], [108, 95], [122, 114], [120, 130]],
        [[108, 119], [110, 174], [107, 126], [114, 127]],
        [[120, 117], [119, 173], [110, 180], [124, 136]],
        [[102, 104], [110, 165], [102, 132], [113, 129]],
    ]
    np.testing.assert_allclose(grid, expected, atol=1.5)  # other processors may round differently


def test_a_video_is_a_function_of_its_arguments():
    first, again = (SpriteVideos().render(5, 7).frames for _ in range(2))
    np.testing.assert_array_equal(first, again)
    harder = SpriteVideos(pixel_noise=14.0).render(5, 7).frames
    assert harder[0].std() > first[0].std()


@pytest.mark.parametrize(
    ("label", "name", "direction"),
    [
        (0, "eastward", (1, 0)),
        (1, "westward", (-1, 0)),
        (2, "northeastward", (1, -1)),
        (3, "southwestward", (-1, 1)),
        (4, "northward", (0, -1)),
        (5, "southward", (0, 1)),
        (6, "northwestward", (-1, -1)),
        (7, "southeastward", (1, 1)),
    ],
)
def test_a_direction_is_where_the_sprite_goes(label, name, direction):
    scene = dataclasses.replace(CLEAR, task="direction")
    assert scene.class_names[label] == name
    found = []
    for seed in range(6):
        for colour in scene.colours.values():
            with np.errstate(invalid="ignore"):
                path = path_of_event(scene, seed, label, colour)
            if np.isfinite(path).all():
                step = np.diff(path, axis=0).mean(axis=0)
                found.append(step / np.linalg.norm(step))
    assert len(found) >= 3
    np.testing.assert_allclose(np.mean(found, axis=0), np.asarray(direction) / np.linalg.norm(direction), atol=0.15)


def test_mixed_colours_are_other_classes_behind_the_same_decoys():
    primary, mixed = SpriteVideos(), SpriteVideos(mixed_colours=True)
    assert mixed.class_names[0] == "orange horizontal"
    taken = [*primary.colours.values(), *mixed.colours.values(), *DECOY_COLOURS]
    assert len(set(taken)) == len(taken)
    # The same video but for the event's own colour.
    one, other = (scene.render(7, 0) for scene in (primary, mixed))
    differs = (one.frames != other.frames).any(axis=(1, 2, 3))
    event = range(one.event_start, one.event_start + EVENT_FRAMES)
    assert list(np.flatnonzero(differs)) == list(event)


def test_scene_that_mean_nothing():
    with pytest.raises(ValueError, match=r"`num_axes` must be 2 or 4. Received: num_axes=3"):
        SpriteVideos(num_axes=3)
    with pytest.raises(ValueError, match=r"`task` must be one of axis, direction. Received: task='speed'"):
        SpriteVideos(task="speed")
