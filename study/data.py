"""The study's data sets: procedural videos as shards, each a pure function of its name and seed."""

import csv
import dataclasses
import json
import pathlib
import shutil

import numpy as np

from tsd_tf.building import annotations, conversion, procedural_videos, sample_videos, sharding
from tsd_tf.building.procedural_videos import EVENT_FRAMES, NUM_FRAMES, SIZE, VideoSettings
from tsd_tf.contract import files
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.video.video_writing import write_video

# Harder than the demo's: more noise, smaller sprites. One frame tells at best the colour, which leaves 3 of 12 classes.
MAIN = VideoSettings(num_axes=4, pixel_noise=14.0, event_radius=(4.0, 6.0))
DIRECTION = dataclasses.replace(MAIN, task="direction")
TARGET = dataclasses.replace(MAIN, mixed_colours=True)
VIDEO_SETTINGS = {"main": MAIN, "direction": DIRECTION, "target": TARGET}

UCF_SPLITS = (1, 2, 3)
_STORED = conversion.Settings(frame_rate=25.0, short_side=SIZE, jpeg_quality=90, min_frames=1)
_NUM_SHARDS = 4
# UCF101 numbers its videos by group, v_Class_g01_c01, and its three lists test disjoint groups.
_GROUPS = 3


def build(folder, name, num_videos, seed, processes=1):
    """Writes a data set unless it exists: shards, labels.txt and `<split>_events.csv`.

    Args:
        folder: the data folder.
        name: a key of VIDEO_SETTINGS; "target" has UCF101's layout, in the folders split1, split2 and split3.
        num_videos: {"train": count, "validate": count, "test": count}, or {"all": count} for "target".
        seed: int; the videos of two seeds have nothing in common.
        processes: worker processes.
    """
    folder = pathlib.Path(folder)
    recipe = json.dumps({"name": name, "videos": num_videos, "seed": seed, **dataclasses.asdict(VIDEO_SETTINGS[name])})
    if (folder / "complete").exists() and (folder / "complete").read_text() == recipe:
        return
    videos = folder.with_name(f".{folder.name}.videos")
    for path in (folder, videos):
        shutil.rmtree(path, ignore_errors=True)
    videos.mkdir(parents=True)
    if name == "target":
        _build_target(folder, videos, num_videos["all"], seed, processes)
    else:
        _build_splits(folder, videos, VIDEO_SETTINGS[name], num_videos, seed, processes)
    shutil.rmtree(videos)
    files.write(folder / "complete", recipe)


def read_events(folder, split):
    """{media_id: first frame of the event} of a split; the event lasts procedural_videos.EVENT_FRAMES frames."""
    with (pathlib.Path(folder) / f"{split}_events.csv").open(newline="") as file:
        return {row["youtube_id"]: int(row["event_start"]) for row in csv.DictReader(file)}


def _build_splits(folder, videos, settings, num_videos, seed, processes):
    sample_videos.write(videos, num_videos, settings=settings, seed=seed, processes=processes)
    names = annotations.read_class_list(videos / "labels.txt")
    for split in (*num_videos, "trimmed"):
        rows = annotations.read_kinetics(videos / f"{split}.csv", names)
        _build_shards(rows, videos / split, folder, split, names, processes)
        shutil.copy(videos / f"{split}_events.csv", folder)


def _build_target(folder, videos, count, seed, processes):
    """UCF101's layout: one folder of classes, and three lists that each test another third of the groups."""
    names = procedural_videos.class_names(TARGET)
    folders = [name.title().replace(" ", "") for name in names]
    lists = {(split, part): [] for split in UCF_SPLITS for part in ("train", "test")}
    for index in range(count):
        label, place = index % len(names), index // len(names)
        group = place % _GROUPS + 1
        path = f"{folders[label]}/v_{folders[label]}_g{group:02d}_c{place // _GROUPS + 1:02d}.avi"
        (videos / path).parent.mkdir(exist_ok=True)
        rendered = procedural_videos.render([seed, 3, index], label, TARGET)
        write_video(videos / path, rendered.frames, _STORED.frame_rate, "MJPG")
        for split in UCF_SPLITS:
            lists[split, "test" if group == split else "train"].append((path, label))
    (videos / "classInd.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(folders, 1)))
    for (split, part), videos_of_list in lists.items():
        lines = (f"{path} {label + 1}\n" if part == "train" else f"{path}\n" for path, label in videos_of_list)
        list_path = videos / f"{part}list0{split}.txt"
        list_path.write_text("".join(lines))
        rows, class_names = annotations.read_ucf101(videos / "classInd.txt", list_path)
        _build_shards(rows, videos, folder / f"split{split}", part, class_names, processes)


def _build_shards(rows, videos, folder, split, class_names, processes):
    sharding.build(
        rows, str(videos), str(folder), split, class_names, _STORED, num_shards=_NUM_SHARDS, processes=processes
    )


def whole_videos(folder, split):
    """All whole videos of a split, in the order of the shards.

    Args:
        folder: the data folder.
        split: its split.

    Returns:
        (frames uint8 (n, NUM_FRAMES, SIZE, SIZE, 3), labels int32 (n,), event_starts (n,) ints)
    """
    from tsd_tf.data.evaluation_clips import EvaluationClips
    from tsd_tf.data.records import Records
    from tsd_tf.data.shards import find_shards, read_labels

    spec = ClipSpec(NUM_FRAMES, SIZE, len(read_labels(folder)))
    clips = EvaluationClips(Records(find_shards(folder, split)), spec, num_clips=1, batch_size=32, seed=0)
    found = [(batch["frames"].numpy()[:, 0], batch["label"].numpy(), batch["media_id"].numpy()) for batch in clips]
    frames, labels, media_ids = (np.concatenate(parts) for parts in zip(*found, strict=True))
    starts = read_events(folder, split)
    return frames, labels, np.asarray([starts[name.decode().rsplit("_", 2)[0]] for name in media_ids])


def windows(num_videos, num_frames, seed):
    """First frames of one clip of each video, uniformly random: (num_videos,) ints, a pure function of the seed."""
    return np.random.default_rng(seed).integers(0, NUM_FRAMES - num_frames + 1, num_videos)


def event_mask(event_starts, window_starts, num_frames):
    """Which frames of each clip show the event: (num_videos, num_frames) bool."""
    frames = window_starts[:, None] + np.arange(num_frames)
    return (frames >= event_starts[:, None]) & (frames < event_starts[:, None] + EVENT_FRAMES)
