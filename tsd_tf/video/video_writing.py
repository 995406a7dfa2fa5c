"""From frames to an encoded video file."""

import os
import pathlib
from fractions import Fraction
from typing import Any

import av
import numpy as np

from tsd_tf.contract.errors import UserError
from tsd_tf.video import clip_coding

_PIXEL_FORMAT = "yuv420p"
_REPRODUCIBLE = {"fflags": "+bitexact"}  # no date, and no names of versions
_H264 = clip_coding.VIDEO_CODECS["h264"]
_GOOD_H264 = _H264.options | {"crf": "14", _H264.preset_option: "veryfast"}
# AVI has no times for H.264; MPEG-4 part 2 is what UCF101's files hold.
_GOOD_MPEG4 = {"b": "500000"}


def write_video(path: str | os.PathLike, frames: np.ndarray, frame_rate: float) -> None:
    """Encodes frames as H.264 in good quality, the same ones to the same bytes; as MPEG-4 part 2 where they go to AVI.

    Args:
        path: the file; its extension chooses the container.
        frames: (num_frames, height, width, 3) uint8 RGB, of even height and width.
        frame_rate: frames a second.

    Raises:
        UserError: FFmpeg cannot write such a file there.
    """
    is_avi = pathlib.Path(path).suffix == ".avi"
    encoder, options = ("mpeg4", _GOOD_MPEG4) if is_avi else (_H264.encoder, _GOOD_H264)
    rate = Fraction(frame_rate).limit_denominator(1001)
    to_yuv = clip_coding.yuv_filter(_PIXEL_FORMAT)
    try:
        with av.open(os.fspath(path), "w", options=_REPRODUCIBLE) as container:
            stream: Any = container.add_stream(encoder, rate=rate)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt, stream.options = _PIXEL_FORMAT, options
            for time, picture in enumerate(frames):
                (frame,) = to_yuv.push(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
                frame.pts, frame.time_base = time, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"FFmpeg cannot write frames of shape {frames.shape} to {path}: {reason}") from error
