"""The procedural videos as real video files in Kinetics' layout."""

import csv
import functools
import multiprocessing
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from tsd_tf.building import procedural_videos
from tsd_tf.video.video_writing import write_video

_SPLITS = ("train", "test", "validate")  # the index of a split is part of its videos' seeds
_FRAME_RATE = 25.0
_LIST_HEADER = ("label", "youtube_id", "time_start", "time_end", "split")
_EVENTS_HEADER = ("youtube_id", "event_start", "event_frames")


def write(
    folder: pathlib.Path,
    num_videos: Mapping[str, int],
    *,
    settings: procedural_videos.VideoSettings,
    seed: int,
    processes: int,
) -> None:
    """Writes all videos and lists into an existing, empty folder.

    Args:
        folder: where they go.
        num_videos: {"train": count, "test": count}, and "validate" if that split is wanted.
        settings: what the videos show.
        seed: of everything in them.
        processes: worker processes.
    """
    names = procedural_videos.class_names(settings)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    splits = [split for split in _SPLITS if num_videos.get(split)]
    for split in (*splits, "trimmed"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
    jobs = [(split, index) for split in splits for index in range(num_videos[split])]
    write_one = functools.partial(_write_video, folder=folder, settings=settings, seed=seed)
    # spawn: a fork of a process that has loaded OpenCV or TensorFlow may hang in their thread pools.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.imap(write_one, jobs, chunksize=16)
        videos = list(tqdm(results, total=len(jobs), desc="videos", unit="video"))
    for split in (*splits, "trimmed"):
        mine = [lines[split] for lines in videos if split in lines]
        _write_csv(folder / f"{split}.csv", [_LIST_HEADER, *(row for row, _ in mine)])
        _write_csv(folder / f"{split}_events.csv", [_EVENTS_HEADER, *(event for _, event in mine)])


def _write_video(
    job: tuple[str, int], *, folder: pathlib.Path, settings: procedural_videos.VideoSettings, seed: int
) -> dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Renders and encodes one video (and its trimmed copy); returns {split: (row of its list, row of its events)}."""
    split, index = job
    names = procedural_videos.class_names(settings)
    label = index % len(names)
    rendered = procedural_videos.render([seed, _SPLITS.index(split), index], label, settings)
    versions = [(split, rendered.frames, rendered.event_start)]
    if split == "train":
        versions.append(("trimmed", rendered.trimmed(), rendered.event_start - rendered.trimmed_start))
    lines = {}
    for name, frames, event_start in versions:
        identifier = f"{name}-{index:06d}"
        seconds = len(frames) / _FRAME_RATE
        path = folder / name / names[label] / f"{identifier}_{0:06d}_{int(seconds):06d}.mp4"
        write_video(path, frames, _FRAME_RATE)
        event = (identifier, event_start, procedural_videos.EVENT_FRAMES)
        lines[name] = ((names[label], identifier, 0, seconds, name), event)
    return lines


def _write_csv(path: pathlib.Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
