"""Bytes at equal quality: distilled frames and whole clips through every codec."""

import pathlib
import statistics

import numpy as np
from tqdm import tqdm

from benchmarks import in_turn
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.reporting.accuracy_over_bytes import bytes_at
from tsd_tf.video import clip_coding, codec, geometry
from tsd_tf.video.opening import open_video

# From worst to best, so far apart that every clip passes DECIBELS on the way.
QUALITIES = {
    "h264": (44, 38, 34, 30, 27, 24, 20, 14),
    "hevc": (46, 40, 36, 32, 28, 24, 20, 14),
    "av1": (63, 56, 50, 44, 38, 32, 24, 14),
    "vp9": (63, 56, 50, 44, 38, 30, 22, 12),
    "webp": (1, 5, 20, 40, 60, 80, 92, 98),
    "jpeg": (5, 12, 25, 40, 60, 80, 92, 98),
}
DECIBELS = (32.0, 36.0)
_FRAME_RATE = 25.0


def clips_of(videos, num_frames, frame_size, short_side, num_clips):
    """Clips of videos, up to `num_clips` of each and evenly spread: a list of (name of the file, clip).

    A clip is uint8 RGB (num_frames, frame_size, frame_size, 3) at 25 frames a second, cropped from the middle of frames
    whose short side is scaled to `short_side`.

    Raises:
        UserError: no video is long enough for a clip.
    """
    found = []
    for video in videos:
        frames = [
            geometry.centre(frame, frame_size)
            for frame in open_video(video).frames(frame_rate=_FRAME_RATE, short_side=short_side)
        ]
        count = min(num_clips, len(frames) // num_frames)
        starts = np.linspace(0, len(frames) - num_frames, count).astype(int)
        found += [(pathlib.Path(video).name, np.stack(frames[start : start + num_frames])) for start in starts]
    if not found:
        raise UserError(f"expected a video of at least {num_frames} frames, got none in {', '.join(videos)}")
    return found


def windows(num_frames, num_distilled_frames, draw):
    """A P of Gaussian windows, as trained ones often look: each column a moment of the clip, 0.6 to 2 frames wide."""
    centres = np.sort(draw.choice(num_frames, num_distilled_frames, replace=False))
    widths = draw.uniform(0.6, 2.0, num_distilled_frames)
    matrix = np.exp(-0.5 * ((np.arange(num_frames)[:, None] - centres) / widths) ** 2)
    return matrix / matrix.sum(axis=0)


def distil(clip, matrix):
    """Y = XP (Equation 1) on uint8 frames: (T_s, H, W, 3)."""
    mixed = np.einsum("thwc,ts->shwc", clip.astype(np.float32), matrix.astype(np.float32))
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def through(frames, name, quality, order=None):
    """(bytes that travel, what arrives of the frames)."""
    encoded = codec.encode(frames, name, quality, order=order)
    if encoded.signature == signatures.CODED:
        return encoded.num_bytes, codec.decode_inputs(encoded.inputs, frames.shape[:3])[0]
    pictures = encoded.inputs[signatures.FRAMES_BYTES][0]
    return encoded.num_bytes, codec.decode(pictures, name, range(len(frames)), frames.shape[:3])


def psnr(frames, other):
    """Decibels between two clips of uint8 frames; infinite if they are equal."""
    error = np.mean((frames.astype(np.float32) - other) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def compare(clips, matrix_of, codecs):
    """Bytes a clip at DECIBELS, of distilled frames and of the whole clip from which the server distils them.

    Quality is the PSNR of the distilled frames that the main network gets, against those that nothing was lost of.

    Args:
        clips: what `clips_of` returned.
        matrix_of: a function: clip -> P, (T, T_s).
        codecs: of QUALITIES, jpeg among them.

    Returns:
        A dict that JSON can hold: {"clips": names of the files, "rows": a dict for each codec and quality}.
    """
    found = {name: {"distilled": [], "whole_clip": []} for name in codecs}
    for _, clip in tqdm(clips, desc="bytes", unit="clip"):
        matrix = matrix_of(clip)
        distilled = distil(clip, matrix)
        order = clip_coding.time_order(matrix)
        for name in codecs:
            sent = [through(distilled, name, quality, order) for quality in QUALITIES[name]]
            found[name]["distilled"].append([(size, psnr(distilled, arrived)) for size, arrived in sent])
            sent = [through(clip, name, quality) for quality in QUALITIES[name]]
            mixed = [(size, psnr(distilled, distil(arrived, matrix))) for size, arrived in sent]
            found[name]["whole_clip"].append(mixed)
    rows = [_row(name, decibels, found) for name in codecs for decibels in DECIBELS]
    return {"clips": [name for name, _ in clips], "rows": rows}


def _row(name, decibels, found):
    """Medians over clips, of bytes and of ratios of the same clip; None where no clip reaches the quality."""
    bytes_of = {what: [bytes_at(points, decibels) for points in curves] for what, curves in found[name].items()}
    jpeg = [bytes_at(points, decibels) for points in found["jpeg"]["distilled"]]
    return {
        "codec": name,
        "decibels": decibels,
        "distilled_bytes": _median(bytes_of["distilled"]),
        "whole_clip_bytes": _median(bytes_of["whole_clip"]),
        "distilled_to_whole_clip": _median_ratio(bytes_of["distilled"], bytes_of["whole_clip"]),
        "distilled_to_jpeg": _median_ratio(bytes_of["distilled"], jpeg),
        "clips_compared": sum(None not in pair for pair in zip(*bytes_of.values(), strict=True)),
    }


def _median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _median_ratio(values, others):
    return _median(
        [None if value is None or other is None else value / other for value, other in zip(values, others, strict=True)]
    )


def times(clip, matrix, codecs, repetitions):
    """{codec: milliseconds that encoding and decoding a clip's distilled frames takes, at its default quality}."""
    distilled, order = distil(clip, matrix), clip_coding.time_order(matrix)
    ways = {}
    for name in codecs:
        encoded = codec.encode(distilled, name, order=order)
        ways[name, "encode_ms"] = in_turn.milliseconds(codec.encode, distilled, name, order=order)
        if encoded.signature == signatures.CODED:
            ways[name, "decode_ms"] = in_turn.milliseconds(codec.decode_inputs, encoded.inputs, distilled.shape[:3])
        else:
            pictures = encoded.inputs[signatures.FRAMES_BYTES][0]
            order_of_pictures = range(len(distilled))
            ways[name, "decode_ms"] = in_turn.milliseconds(
                codec.decode, pictures, name, order_of_pictures, distilled.shape[:3]
            )
    found = in_turn.measure(ways, repetitions)
    return {
        name: {what: statistics.median(found[name, what]) for what in ("encode_ms", "decode_ms")} for name in codecs
    }
