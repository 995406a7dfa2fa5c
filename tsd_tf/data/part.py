"""Which videos of a split are held out from training, to choose weights by: a share, by the hash of their names."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence

from tsd_tf.contract import schema
from tsd_tf.contract.hashing import place_of

# What tells clips of one source apart: Kinetics' seconds, and the number of a clip within a group of UCF101.
_CLIP_OF_SOURCE = re.compile(r"_\d{6}_\d{6}$|(?<=_g\d\d)_c\d\d$")


@dataclasses.dataclass(frozen=True)
class Part:
    """The videos that are held out, or all others.

    A video belongs where the hash of its source's name puts it, whatever other videos there are: on every machine, in
    every build of the data, and in every split that holds clips of it. The source is the YouTube video on Kinetics, the
    group on UCF101, else the video file that a clip was cut from.

    Attributes:
        share: of the sources that is held out, on average; from 0 to 1.
        is_held_out: True for these, False for all others.
    """

    share: float
    is_held_out: bool

    def has(self, context: Mapping[str, Sequence]) -> bool:
        """Whether a record belongs to this part; one without a name is never held out.

        Args:
            context: of its SequenceExample, {key: values}.
        """
        source = source_of(context)
        return self.is_held_out == (bool(source) and place_of(source) < self.share)


def source_of(context: Mapping[str, Sequence]) -> str:
    """What a record was cut from, by its names; "" where it has none."""
    name, path = (
        next(
            (value.decode("utf-8", "surrogateescape") for value in context.get(key, ()) if isinstance(value, bytes)), ""
        )
        for key in (schema.MEDIA_ID, schema.DATA_PATH)
    )
    file = os.path.splitext(path)[0]
    cut_from = next((stem for stem in (file, file.rpartition("/")[2]) if stem and name.startswith(f"{stem}_")), name)
    return _CLIP_OF_SOURCE.sub("", cut_from)
