"""A clip as an H.264 file, as a camera or a phone would send it."""

import io

import av
import numpy as np

_FRAME_RATE = 25


def through_file(frames: np.ndarray, rate_factor: int) -> tuple[int, np.ndarray]:
    """Encodes a clip with x264 and decodes it again.

    Args:
        frames: (num_frames, height, width, 3) uint8 RGB; height and width even.
        rate_factor: x264's CRF, 0 to 51; higher is smaller and worse, 23 is x264's default.

    Returns:
        (bytes of the mp4 file, the decoded frames, uint8 of the same shape).
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_FRAME_RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # With x264's assembler, a clip of such small pictures gives different bytes every time.
        stream.options = {"crf": str(rate_factor), "x264-params": "threads=1:no-asm=1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return len(file.getvalue()), np.stack(decoded)
