"""Distilled frames as they travel."""

import cv2
import numpy as np

from tsd_tf.contract import signatures

CODECS = ("jpeg", "png", "raw")


def encode(frames: np.ndarray, codec: str, quality: int = 90) -> tuple[str, str, np.ndarray, int]:
    """Frames as the tensor of a request.

    Args:
        frames: uint8 RGB (T_s, H, W, 3).
        codec: one of CODECS; png and raw are lossless.
        quality: of JPEG, 1 to 100.

    Returns:
        (signature, input, tensor, num_bytes): what to call, the name of the input, its value with a batch axis, and
        the bytes that the frames take.
    """
    if codec == "raw":
        return signatures.SERVING_DEFAULT, signatures.FRAMES, frames[None], frames.nbytes
    pictures = [encode_picture(frame, codec, quality) for frame in frames]
    return signatures.JPEG, signatures.FRAMES_BYTES, np.array([pictures], object), sum(map(len, pictures))


def encode_picture(frame: np.ndarray, codec: str, quality: int = 90) -> bytes:
    """One uint8 RGB frame (H, W, 3) as the bytes of a JPEG or PNG picture."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if codec == "jpeg" else []
    done, contents = cv2.imencode(f".{codec}", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"OpenCV cannot encode a frame of shape {frame.shape} as {codec}")
    return contents.tobytes()
