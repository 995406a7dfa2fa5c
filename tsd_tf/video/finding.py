"""What stands for a video in a folder: a video file, or a folder of numbered pictures. Decodes nothing."""

import collections
import contextlib
import os
import re
from collections.abc import Callable

from tsd_tf.contract.errors import UserError
from tsd_tf.video import VIDEO_SUFFIXES

RATE_NEEDED = (
    "`frame_folder_rate` says how many pictures a second a folder of numbered pictures holds, for example 12 for "
    "Something-Something and Jester"
)

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_NUMBERED = re.compile(r"(.*?)(\d+)\.\w+", re.DOTALL)
_RESOURCE_FORK = "._"  # what macOS writes beside every file on a disk that is not its own
_THUMBNAILS = "@eaDir"  # what Synology's disks keep beside pictures and videos
_FEWEST_PICTURES = 2  # of a frame folder: a single one is somebody's photo, or a cover


def find_videos(folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """The video files below a folder, and the folders of numbered pictures, the folder itself among them.

    Symbolic links are followed, but not into a folder that they lie in; those that lead nowhere are left out, and so
    are macOS' resource forks (._video.mp4), subfolders whose names begin with a dot (.Trash-1000), and Synology's
    @eaDir. A folder that is named like a video is a folder. A WebP picture that is not animated is no video.

    Args:
        folder: where to look.

    Returns:
        (files, frame folders): paths relative to `folder`, its own first, then those of one subfolder after the other.
    """
    files: list[str] = []
    frame_folders: list[str] = []
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while waiting:
        place, above = waiting.pop()
        path = os.path.join(folder, place)
        try:
            status = os.stat(path)
        except OSError:  # it has gone
            continue
        here = status.st_dev, status.st_ino
        if here in above:
            continue
        names, subfolders = _entries(path)
        videos, pictures = _told_apart(path, names)
        files += [os.path.join(place, name) for name in videos]
        if pictures:
            frame_folders.append(place or os.curdir)
        down_to_here = above | {here}
        waiting += [
            (os.path.join(place, name), down_to_here)
            for name in reversed(subfolders)
            if not name.startswith(".") and name != _THUMBNAILS
        ]
    return files, frame_folders


def find_known(
    folder: str | os.PathLike[str], frame_folder_rate: float | None, note: Callable[[str], None]
) -> list[str]:
    """What `find_videos` finds, sorted: folders of numbered pictures only where their rate is known.

    Args:
        folder: where to look.
        frame_folder_rate: pictures a second of folders of numbered pictures, or None.
        note: called with a sentence about folders that are left out.

    Raises:
        UserError: there are such folders and nothing else, and no rate.
    """
    files, frame_folders = find_videos(folder)
    if frame_folders and frame_folder_rate is None:
        first = os.path.normpath(os.path.join(folder, frame_folders[0]))
        if not files:
            raise UserError(f"{first} is a folder of numbered pictures; {RATE_NEEDED}")
        if len(frame_folders) == 1:
            which = f"a folder of numbered pictures, {first}"
        else:
            which = f"{len(frame_folders)} folders of numbered pictures, the first {first}"
        note(f"left out {which}; {RATE_NEEDED}")
        frame_folders = []
    return sorted([*files, *frame_folders])


def numbered_pictures(folder: str | os.PathLike[str]) -> list[str]:
    """The pictures of a folder that stands for a video, by number: 00001.jpg, img_00001.jpg, frame000001.png ...

    The numbers may have gaps and start anywhere: they give the order only. Where there are several series, that of the
    most pictures is taken; optical flow (flow_x_00001.jpg) is none.

    Returns:
        Names, at least two; none if there are no such pictures, or if a video file lies among them.
    """
    return _told_apart(folder, _entries(folder)[0])[1]


def num_bytes(path: str | os.PathLike[str]) -> int:
    """The bytes of a video file, or of the pictures of a frame folder."""
    if os.path.isdir(path):
        return sum(os.path.getsize(os.path.join(path, name)) for name in numbered_pictures(path))
    return os.path.getsize(path)


def is_animated_webp(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it is an animated WebP."""
    with open(path, "rb") as file:
        header = file.read(21)
    return header[:4] == b"RIFF" and header[8:16] == b"WEBPVP8X" and len(header) == 21 and bool(header[20] & 2)


def _entries(folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
    """The names of (files, folders), sorted; what is neither, or cannot be read, is not there."""
    files: list[str] = []
    folders: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):  # a link to itself
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    return sorted(files), sorted(folders)


def _told_apart(folder: str | os.PathLike[str], names: list[str]) -> tuple[list[str], list[str]]:
    """(video files, numbered pictures of a frame folder) among the files of a folder."""
    videos = []
    series: dict[tuple[str, str], list[tuple[int, str]]] = collections.defaultdict(list)
    for name in names:
        suffix = os.path.splitext(name)[1].lower()
        if name.startswith(_RESOURCE_FORK):
            continue
        is_picture = suffix in _PICTURE_SUFFIXES and not (suffix == ".webp" and _is_film(os.path.join(folder, name)))
        if not is_picture:
            if suffix in VIDEO_SUFFIXES:
                videos.append(name)
        elif number := _NUMBERED.fullmatch(name):
            series[number[1], suffix].append((int(number[2]), name))
    pictures: list[tuple[int, str]] = []
    for (prefix, _), numbered in series.items():
        if len(numbered) > len(pictures) and not prefix.lower().startswith("flow"):
            pictures = numbered
    if videos or len(pictures) < _FEWEST_PICTURES:
        pictures = []
    return videos, [name for _, name in sorted(pictures)]


def _is_film(path: str) -> bool:
    try:
        return is_animated_webp(path)
    except OSError:
        return False
