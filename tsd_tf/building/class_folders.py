"""A data set that is a folder with one subfolder a class, as Kinetics', ImageNet's and most people's own are."""

import os
import pathlib
from collections.abc import Sequence

from tsd_tf.building import annotations, splits
from tsd_tf.contract.errors import UserError


def read_class_folders(
    videos_dir: str | os.PathLike[str], class_names: Sequence[str] | None = None
) -> tuple[list[annotations.Row], list[str]]:
    """The rows of `<class>/**/<video>`, or of `<split>/<class>/**/<video>` where all top folders are named like splits.

    Args:
        videos_dir: the folder.
        class_names: by label; None for the names of the subfolders that hold videos, sorted.

    Returns:
        (rows, class_names); the rows sorted by path.

    Raises:
        UserError: there is no video, one that is in no subfolder, or a subfolder that is no class.
    """
    found = sorted(path for paths in annotations.index_videos(videos_dir).values() for path in paths)
    places = [pathlib.PurePath(path) for path in found]
    if not places:
        raise UserError(f"no videos in {videos_dir} and its subfolders")
    by_split = all(splits.split_named(place.parts[0]) for place in places if len(place.parts) > 1)
    depth = 1 if by_split else 0
    labels_text = []
    for place in places:
        if len(place.parts) < depth + 2:
            found_at = pathlib.Path(videos_dir, place)
            raise UserError(f"expected each video in a subfolder that is named after its class, got {found_at}")
        labels_text.append(place.parts[depth])
    names = sorted(set(labels_text)) if class_names is None else list(class_names)
    labels = {name: label for label, name in enumerate(names)}
    rows = []
    for line, (path, place, name) in enumerate(zip(found, places, labels_text, strict=True), 1):
        if name not in labels:
            raise UserError(f"{pathlib.Path(videos_dir, path)}: {name!r} is not among the {len(names)} classes")
        split = splits.split_named(place.parts[0]) if by_split else None
        media_id = os.path.splitext(path)[0]
        rows.append(annotations.Row(line, media_id, labels[name], name, 0.0, None, path=path, source=path, split=split))
    return rows, names
