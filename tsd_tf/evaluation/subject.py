"""What is tested: a run, a file of weights, or the exported halves, on a data folder."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from tsd_tf.contract.clip_spec import CONSECUTIVE
from tsd_tf.data.stored_frames import StoredFrames


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network and the data that it is tested on, neither of them loaded yet.

    Attributes:
        name: what messages call it.
        folder: where the results go; exists.
        stem: how the results' file names begin.
        num_frames, num_distilled_frames, crop_size, num_classes: T, T_s, pixels of the square clips, classes.
        frames: a StoredFrames: the rate and the size of frames that it was trained on, as far as they are known.
        labels: the class names that it was trained with; None where they are not known.
        data_dir, split: the shards.
        facts: further entries of the results' JSON: what was tested, of which configuration.
        load: tf.distribute.Strategy -> NetworkClassifier or ExportedHalves.
        frame_sampling: see ClipSpec.
    """

    name: str
    folder: pathlib.Path
    stem: str
    num_frames: int
    num_distilled_frames: int
    crop_size: int
    num_classes: int
    frames: StoredFrames
    labels: list[str] | None
    data_dir: str
    split: str
    facts: dict[str, Any]
    load: Callable[[Any], Callable]
    frame_sampling: str = CONSECUTIVE
