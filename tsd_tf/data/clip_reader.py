"""From a record's place to the JPEGs of a clip: the phases read, parse and sample."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import numpy as np

from tsd_tf.contract import schema
from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.data import clip_sampling, remote, sequence_example, tfrecord
from tsd_tf.data.records import Records
from tsd_tf.video import jpeg

_GAP = 16  # frames between two that are wanted, which are read rather than left out

DAMAGED, LOST = "damaged", "lost"  # the record is wrong; its shard can no longer be read


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of a record whose checksum was right; `bounds` are those of sequence_example.context_and_steps."""

    label: int
    media_id: bytes
    bounds: np.ndarray


@dataclasses.dataclass(frozen=True)
class ClipReader:
    """Reads records one by one, each where it lies, and of its pictures only those that are needed.

    In Python and not in TensorFlow, whose reader gives up a shard at the first wrong checksum, and whose parser copies
    every picture of a record. The first read of a record takes all of it and compares its checksum; later ones take
    only the stretch that holds the clip. What is kept for that is about 1.4 kB for a record of 250 pictures.

    Args:
        records: a Records, which keeps what is known of each record.
        spec: a ClipSpec; frames must not be smaller than its crop.
        choose: the function of clip_sampling that chooses a clip's frames: `frames`, or one of those that do alike.
    """

    records: Records
    spec: ClipSpec
    choose: Callable[[int, int, np.ndarray], np.ndarray] = clip_sampling.frames

    def read(self, shard: int, index: int, draws: np.ndarray) -> tuple[np.ndarray | np.int32, ...]:
        """Reads the clips of one record.

        Args:
            shard, index: numbers of the shard and of the record in it.
            draws: uint32 array of clip_sampling.start_draw, one a clip: () or (num_clips,).

        Returns:
            jpegs: (n,) bytes; none of a damaged record, else the pictures of the one clip in order, or those that
                several clips need.
            places: int32 draws.shape + (num_frames,), which of `jpegs` are the frames.
            label: int32; -1 of a damaged record.
            media_id: bytes; empty where it is not known.
            size: int32 (2,), height and width of the pictures; 0 of a damaged record.
            problem: bytes, for `parse_problem`: what is wrong with the record, or would be if `jpegs` did not decode.
        """
        records, num_frames = self.records, self.spec.num_frames
        media_id, jpegs, label, size = b"", [], -1, (0, 0)
        places = np.zeros((*draws.shape, num_frames), np.int32)
        try:
            with remote.open_file(records.shards[shard]) as file:
                known, steps = records.known.get((shard, index)), {}
                if known is None:
                    record = tfrecord.read_record(file, *records.places[shard][index])
                    context, found, bounds = sequence_example.context_and_steps(record, schema.IMAGE_ENCODED)
                    media_id = _only(context, schema.MEDIA_ID, bytes) or b""
                    known = _Known(self._label(context), media_id, np.array(bounds, np.uint32))
                    if not found:
                        raise ValueError(f"expected JPEG frames under {schema.IMAGE_ENCODED}, got none")
                    records.known[shard, index], steps = known, dict(enumerate(found))
                media_id = known.media_id
                frames = self.choose(len(known.bounds) - 1, num_frames, draws)
                order = np.arange(num_frames)
                if draws.ndim:
                    frames, order = np.unique(frames, return_inverse=True)
                if not steps:
                    wanted = np.unique(frames)
                    for part in np.split(wanted, np.flatnonzero(np.diff(wanted) > _GAP) + 1):
                        steps |= self._steps(file, shard, index, known.bounds, part[0], part[-1] + 1)
            pictures = [sequence_example.step_value(steps[frame]) for frame in frames]
            size = self._size(pictures, frames)
            jpegs, label, places = pictures, known.label, order.reshape(places.shape).astype(np.int32)
            kind, reason = DAMAGED, f"one of its frames {min(frames)} to {max(frames)} does not decode as a JPEG"
        except (tfrecord.DamagedRecordError, ValueError) as error:
            kind, reason = DAMAGED, str(error)
        except remote.ERRORS as error:
            kind, reason = LOST, remote.reason(error)
        name = f" ({media_id.decode(errors='replace')})" if media_id else ""
        number = records.number_in_shard(shard, index)
        problem = f"{kind} {shard} {index} record {number}{name} of shard {records.shards[shard]}: {reason}"
        return (
            np.array(jpegs, object),
            places,
            np.int32(label),
            np.array(media_id, object),
            np.array(size, np.int32),
            np.array(problem.encode(errors="surrogateescape"), object),
        )

    def _steps(
        self, file: BinaryIO, shard: int, index: int, bounds: np.ndarray, first: int, last: int
    ) -> dict[int, memoryview]:
        """{frame: its step} of the frames from `first` up to `last`, read without the rest of the record."""
        begin, end = bounds[[first, last]].tolist()
        stretch = tfrecord.read_part(file, self.records.places[shard][index][0], begin, end)
        return dict(zip(range(first, last), sequence_example.steps_of(stretch), strict=True))

    def _label(self, context: dict[str, list]) -> int:
        label = _only(context, schema.LABEL_INDEX, int)
        if label is None or not 0 <= label < self.spec.num_classes:
            found = ", ".join(map(str, context.get(schema.LABEL_INDEX, []))) or "none"
            raise ValueError(f"expected a label from 0 to {self.spec.num_classes - 1}, got {found}")
        return label

    def _size(self, jpegs: Sequence[bytes], frames: np.ndarray) -> tuple[int, int]:
        header, size = b"", (0, 0)
        for picture, frame in zip(jpegs, frames, strict=True):
            if header and picture.startswith(header):
                continue
            try:
                header = jpeg.header(picture)
            except ValueError as error:
                raise ValueError(f"frame {frame} is {error}") from error
            height, width = jpeg.size(picture)
            if any(size) and (height, width) != size:
                raise ValueError(
                    f"expected frames of one size, got frame {frames[0]} of {size[1]} x {size[0]} pixels and "
                    f"frame {frame} of {width} x {height}"
                )
            size = height, width
        crop_size = self.spec.crop_size
        if min(size) < crop_size:
            raise ValueError(
                f"expected frames of at least the crop's {crop_size} x {crop_size} pixels, got {size[1]} x {size[0]}; "
                "build the shards with a larger `short_side`, or choose a smaller crop"
            )
        return size


def parse_problem(problem: bytes) -> tuple[str, int, int, str]:
    """(DAMAGED or LOST, number of the shard, number of the record in it, what is wrong in words) from `read`."""
    kind, shard, index, message = problem.decode(errors="surrogateescape").split(" ", 3)
    return kind, int(shard), int(index), message


def _only(context: dict[str, list], key: str, kind: type) -> Any:
    """The value of a context feature that holds one of this type, or None."""
    values = context.get(key, [])
    return values[0] if len(values) == 1 and isinstance(values[0], kind) else None
