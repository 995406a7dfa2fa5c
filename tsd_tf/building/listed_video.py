"""The videos of a sample data set, and the truth about them, as its lists tell."""

import csv
import dataclasses
import os
import pathlib

from tsd_tf.contract.errors import UserError


@dataclasses.dataclass(frozen=True)
class ListedVideo:
    """A video file and what it shows.

    Attributes:
        path: the file.
        label: the name of its class.
        event: the frames that show it.
    """

    path: pathlib.Path
    label: str
    event: range


def read(folder: str | os.PathLike, split: str) -> list[ListedVideo]:
    """The videos of a split, in the order of its list.

    Args:
        folder: what tsd_tf.building.sample_videos wrote.
        split: "train", "validate", "test" or "trimmed".

    Raises:
        UserError: a list or a video is missing, or the lists are not of one data set.
    """
    folder = pathlib.Path(folder)
    try:
        rows = _rows(folder / f"{split}.csv")
        events = {row["youtube_id"]: _event(row) for row in _rows(folder / f"{split}_events.csv")}
        described = [(row["label"], row["youtube_id"], events[row["youtube_id"]]) for row in rows]
    except OSError as error:
        raise UserError(
            f"no sample data set: {error.filename} is missing; python -m tfrecords.build_sample makes one"
        ) from error
    except (KeyError, ValueError) as error:
        raise UserError(f"{folder}: {split}.csv and {split}_events.csv are not of one sample data set") from error
    return [ListedVideo(_path(folder / split / label, name), label, event) for label, name, event in described]


def _rows(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _event(row: dict[str, str]) -> range:
    start = int(row["event_start"])
    return range(start, start + int(row["event_frames"]))


def _path(folder: pathlib.Path, name: str) -> pathlib.Path:
    found = sorted(folder.glob(f"{name}_*.mp4"))
    if not found:
        raise UserError(f"{folder} has no video {name}, which its list names")
    return found[0]
