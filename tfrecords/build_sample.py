"""Writes the procedural sample data set as real video files in Kinetics' layout.

    python -m tfrecords.build_sample --output_dir=data/sample/videos

takes about a minute on two cores and leaves, for each of the splits train, test and trimmed,

    <split>/<class>/<id>_000000_000001.mp4     40 frames at 25 a second; 8 around the event in `trimmed`
    <split>.csv                                Kinetics' columns: label, youtube_id, time_start, time_end, split
    <split>_events.csv                         youtube_id, first frame of the event, frames of the event
    labels.txt                                 the class names

`trimmed` holds the training videos cut to the action, as data sets for pretraining are. Classes and events are those of
tsd_tf.data.procedural_videos. python -m tfrecords.build_kinetics turns each split into shards.
"""

import csv
import functools
import multiprocessing
import os
import pathlib
import shutil

from absl import flags
from tqdm import tqdm

from tsd_tf import command_line
from tsd_tf.data import procedural_videos
from tsd_tf.data.video_writing import write_video
from tsd_tf.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_string("output_dir", "data/sample/videos", "folder to write; must not exist yet")
flags.DEFINE_integer("num_train", 1500, "training videos", lower_bound=1)
flags.DEFINE_integer("num_test", 300, "test videos", lower_bound=1)
flags.DEFINE_enum("num_axes", "2", ["2", "4"], "axes of motion: 2 gives 6 classes, 4 gives 12")
flags.DEFINE_integer("seed", 0, "seed of everything in the videos")
flags.DEFINE_integer("processes", None, "worker processes (default: one a core)", lower_bound=1)

_SPLITS = ("train", "test")
_FRAME_RATE = 25.0


def main(argv):
    """Writes the data set that the flags describe."""
    command_line.no_arguments(argv)
    final = pathlib.Path(FLAGS.output_dir)
    if final.exists():
        raise UserError(f"{final} exists already; remove it or choose another --output_dir")
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write(
            partial,
            {"train": FLAGS.num_train, "test": FLAGS.num_test},
            num_axes=int(FLAGS.num_axes),
            seed=FLAGS.seed,
            processes=FLAGS.processes or os.cpu_count(),
        )
        partial.rename(final)
    except OSError as error:
        raise UserError(f"cannot write {final}: {error.strerror or error}") from error
    print(f"Wrote {FLAGS.num_train} training and {FLAGS.num_test} test videos: {final}")


def write(folder, num_videos, *, num_axes, seed, processes):
    """Writes all videos and lists into an existing, empty folder.

    Args:
        folder: pathlib.Path.
        num_videos: {"train": count, "test": count}.
        num_axes: see procedural_videos.class_names.
        seed: int.
        processes: worker processes.
    """
    names = procedural_videos.class_names(num_axes)
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    for split in (*_SPLITS, "trimmed"):
        for name in names:
            (folder / split / name).mkdir(parents=True)
    jobs = [(split, index) for split in _SPLITS for index in range(num_videos[split])]
    write_one = functools.partial(_write_video, folder=folder, num_axes=num_axes, seed=seed)
    # spawn: a fork of a process that has loaded OpenCV or TensorFlow may hang in their thread pools.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.imap(write_one, jobs, chunksize=16)
        rows = [row for found in tqdm(results, total=len(jobs), desc="videos", unit="video") for row in found]
    for split in (*_SPLITS, "trimmed"):
        mine = [row for row in rows if row["split"] == split]
        _write_csv(folder / f"{split}.csv", ("label", "youtube_id", "time_start", "time_end", "split"), mine)
        _write_csv(folder / f"{split}_events.csv", ("youtube_id", "event_start", "event_frames"), mine)


def _write_video(job, *, folder, num_axes, seed):
    """Renders and encodes one video (and its trimmed copy); returns their rows of the lists."""
    split, index = job
    names = procedural_videos.class_names(num_axes)
    label = index % len(names)
    rendered = procedural_videos.render([seed, _SPLITS.index(split), index], label, num_axes)
    versions = [(split, rendered.frames, rendered.event_start)]
    if split == "train":
        versions.append(("trimmed", rendered.trimmed(), rendered.event_start - rendered.trimmed_start))
    rows = []
    for name, frames, event_start in versions:
        identifier = f"{name}-{index:06d}"
        seconds = len(frames) / _FRAME_RATE
        path = folder / name / names[label] / f"{identifier}_{0:06d}_{int(seconds):06d}.mp4"
        write_video(path, frames, _FRAME_RATE)
        rows.append(
            {
                "label": names[label],
                "youtube_id": identifier,
                "time_start": 0,
                "time_end": seconds,
                "split": name,
                "event_start": event_start,
                "event_frames": procedural_videos.EVENT_FRAMES,
            }
        )
    return rows


def _write_csv(path, columns, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def start():
    """Runs the program."""
    command_line.run(main)


if __name__ == "__main__":
    start()
