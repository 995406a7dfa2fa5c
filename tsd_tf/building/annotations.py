"""Annotation files of the data sets, read into rows, and the video files of those rows.

All readers raise UserError if a file cannot be read or holds something else; the message names the file and the line.
"""

import collections
import csv
import dataclasses
import io
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tsd_tf.building import splits
from tsd_tf.building.candidate import Candidate
from tsd_tf.contract.errors import UserError
from tsd_tf.video import VIDEO_SUFFIXES, finding

_SPACE_AND_QUOTE = re.compile(r'(?:^|,) +"', re.MULTILINE)
_CLASS_NUMBER = re.compile(r"\s+(\d+)$")  # behind a path, whose name may hold spaces


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of an annotation file.

    Attributes:
        line: line number in its file, from 1.
        media_id: names the clip.
        label: index into the class list, or None in an unlabelled list.
        label_text: the class name, or "".
        time_start, time_end: seconds in the source video; a time_end of None means the video's end.
        stems: possible names of the video file, without folder and suffix, each with the time at which that file
            starts, in seconds of the source video: time_start if the downloader trimmed it. A folder of numbered
            pictures may stand for the file.
        folders: names of folders whose file is preferred if several files have such a name.
        path: the video file, relative to the folder of videos, if the list names it; `stems` is then empty.
        source: names the video that the clip was cut from, if the list or the file's path tells.
        split: "train", "validate" or "test", if the list or a folder's name says so.
    """

    line: int
    media_id: str
    label: int | None
    label_text: str
    time_start: float
    time_end: float | None
    stems: tuple[tuple[str, float], ...] = ()
    folders: tuple[str, ...] = ()
    path: str | None = None
    source: str = ""
    split: str | None = None


def read_class_list(path: str | os.PathLike) -> list[str]:
    """The class names of a file, one per line; the line number, from 0, is the label."""
    names = _read_lines(path, "class list")
    for line, name in enumerate(names, 1):
        if len(name.splitlines()) > 1:
            raise UserError(f"{path}, line {line}: expected a class name on one line, got {name!r}")
    while names and not names[-1]:
        names.pop()
    if not names or not all(names) or len(set(names)) != len(names):
        raise UserError(f"{path} is not a class list: expected one class name per line, none empty and none twice")
    return names


def read_kinetics(path: str | os.PathLike, class_names: Sequence[str]) -> list[Row]:
    """The rows of a Kinetics CSV: label,youtube_id,time_start,time_end,split[,is_cc].

    Names may be quoted, lines may end in CRLF, columns may come in any order, and the label column may be missing, as
    in the test list.

    Args:
        path: the CSV.
        class_names: by label; the CSV may write their spaces as underscores.
    """
    labels = labels_by_name(class_names)
    rows = []
    for line, record in _read_csv(path, required=("youtube_id", "time_start", "time_end")):
        start, end = (_seconds(record[name], name, path, line) for name in ("time_start", "time_end"))
        if end <= start:
            raise UserError(f"{path}, line {line}: expected a time_end after time_start {start:g}, got {end:g}")
        name = record.get("label")
        label = None if name is None else _label(name, labels, path, line)
        youtube_id = record["youtube_id"]
        media_id = f"{youtube_id}_{int(start):06d}_{int(end):06d}"
        text = "" if label is None else class_names[label]
        folders = () if name is None else (text, text.replace(" ", "_"), name)
        rows.append(Row(line, media_id, label, text, start, end, ((media_id, start), (youtube_id, 0.0)), folders))
    return _some(rows, path)


def read_ucf101(class_list: str | os.PathLike, split_list: str | os.PathLike) -> tuple[list[Row], list[str]]:
    """The rows of trainlist0N.txt or testlist0N.txt, and the class names of classInd.txt.

    The lists count classes from 1 (`1 ApplyEyeMakeup`); the rows' labels count from 0. Train lists repeat the class
    number after the path, which may hold spaces; it must agree with the path's folder.

    Returns:
        (rows, class_names)
    """
    class_names: list[str] = []
    for line, text in _numbered_lines(class_list):
        number, _, name = text.partition(" ")
        if number != str(len(class_names) + 1) or not name.strip():
            raise UserError(
                f"{class_list}, line {line}: expected '{len(class_names) + 1} ClassName', counted from 1, got {text!r}"
            )
        class_names.append(name.strip())
    labels = labels_by_name(class_names)
    rows = []
    for line, text in _numbered_lines(split_list):
        last = _CLASS_NUMBER.search(text)
        place = text[: last.start()] if last else text
        folder, slash, file_name = place.rpartition("/")
        if not slash:
            raise UserError(f"{split_list}, line {line}: expected 'ClassName/video.avi [number]', got {text!r}")
        label = _label(folder, labels, split_list, line)
        if last and last[1] != str(label + 1):
            raise UserError(f"{split_list}, line {line}: {folder} is class {label + 1} in {class_list}, got {last[1]}")
        stem = os.path.splitext(file_name)[0]
        stems = tuple((name, 0.0) for name in dict.fromkeys((stem, stem.strip())))
        rows.append(Row(line, stem.strip(), label, folder, 0.0, None, stems, (folder,)))
    return _some(rows, split_list), class_names


def read_custom(
    path: str | os.PathLike, class_names: Sequence[str] | None = None, first_label: int | None = None
) -> tuple[list[Row], list[str]]:
    """The rows of a user's own CSV: video,label[,time_start,time_end][,split][,source].

    Args:
        path: the CSV. `video` is a path relative to the folder of videos, spaces at its ends included where there is
            such a file; empty times mean the video's start and end.
        class_names: by label; None for the names in the CSV, sorted.
        first_label: None if `label` is a class name; 0 or 1 if it is a number, counted from there.

    Returns:
        (rows, class_names)
    """
    records = list(_read_csv(path, required=("video", "label"), with_spaces="video"))
    if class_names is None:
        if first_label is not None:
            raise UserError(f"{path}: `first_label` needs `class_names`: numbers do not name classes")
        class_names = sorted({record["label"] for _, record in records})
    labels = labels_by_name(class_names)
    ids = media_ids(os.path.normpath(record["video"]) for _, record in records)
    rows = []
    for line, record in records:
        video, name = os.path.normpath(record["video"]), record["label"]
        if os.path.isabs(video) or video.split(os.sep)[0] == os.pardir:
            raise UserError(
                f"{path}, line {line}: expected a path inside the folder of videos, got {record['video']!r}"
            )
        if first_label is None:
            label = _label(name, labels, path, line)
        else:
            label = int(name) - first_label if name.isdecimal() else -1
            if not 0 <= label < len(class_names):
                last = first_label + len(class_names) - 1
                raise UserError(f"{path}, line {line}: expected a label from {first_label} to {last}, got {name!r}")
        start, end = (
            _seconds(record[key], key, path, line) if record.get(key) else None for key in ("time_start", "time_end")
        )
        if end is not None and end <= (start or 0.0):
            raise UserError(f"{path}, line {line}: expected a time_end after time_start {start or 0:g}, got {end:g}")
        media_id = ids[video]
        if start is not None or end is not None:
            media_id += f"_{start or 0:g}_{'end' if end is None else f'{end:g}'}"
        source, split = record.get("source") or video, record.get("split") or None
        if split is not None:
            split = splits.split_named(split)
            if split is None:
                raise UserError(f"{path}, line {line}: expected train, validate or test, got {record['split']!r}")
        text = class_names[label]
        rows.append(Row(line, media_id, label, text, start or 0.0, end, path=video, source=source, split=split))
    return _some(rows, path), list(class_names)


def media_ids(paths: Iterable[str]) -> dict[str, str]:
    """{path: what names it}: the path without the suffix of a video file, unless another one would be named so, too."""
    stems = {}
    for path in paths:
        stem, suffix = os.path.splitext(path.strip())
        stems[path] = stem if suffix.lower() in VIDEO_SUFFIXES else path.strip()
    counts = collections.Counter([*stems.values(), *(path for path, stem in stems.items() if path != stem)])
    return {path: stem if counts[stem] == 1 else path for path, stem in stems.items()}


def labels_by_name(class_names: Sequence[str]) -> dict[str, int]:
    """{name: label}, of the names as they are and with underscores in place of spaces; exact names win."""
    labels = {name.replace(" ", "_"): label for label, name in enumerate(class_names)}
    return labels | {name: label for label, name in enumerate(class_names)}


def require_folder(videos_dir: str | os.PathLike[str]) -> None:
    """UserError unless `videos_dir` is a folder."""
    if not os.path.isdir(videos_dir):
        raise UserError(f"`videos_dir` must be a folder of video files. Received: videos_dir={videos_dir}")


def index_videos(videos_dir: str | os.PathLike[str]) -> dict[str, list[str]]:
    """{stem: [paths relative to videos_dir]} of all videos below a folder, files before frame folders.

    finding.find_videos says what is found, and in which order. The stem of a folder is its name.
    """
    require_folder(videos_dir)
    found: dict[str, list[str]] = {}
    for paths in finding.find_videos(videos_dir):
        for path in paths:
            stem, suffix = os.path.splitext(os.path.basename(path))
            found.setdefault(stem if suffix.lower() in VIDEO_SUFFIXES else stem + suffix, []).append(path)
    return found


def find_candidates(
    row: Row, videos: Mapping[str, Sequence[str]], videos_dir: str | os.PathLike[str]
) -> list[Candidate]:
    """All that may hold the row's clip, the likeliest first; nothing if there is no such video.

    Args:
        row: the row.
        videos: what `index_videos` found.
        videos_dir: where it looked.
    """
    if row.path is not None:
        for path in (row.path, row.path.strip()):
            found = _candidate(videos_dir, path, row.time_start, row.time_end)
            if os.path.isfile(found.path) or (found.is_folder and finding.numbered_pictures(found.path)):
                return [found]
        return []
    candidates = []
    for stem, file_start in row.stems:
        paths = videos.get(stem, ())
        end = None if row.time_end is None else row.time_end - file_start
        for path in sorted(paths, key=lambda path: os.path.basename(os.path.dirname(path)) not in row.folders):
            candidates.append(
                _candidate(
                    videos_dir, path, row.time_start - file_start, end, may_be_trimmed=file_start < row.time_start
                )
            )
    return candidates


def _candidate(
    videos_dir: str | os.PathLike[str], data_path: str, start: float, end: float | None, may_be_trimmed: bool = False
) -> Candidate:
    path = os.path.abspath(os.path.join(videos_dir, data_path))
    return Candidate(path, data_path, start, end, may_be_trimmed, is_folder=os.path.isdir(path))


def _label(name: str, labels: Mapping[str, int], path: str | os.PathLike, line: int) -> int:
    if name not in labels:
        raise UserError(
            f"{path}, line {line}: {name!r} is not among the {len(set(labels.values()))} classes; "
            "correct the row or the class list"
        )
    return labels[name]


def _seconds(text: str, name: str, path: str | os.PathLike, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise UserError(f"{path}, line {line}: expected a {name} in seconds, at least 0, got {text!r}")
    return value


def _read_csv(
    path: str | os.PathLike, required: Sequence[str], with_spaces: str | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line, {column: value}), the values without the spaces around them but in the column `with_spaces`."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            text = file.read()
            # A quote behind a space opens a value only if the space is skipped, which would cut all values.
            reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=bool(_SPACE_AND_QUOTE.search(text)))
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path}: expected a header line with {', '.join(required)}, but {', '.join(missing)} is missing"
                )
            for record in reader:
                line = reader.line_num
                values = {
                    name: value if name == with_spaces else value.strip()
                    for name, value in record.items()
                    if name and isinstance(value, str)
                }
                if any(not values.get(name, "").strip() for name in required):
                    raise UserError(f"{path}, line {line}: expected a value for each of {', '.join(required)}")
                yield line, values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the annotations {path}: {error}") from error


def _numbered_lines(path: str | os.PathLike) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(_read_lines(path, "list"), 1) if line]


def _read_lines(path: str | os.PathLike, kind: str) -> list[str]:
    try:
        return [line.strip() for line in pathlib.Path(path).read_text(encoding="utf-8-sig").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the {kind} {path}: {error}") from error


def _some(rows: list[Row], path: str | os.PathLike) -> list[Row]:
    if not rows:
        raise UserError(f"{path} lists no videos")
    return rows
