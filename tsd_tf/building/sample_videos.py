"""A scene's videos as real video files in Kinetics' layout."""

import csv
import functools
import multiprocessing
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tsd_tf.building.sample_video import SampleVideo
from tsd_tf.building.scene import Scene
from tsd_tf.video.video_writing import write_video

_SPLITS = ("train", "test", "validate")  # the index of a split is part of its videos' seeds
_FRAME_RATE = 25.0
_LIST_HEADER = ("label", "youtube_id", "time_start", "time_end", "split")
_EVENTS_HEADER = ("youtube_id", "event_start", "event_frames")


class _Entry(NamedTuple):
    """What a split's files say of one video."""

    row: tuple[Any, ...]
    event: tuple[str, int, int]
    poses: np.ndarray | None


def write(folder: pathlib.Path, num_videos: Mapping[str, int], *, scene: Scene, seed: int, processes: int) -> None:
    """Writes all videos and lists into an existing, empty folder.

    Args:
        folder: where they go.
        num_videos: {"train": count, "test": count}, and "validate" if that split is wanted.
        scene: what the videos show.
        seed: of everything in them.
        processes: worker processes.
    """
    names = scene.class_names
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    splits = [split for split in _SPLITS if num_videos.get(split)]
    for split in (*splits, "trimmed"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
    jobs = [(split, index) for split in splits for index in range(num_videos[split])]
    write_one = functools.partial(_write_video, folder=folder, scene=scene, seed=seed)
    # spawn: a fork of a process that has loaded OpenCV or TensorFlow may hang in their thread pools.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.imap(write_one, jobs, chunksize=16)
        videos = list(tqdm(results, total=len(jobs), desc="videos", unit="video"))
    for split in (*splits, "trimmed"):
        _write_lists(folder, split, [entries[split] for entries in videos if split in entries])


def _write_video(job: tuple[str, int], *, folder: pathlib.Path, scene: Scene, seed: int) -> dict[str, _Entry]:
    """Renders and encodes one video (and its trimmed copy); returns what the lists of their splits say of them."""
    split, index = job
    names = scene.class_names
    label = index % len(names)
    video = scene.render([seed, _SPLITS.index(split), index], label)
    versions = {split: video}
    if split == "train":
        versions["trimmed"] = video.trimmed()
    return {name: _write_version(folder, name, index, version, names[label]) for name, version in versions.items()}


def _write_version(folder: pathlib.Path, split: str, index: int, video: SampleVideo, class_name: str) -> _Entry:
    identifier = f"{split}-{index:06d}"
    seconds = len(video.frames) / _FRAME_RATE
    path = folder / split / class_name / f"{identifier}_{0:06d}_{int(seconds):06d}.mp4"
    write_video(path, video.frames, _FRAME_RATE)
    row = (class_name, identifier, 0, seconds, split)
    return _Entry(row, (identifier, video.event_start, video.event_frames), video.poses)


def _write_lists(folder: pathlib.Path, split: str, entries: Sequence[_Entry]) -> None:
    _write_csv(folder / f"{split}.csv", [_LIST_HEADER, *(entry.row for entry in entries)])
    _write_csv(folder / f"{split}_events.csv", [_EVENTS_HEADER, *(entry.event for entry in entries)])
    poses = [entry.poses for entry in entries if entry.poses is not None]
    if poses:
        identifiers = [entry.event[0] for entry in entries]
        np.savez_compressed(folder / f"{split}_poses.npz", youtube_id=identifiers, poses=np.stack(poses))


def _write_csv(path: pathlib.Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
