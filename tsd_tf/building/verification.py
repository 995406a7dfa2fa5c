"""Checks that a shard holds what its builder promised: framing, checksums, keys, labels and pictures."""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from tsd_tf.contract import schema
from tsd_tf.data import sequence_example, tfrecord
from tsd_tf.video import jpeg
from tsd_tf.video.limits import MAX_PIXELS

_SAMPLE_FRAMES = 8
_PICTURE_HEIGHT = 96  # pixels, in the contact sheet
_REQUIRED = {schema.MEDIA_ID: bytes, schema.IMAGE_FORMAT: bytes, schema.IMAGE_FRAME_RATE: float}


@dataclasses.dataclass
class ShardReport:
    """What was found in one shard.

    Attributes:
        problems: sentences, each naming its record.
        media_ids: of the records that can be read, in order.
        num_frames, num_bytes: how many were read.
        num_unlabelled: records without a label.
        sample: (class name, list of 8 JPEGs, evenly spaced over the clip) of the first record without a problem, or
            None.
    """

    problems: list[str]
    media_ids: list[str]
    num_frames: int = 0
    num_bytes: int = 0
    num_unlabelled: int = 0
    sample: tuple[str, list[bytes]] | None = None


def verify_shard(path: str | os.PathLike, class_names: Sequence[str]) -> ShardReport:
    """Reads a shard from its first byte to its last.

    Args:
        path: the shard.
        class_names: by label index.
    """
    report = ShardReport([], [])
    with open(path, "rb") as file:
        for index, (offset, payload) in enumerate(tfrecord.scan(file)):
            if isinstance(payload, tfrecord.DamagedRecordError):
                report.problems.append(f"record {index}: {payload}")
                continue
            report.num_bytes += len(payload)
            try:
                context, lists = sequence_example.decode(payload)
            except ValueError as error:
                report.problems.append(f"record {index} at byte {offset}: {error}")
                continue
            media_id = _text(context, schema.MEDIA_ID, "surrogateescape")
            problems = [*_wrong_in_context(context, class_names), *_wrong_in_frames(context, lists)]
            name = repr(media_id)[1:-1]  # one line
            report.problems += [f"record {index} ({name}) at byte {offset}: {problem}" for problem in problems]
            report.media_ids.append(media_id)
            jpegs = [value for step in lists.get(schema.IMAGE_ENCODED, []) for value in step]
            report.num_frames += len(jpegs)
            report.num_unlabelled += schema.LABEL_INDEX not in context
            if report.sample is None and not problems:
                chosen = np.linspace(0, len(jpegs) - 1, _SAMPLE_FRAMES).round().astype(int)
                report.sample = (_text(context, schema.LABEL_STRING), [jpegs[i] for i in chosen])
        if not file.tell():
            report.problems.append("the shard is empty")
    return report


def contact_sheet(samples: Sequence[tuple[str, Sequence[bytes]]]) -> np.ndarray:
    """A row of pictures for each (class name, JPEGs), with the name above: uint8 RGB (height, width, 3)."""
    lines = []
    for name, jpegs in samples:
        pictures = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in jpegs]
        size = (max(1, round(_PICTURE_HEIGHT * pictures[0].shape[1] / pictures[0].shape[0])), _PICTURE_HEIGHT)
        line = np.hstack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures])
        title = np.full((18, line.shape[1], 3), 255, np.uint8)
        cv2.putText(title, name or "(no label)", (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        lines.append(np.vstack([title, line]))
    width = max(line.shape[1] for line in lines)
    sheet = np.vstack([np.pad(x, ((0, 4), (0, width - x.shape[1]), (0, 0)), constant_values=255) for x in lines])
    return cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB)


def _text(context: Mapping[str, list[Any]], key: str, errors: str = "replace") -> str:
    return b"".join(value for value in context.get(key, []) if isinstance(value, bytes)).decode(errors=errors)


def _wrong_in_context(context: Mapping[str, list[Any]], class_names: Sequence[str]) -> Iterator[str]:
    for key, kind in _REQUIRED.items():
        values = context.get(key, [])
        if len(values) != 1 or not isinstance(values[0], kind) or not values[0]:
            yield f"{key}: expected one value of type {kind.__name__}, got {values!r}"
    if context.get(schema.IMAGE_FORMAT, [b"JPEG"]) != [b"JPEG"]:
        yield f"{schema.IMAGE_FORMAT}: expected JPEG, got {context[schema.IMAGE_FORMAT]!r}"
    if schema.LABEL_INDEX not in context:
        return
    labels = context[schema.LABEL_INDEX]
    if len(labels) != 1 or not isinstance(labels[0], int) or not 0 <= labels[0] < len(class_names):
        yield f"{schema.LABEL_INDEX}: expected a label from 0 to {len(class_names) - 1}, got {labels!r}"
        return
    for key in (schema.LABEL_STRING, schema.LABEL_TEXT):
        name = class_names[labels[0]]
        if key in context and context[key] != [name.encode()]:
            yield f"{key}: expected {name!r}, label {labels[0]} of {schema.LABELS_FILE}, got {context[key]!r}"


def _wrong_in_frames(context: Mapping[str, list[Any]], lists: Mapping[str, list[list[Any]]]) -> Iterator[str]:
    steps, times = lists.get(schema.IMAGE_ENCODED, []), lists.get(schema.IMAGE_TIMESTAMP, [])
    if not steps:
        yield f"{schema.IMAGE_ENCODED}: expected JPEG frames, got none"
        return
    if len(times) != len(steps):
        yield f"{schema.IMAGE_TIMESTAMP}: expected {len(steps)} times, one per frame, got {len(times)}"
    elif bad := [time for time in times if len(time) != 1 or not isinstance(time[0], int)]:
        yield f"{schema.IMAGE_TIMESTAMP}: expected one integer for each frame, got {bad[0]!r}"
    elif any(a >= b for a, b in itertools.pairwise(times)):
        yield f"{schema.IMAGE_TIMESTAMP}: the times do not ascend"
    shapes = [_shape(step[0]) if len(step) == 1 else None for step in steps]
    found = {shape for shape in shapes if shape}
    if broken := [i for i, shape in enumerate(shapes) if shape is None]:
        yield f"{len(broken)} of {len(steps)} frames are not a whole JPEG; the first is frame {broken[0]}"
    elif len(found) > 1:
        yield f"expected frames of one size, got {sorted(found)}"
    else:
        height, width = found.pop()
        promised = [context.get(schema.IMAGE_WIDTH, [width]), context.get(schema.IMAGE_HEIGHT, [height])]
        if promised != [[width], [height]]:
            size = " x ".join(", ".join(map(str, values)) or "?" for values in promised)
            yield f"expected frames of {size} pixels, got {width} x {height}"


def _shape(contents: Any) -> tuple[int, int] | None:
    """(height, width) of a JPEG that decodes to its end and has at most MAX_PIXELS, or None."""
    if not isinstance(contents, bytes) or not contents.rstrip(b"\0").endswith(b"\xff\xd9"):
        return None
    try:
        height, width = jpeg.size(contents)
    except ValueError:
        return None
    if not 0 < height * width <= MAX_PIXELS:  # a few bytes can promise a thousand million
        return None
    picture = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_COLOR)
    return None if picture is None else (picture.shape[0], picture.shape[1])
