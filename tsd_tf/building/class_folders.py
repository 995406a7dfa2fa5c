"""A data set that is a folder with one subfolder a class, as Kinetics', ImageNet's and most people's own are."""

import os
import pathlib
from collections.abc import Callable, Sequence

from tsd_tf.building import annotations, splits
from tsd_tf.contract.errors import UserError
from tsd_tf.video import finding


def read_class_folders(
    videos_dir: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
    frame_folder_rate: float | None = None,
    note: Callable[[str], None] = print,
) -> tuple[list[annotations.Row], list[str]]:
    """The rows of `<class>/**/<video>`, or of `<split>/<class>/**/<video>` where all top folders are named like splits.

    Args:
        videos_dir: the folder.
        class_names: by label, whose spaces may be underscores in the folders' names; None for the names of the
            subfolders that hold videos, sorted.
        frame_folder_rate: see conversion.Settings; without it, folders of numbered pictures are left out.
        note: called with a sentence about what is left out.

    Returns:
        (rows, class_names); the rows sorted by path.

    Raises:
        UserError: there is no video, one that is in no subfolder, or a subfolder that is no class.
    """
    annotations.require_folder(videos_dir)
    found = finding.find_known(videos_dir, frame_folder_rate, note)
    if not found:
        raise UserError(f"no videos in {videos_dir} and its subfolders")
    places = [pathlib.PurePath(path) for path in found]
    by_split = all(splits.split_named(place.parts[0]) for place in places if len(place.parts) > 1)
    depth = 1 if by_split else 0
    labels_text = []
    for place in places:
        if len(place.parts) < depth + 2:
            found_at = pathlib.Path(videos_dir, place)
            if found_at.is_dir():  # whoever put it there has seen its pictures
                found_at /= finding.numbered_pictures(found_at)[0]
            raise UserError(f"expected each video in a subfolder that is named after its class, got {found_at}")
        labels_text.append(place.parts[depth])
    names = sorted(set(labels_text)) if class_names is None else list(class_names)
    labels = annotations.labels_by_name(names)
    ids = annotations.media_ids(found)
    rows = []
    for line, (path, place, name) in enumerate(zip(found, places, labels_text, strict=True), 1):
        if name not in labels:
            raise UserError(f"{pathlib.Path(videos_dir, path)}: {name!r} is not among the {len(names)} classes")
        label = labels[name]
        split = splits.split_named(place.parts[0]) if by_split else None
        rows.append(
            annotations.Row(line, ids[path], label, names[label], 0.0, None, path=path, source=path, split=split)
        )
    return rows, names
