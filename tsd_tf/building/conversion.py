"""From an annotation row to a record: every builder, on one machine or on many, does this for each video."""

import dataclasses
import itertools
import os
from collections.abc import Sequence

import cv2

from tsd_tf.building.annotations import Row
from tsd_tf.building.candidate import Candidate
from tsd_tf.contract import schema
from tsd_tf.contract.errors import UnreadableVideoError
from tsd_tf.data import sequence_example
from tsd_tf.video import picture_files
from tsd_tf.video.frame_folder import FrameFolder
from tsd_tf.video.limits import SHARE_OF_WHOLE
from tsd_tf.video.opening import open_video
from tsd_tf.video.video import Video

WRITTEN, TRUNCATED, MISSING, UNREADABLE, TOO_SHORT = STATUSES = (
    "written",
    "truncated",
    "missing",
    "unreadable",
    "too short",
)
NO_MEMORY = "not enough memory"
MAX_SECONDS = 600  # of a clip in one record
_BEST_FIRST = (WRITTEN, TRUNCATED, TOO_SHORT, UNREADABLE)
_TRIM_TOLERANCE = 0.5  # seconds; trimming keeps whole groups of pictures, or the sound's last packet


@dataclasses.dataclass(frozen=True)
class Settings:
    """How frames are stored.

    Attributes:
        frame_rate: frames a second.
        short_side: pixels of the frames' short side.
        jpeg_quality: 1 to 100.
        min_frames: a clip with fewer is "too short" and is not written.
        square_pixels: whether the ratio of the pixels' sides, which many copies of data sets state wrongly, is obeyed.
        frame_folder_rate: pictures a second of folders of numbered pictures; None where there are only files.
    """

    frame_rate: float = 25.0
    short_side: int = 256
    jpeg_quality: int = 90
    min_frames: int = 1
    square_pixels: bool = False
    frame_folder_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Task:
    """One row whose video exists.

    Attributes:
        number: of the row in the annotation list, from 0.
        row: the annotation.
        candidates: the files that may hold its clip, in the order in which they are tried; at least one.
    """

    number: int
    row: Row
    candidates: tuple[Candidate, ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a row: a line of the manifest.

    Attributes:
        status: one of STATUSES; "truncated" is a clip that is shorter than was promised.
        reason: in words; empty for a whole clip of the first file that was tried.
        num_frames: frames in the record, or those found if there is none.
        codec: FFmpeg's name of the decoder; empty if none was found.
        data_path: the file that this is about, relative to the folder of videos; empty if there is none.
    """

    status: str
    reason: str
    num_frames: int
    codec: str = ""
    data_path: str = ""

    @property
    def has_record(self) -> bool:
        """Whether the row is in a shard."""
        return self.status in (WRITTEN, TRUNCATED)


def convert(row: Row, candidate: Candidate, settings: Settings) -> tuple[bytes | None, Outcome]:
    """Reads a row's clip from a file and makes its record.

    Returns:
        (serialised tf.train.SequenceExample or None, Outcome)
    """
    time_start, time_end = candidate.time_start, candidate.time_end
    note = ""
    jpegs: list[bytes] = []
    shape: tuple[int, ...] = (0, 0)
    video = None
    try:
        if time_end is not None and time_end - time_start > MAX_SECONDS:
            raise UnreadableVideoError(f"a clip of {time_end - time_start:g} s; a record holds at most {MAX_SECONDS} s")
        video = open_video(
            candidate.path, square_pixels=settings.square_pixels, frame_folder_rate=settings.frame_folder_rate
        )
        if time_end is not None and _is_trimmed_already(candidate, time_end, video.header_duration):
            lasts = f"the file lasts {video.header_duration:.2f} s"
            note = f"taken as trimmed already: {lasts}, the row ends at {time_end:g} s"
            time_start, time_end = 0.0, time_end - time_start
        pictures = video.frames(
            frame_rate=settings.frame_rate, short_side=settings.short_side, time_start=time_start, time_end=time_end
        )
        for picture in pictures:
            if len(jpegs) >= MAX_SECONDS * settings.frame_rate:
                raise UnreadableVideoError(f"longer than {MAX_SECONDS} s from {time_start:g} s; give an interval")
            shape = picture.shape[:2]
            jpegs.append(picture_files.encode(picture, "jpeg", settings.jpeg_quality))
    except (UnreadableVideoError, cv2.error, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or NO_MEMORY
        return None, Outcome(UNREADABLE, reason, 0, video.codec if video else "", candidate.data_path)
    if len(jpegs) < max(1, settings.min_frames):
        wanted = f"from {time_start:g} s" + ("" if time_end is None else f" to {time_end:g} s")
        reason = _joined(
            note,
            f"{len(jpegs)} frames {wanted}, at least {max(1, settings.min_frames)} needed",
            f"the video lasts {video.duration:.2f} s",
            video.damage,
        )
        return None, Outcome(TOO_SHORT, reason, len(jpegs), video.codec, candidate.data_path)

    start, step = round(row.time_start * 1e6), 1e6 / settings.frame_rate
    context = {
        schema.DATA_PATH: os.fsencode(candidate.data_path),
        schema.MEDIA_ID: row.media_id.encode("utf-8", "surrogateescape"),
        schema.START_TIMESTAMP: start,
        schema.END_TIMESTAMP: start + round(len(jpegs) * step),
        schema.IMAGE_FORMAT: "JPEG",
        schema.IMAGE_COLORSPACE: "RGB",
        schema.IMAGE_CHANNELS: 3,
        schema.IMAGE_HEIGHT: shape[0],
        schema.IMAGE_WIDTH: shape[1],
        schema.IMAGE_FRAME_RATE: float(settings.frame_rate),
    }
    if row.label is not None:
        context |= {
            schema.LABEL_INDEX: row.label,
            schema.LABEL_STRING: row.label_text,
            schema.LABEL_TEXT: row.label_text,
        }
    times = [start + round(i * step) for i in range(len(jpegs))]
    try:
        record = sequence_example.encode(context, {schema.IMAGE_ENCODED: jpegs, schema.IMAGE_TIMESTAMP: times})
    except MemoryError:
        return None, Outcome(UNREADABLE, NO_MEMORY, 0, video.codec, candidate.data_path)
    status, reason = _judge(jpegs, video, time_start, time_end, settings)
    return record, Outcome(status, _joined(note, reason), len(jpegs), video.codec, candidate.data_path)


def best(tried: Sequence[Outcome]) -> Outcome:
    """The best of the outcomes of a row's candidates, the first of several that are as good; see `summary`."""
    return min(tried, key=lambda outcome: (_BEST_FIRST.index(outcome.status), -outcome.num_frames))


def summary(tried: Sequence[Outcome]) -> Outcome:
    """The best of what has become of a row's candidates; its reason names the others.

    Args:
        tried: what `convert` returned for each, in the order of the candidates; at least one.
    """
    outcome = best(tried)
    if len(tried) == 1:
        return outcome
    others = ", ".join(
        f"{other.data_path} ({_joined(other.status, other.reason)})" for other in tried if other is not outcome
    )
    if outcome.has_record:
        reason = _joined(outcome.reason, f"taken from {outcome.data_path}", f"passed over: {others}")
    else:
        reason = _joined(f"{outcome.data_path}: {outcome.reason}", f"also tried: {others}")
    return dataclasses.replace(outcome, reason=reason)


def _joined(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def _is_trimmed_already(candidate: Candidate, time_end: float, duration: float | None) -> bool:
    """Whether a file that bears the source video's name cannot be that, but can be the clip."""
    if not candidate.may_be_trimmed or duration is None or duration >= time_end - _TRIM_TOLERANCE:
        return False
    longer = duration - (time_end - candidate.time_start)
    return abs(longer) <= _TRIM_TOLERANCE or (duration <= candidate.time_start and longer <= 2 * _TRIM_TOLERANCE)


def _judge(
    jpegs: Sequence[bytes], video: Video | FrameFolder, time_start: float, time_end: float | None, settings: Settings
) -> tuple[str, str]:
    """(status, reason) of a clip that has a record."""
    seconds = len(jpegs) / settings.frame_rate
    if time_end is not None:
        promised, source = time_end - time_start, "annotation"
    else:
        promised, source = (video.header_duration or 0.0) - time_start, "file's header"
    if seconds < SHARE_OF_WHOLE * promised:
        return TRUNCATED, _joined(f"{seconds:.2f} s of the {promised:.2f} s that the {source} promises", video.damage)
    if video.damage:
        return TRUNCATED, video.damage
    first, count = _longest_repetition(jpegs)
    if count > max(1, len(jpegs) / 2):
        which = f"all {count} frames" if count == len(jpegs) else f"frames {first} to {first + count - 1}"
        return WRITTEN, f"{which} are the same picture: a still, or a stuck decoder"
    return WRITTEN, ""


def _longest_repetition(items: Sequence[bytes]) -> tuple[int, int]:
    """(index of the first, length) of the longest run of equal items."""
    lengths = [len(list(run)) for _, run in itertools.groupby(items)]
    longest = lengths.index(max(lengths))
    return sum(lengths[:longest]), lengths[longest]
