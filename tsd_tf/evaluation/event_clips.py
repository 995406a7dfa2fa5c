"""Clips of a sample data set whose event is known: what P should find."""

import csv
import dataclasses
import os
import pathlib

import numpy as np

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data.evaluation_clips import EvaluationClips
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class EventClips:
    """Clips, and the truth about them.

    Attributes:
        frames: uint8 (n, T, size, size, 3).
        labels: (n,) ints.
        shown: (n, T) bool, the frames of the event.
        share: (n,), how much of its event a clip shows, from 0 to 1.
    """

    frames: np.ndarray
    labels: np.ndarray
    shown: np.ndarray
    share: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """(n,) bool, whether a clip shows all of its event."""
        return self.share == 1

    def examples(self, count: int) -> np.ndarray:
        """Indices of the first clips that show their whole event, or as much of it as any: (count,) ints."""
        return np.argsort(-self.share, kind="stable")[:count]


def read(
    folder: str | os.PathLike, split: str, num_frames: int, seed: int, *, video_frames: int, size: int
) -> EventClips:
    """One clip of every video, from a random time, in the order of the shards; a pure function of the seed.

    Args:
        folder: of the shards, with `<split>_events.csv` as tsd_tf.building.sample_videos writes it.
        split: its split.
        num_frames: T.
        seed: of the clips' first frames.
        video_frames, size: length, and height and width of all videos.
    """
    spec = ClipSpec(video_frames, size, len(read_labels(folder)))
    records = Records(find_shards(folder, split))
    videos = EvaluationClips(records, spec, num_clips=1, batch_size=_BATCH_SIZE, seed=0)
    found = [(batch["frames"].numpy()[:, 0], batch["label"].numpy(), batch["media_id"].numpy()) for batch in videos]
    frames, labels, media_ids = (np.concatenate(parts) for parts in zip(*found, strict=True))
    by_video = read_events(folder, split)
    events = np.asarray([by_video[name.decode().rsplit("_", 2)[0]] for name in media_ids])
    first = np.random.default_rng(seed).integers(0, video_frames - num_frames + 1, len(frames))
    clips = np.stack([video[start : start + num_frames] for video, start in zip(frames, first, strict=True)])
    shown = event_mask(events, first, num_frames)
    return EventClips(clips, labels, shown, shown.sum(axis=1) / events[:, 1])


def read_events(folder: str | os.PathLike, split: str) -> dict[str, tuple[int, int]]:
    """{youtube_id: (first frame of the event, its length)} of a split."""
    with pathlib.Path(folder, f"{split}_events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["youtube_id"]: (int(row["event_start"]), int(row["event_frames"])) for row in rows}


def event_mask(events: np.ndarray, first: np.ndarray, num_frames: int) -> np.ndarray:
    """Which frames of each clip show its event: (n, num_frames) bool.

    Args:
        events: (n, 2) ints, first frame and length of each event.
        first: (n,) ints, the clips' first frames.
        num_frames: of a clip.
    """
    times = first[:, None] + np.arange(num_frames) - events[:, :1]
    return (times >= 0) & (times < events[:, 1:])
