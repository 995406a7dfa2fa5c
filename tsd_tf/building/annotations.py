"""Annotation files of the data sets, read into rows, and the video files that belong to them."""

import csv
import dataclasses
import os
import pathlib

from tsd_tf.contract.errors import UserError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".flv", ".wmv", ".mpg", ".mpeg", ".3gp", ".ts")


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of an annotation file.

    Attributes:
        line: line number in its file, from 1.
        media_id: names the clip.
        label: index into the class list, or None in an unlabelled list.
        label_text: the class name, or "".
        time_start, time_end: seconds in the source video; time_end None for its end.
        stems: names of the video file without folder and suffix, each with the second at which that file starts in
            the source video: a file trimmed by the downloader starts at time_start.
        folders: names of the folder in which the file is preferred where several have its name.
        path: the video file, relative to the folder of videos, where the list names it; `stems` is then empty.
    """

    line: int
    media_id: str
    label: int | None
    label_text: str
    time_start: float
    time_end: float | None
    stems: tuple = ()
    folders: tuple = ()
    path: str | None = None


def read_class_list(path):
    """Class names, one a line; the line number, from 0, is the label."""
    try:
        names = pathlib.Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the class list {path}: {error}") from error
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names) or len(set(names)) != len(names):
        raise UserError(f"{path} is no class list: expected one class name a line, none empty, none twice")
    return names


def read_kinetics(path, class_names):
    """The rows of a Kinetics CSV: label,youtube_id,time_start,time_end,split[,is_cc].

    Names may be quoted, line ends CRLF, columns in any order; the label column may be missing, as in the test list.

    Args:
        path: the CSV.
        class_names: list of names; a label may write their spaces as underscores.
    """
    labels = _labels_by_name(class_names)
    rows = []
    for line, record in _read_csv(path, required=("youtube_id", "time_start", "time_end")):
        start, end = (_seconds(record[name], name, path, line) for name in ("time_start", "time_end"))
        if end <= start:
            raise UserError(f"{path}, line {line}: time_end must be after time_start; {start:g} and {end:g} came")
        name = record.get("label")
        label = None if name is None else _label(name, labels, path, line)
        youtube_id = record["youtube_id"]
        media_id = f"{youtube_id}_{int(start):06d}_{int(end):06d}"
        text = "" if label is None else class_names[label]
        folders = () if label is None else (text, text.replace(" ", "_"), name)
        rows.append(Row(line, media_id, label, text, start, end, ((media_id, start), (youtube_id, 0.0)), folders))
    return _some(rows, path)


def read_ucf101(class_list, split_list):
    """The rows of trainlist0N.txt or testlist0N.txt, and the class names of classInd.txt.

    The lists count classes from 1 (`1 ApplyEyeMakeup`); the rows' labels count from 0. Train lists repeat the class
    number behind the path; it must agree with the path's folder.

    Returns:
        (rows, class_names)
    """
    class_names = []
    for line, text in _read_lines(class_list):
        number, _, name = text.partition(" ")
        if number != str(len(class_names) + 1) or not name.strip():
            raise UserError(
                f"{class_list}, line {line}: expected '{len(class_names) + 1} ClassName', numbers from 1; {text!r} came"
            )
        class_names.append(name.strip())
    labels = _labels_by_name(class_names)
    rows = []
    for line, text in _read_lines(split_list):
        path, *number = text.split()
        folder, slash, file_name = path.rpartition("/")
        if not slash or len(number) > 1:
            raise UserError(f"{split_list}, line {line}: expected 'ClassName/video.avi [number]'; {text!r} came")
        label = _label(folder, labels, split_list, line)
        if number and number[0] != str(label + 1):
            raise UserError(
                f"{split_list}, line {line}: {folder} is class {label + 1} in {class_list}; {number[0]} came"
            )
        stem = os.path.splitext(file_name)[0]
        rows.append(Row(line, stem, label, folder, 0.0, None, ((stem, 0.0),), (folder,)))
    return _some(rows, split_list), class_names


def read_custom(path, class_names=None, first_label=None):
    """The rows of a CSV of one's own: video,label[,time_start,time_end].

    Args:
        path: the CSV. `video` is a path relative to the folder of videos; empty times mean the video's start and end.
        class_names: list of names, or None: the names that the CSV uses, sorted.
        first_label: None where `label` is a class name; 0 or 1 where it is a number that counts from there.

    Returns:
        (rows, class_names)
    """
    records = list(_read_csv(path, required=("video", "label")))
    if class_names is None:
        if first_label is not None:
            raise UserError(f"{path}: labels that are numbers need a class list; name it with --labels")
        class_names = sorted({record["label"] for _, record in records})
    labels = _labels_by_name(class_names)
    rows = []
    for line, record in records:
        video, name = os.path.normpath(record["video"]), record["label"]
        if os.path.isabs(video) or video.startswith(".."):
            raise UserError(f"{path}, line {line}: expected a path inside --videos_dir; {record['video']!r} came")
        if first_label is None:
            label = _label(name, labels, path, line)
        else:
            label = int(name) - first_label if name.isdecimal() else -1
            if not 0 <= label < len(class_names):
                last = first_label + len(class_names) - 1
                raise UserError(
                    f"{path}, line {line}: a label from {first_label} to {last} was expected; {name!r} came"
                )
        start, end = (
            _seconds(record[key], key, path, line) if record.get(key) else None for key in ("time_start", "time_end")
        )
        if end is not None and end <= (start or 0.0):
            raise UserError(f"{path}, line {line}: time_end must be after time_start; {record['time_end']} came")
        media_id = os.path.splitext(video)[0]
        if start is not None or end is not None:
            media_id += f"_{start or 0:g}_{'end' if end is None else f'{end:g}'}"
        rows.append(Row(line, media_id, label, class_names[label], start or 0.0, end, path=video))
    return _some(rows, path), class_names


def index_videos(videos_dir):
    """{stem: [paths relative to videos_dir]} of all video files in a folder and its subfolders, sorted."""
    if not os.path.isdir(videos_dir):
        raise UserError(f"--videos_dir must name a folder of video files; {videos_dir} is none")
    found = {}
    for folder, subfolders, names in os.walk(videos_dir):
        subfolders.sort()
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in VIDEO_SUFFIXES:
                found.setdefault(stem, []).append(os.path.relpath(os.path.join(folder, name), videos_dir))
    return found


def find_video(row, videos, videos_dir):
    """(relative path, time_start, time_end) within the file that holds the row's clip, or None.

    Args:
        row: a Row.
        videos: what `index_videos` found.
        videos_dir: where it looked.
    """
    if row.path is not None:
        exists = os.path.isfile(os.path.join(videos_dir, row.path))
        return (row.path, row.time_start, row.time_end) if exists else None
    for stem, file_start in row.stems:
        paths = videos.get(stem)
        if paths:
            preferred = [path for path in paths if os.path.basename(os.path.dirname(path)) in row.folders]
            end = None if row.time_end is None else row.time_end - file_start
            return (preferred or paths)[0], row.time_start - file_start, end
    return None


def _labels_by_name(class_names):
    return {spelling: i for i, name in enumerate(class_names) for spelling in (name.replace(" ", "_"), name)}


def _label(name, labels, path, line):
    if name not in labels:
        raise UserError(
            f"{path}, line {line}: {name!r} is not among the {len(set(labels.values()))} classes; "
            "correct the row, or name the class list with --labels"
        )
    return labels[name]


def _seconds(text, name, path, line):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise UserError(f"{path}, line {line}: {name} must be seconds from 0; {text!r} came")
    return value


def _read_csv(path, required):
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in required if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path}: expected a header line with {', '.join(required)}; {', '.join(missing)} is missing"
                )
            for record in reader:
                line = reader.line_num
                values = {name: value.strip() for name, value in record.items() if name and isinstance(value, str)}
                if any(not values.get(name) for name in required):
                    raise UserError(f"{path}, line {line}: expected a value for each of {', '.join(required)}")
                yield line, values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the annotations {path}: {error}") from error


def _read_lines(path):
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the list {path}: {error}") from error
    return [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]


def _some(rows, path):
    if not rows:
        raise UserError(f"{path} lists no videos")
    return rows
