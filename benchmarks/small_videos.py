"""Small videos of many formats, made with FFmpeg's encoders, to be damaged."""

import pathlib
from fractions import Fraction

import av
import numpy as np

from benchmarks.mutations import HEIGHT, WIDTH

NUM_FRAMES = 5
_FAST = {"crf": "30", "preset": "ultrafast"}
# name: (encoder, pixel format, the encoder's options)
FORMATS = {
    "h264.mp4": ("libx264", "yuv420p", _FAST | {"bf": "1"}),
    "h264.ts": ("libx264", "yuv420p", _FAST),
    "h264.flv": ("libx264", "yuv420p", _FAST),
    "h264.h264": ("libx264", "yuv420p", _FAST | {"g": "2"}),
    "interlaced.mkv": ("libx264", "yuv420p", _FAST | {"flags": "+ildct+ilme", "x264-params": "tff=1"}),
    "hevc.mov": ("libx265", "yuv420p", _FAST | {"x265-params": "log-level=0"}),
    "vp8.webm": ("libvpx", "yuv420p", {"b": "200000"}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"crf": "40", "b": "0", "cpu-used": "8"}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", {}),
    "mpeg1.mpg": ("mpeg1video", "yuv420p", {}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "prores.mov": ("prores_ks", "yuv422p10le", {}),
    "wmv2.wmv": ("wmv2", "yuv420p", {}),
    "ffv1.mkv": ("ffv1", "yuva420p", {}),
    "png.mov": ("png", "rgb24", {}),
    "moving.gif": ("gif", "rgb8", {}),
    "moving.webp": ("libwebp_anim", "yuv420p", {"quality": "50"}),
    "moving.apng": ("apng", "rgb24", {}),
}


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """Makes one video of each format.

    Args:
        folder: where the files are written.

    Returns:
        {name: bytes of the file}
    """
    return {name: _encoded(folder / name, *how).read_bytes() for name, how in FORMATS.items()}


def _encoded(path: pathlib.Path, codec: str, pixels: str, options: dict[str, str]) -> pathlib.Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, pixels, options
        for index in range(NUM_FRAMES):
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            picture[..., 0] = np.arange(WIDTH)
            picture[:, 16 * index : 16 * index + 16] = 220
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
