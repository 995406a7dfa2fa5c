"""Distilled frames as they travel: what a request holds of them, and back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tsd_tf.contract import messages, signatures
from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.video import clip_coding, picture_bounds, picture_files
from tsd_tf.video.clip_coding import VIDEO_CODECS
from tsd_tf.video.picture_files import PICTURE_CODECS

_MOST_FRAMES = 256  # whose order fits uint8
_BEGINNINGS = {"webp": b"RIFF", "jpeg": b"\xff\xd8", "png": b"\x89PNG"}
CODECS = (*VIDEO_CODECS, *PICTURE_CODECS, "raw")


class EncodedClip(NamedTuple):
    """A clip as a request's inputs.

    Attributes:
        signature: of the cloud half or the gateway, to call.
        inputs: {name: array with a batch axis of one}.
    """

    signature: str
    inputs: dict[str, np.ndarray]

    @property
    def num_bytes(self) -> int:
        """The bytes that travel: see messages.predict_request_bytes."""
        return len(messages.predict_request_bytes(signatures.MODEL_NAME, *self))


def encode(
    frames: np.ndarray,
    codec: str,
    quality: int | None = None,
    preset: str | None = None,
    order: np.ndarray | None = None,
    encoder: str | None = None,
) -> EncodedClip:
    """Frames as a request's inputs.

    Args:
        frames: uint8 RGB (T_s, H, W, 3).
        codec: one of CODECS; png and raw are lossless.
        quality: of jpeg and webp, 1 to 100; of video codecs their CRF, see clip_coding.encode. None for the codec's
            default.
        preset: speed of a video codec; None for its default.
        order: frames[order] are in time order, see clip_coding.time_order; None if frames are. For video codecs.
        encoder: FFmpeg's name of another encoder of a video codec, see clip_coding.encode; None for the codec's own.

    Raises:
        UserError: there is no such codec or quality, or one that takes no `preset` and `encoder`.
        MissingEncoderError: this machine lacks the encoder.
    """
    if codec not in CODECS:
        raise UserError(f"`codec` must be one of {', '.join(CODECS)}. Received: codec={codec}")
    if codec in VIDEO_CODECS:
        order = np.arange(len(frames)) if order is None else order
        packets = clip_coding.encode(frames[order], codec, quality, preset, encoder)
        return _coded(packets, codec, order)
    if preset is not None or encoder is not None:
        raise UserError(
            f"`preset` and `encoder` are of video codecs: {', '.join(VIDEO_CODECS)}. Received: codec={codec}"
        )
    if codec == "raw":
        return EncodedClip(signatures.SERVING_DEFAULT, {signatures.FRAMES: frames[None]})
    pictures = [picture_files.encode(frame, codec, quality) for frame in frames]
    if codec == "webp":  # which the cloud half does not read
        return _coded(pictures, codec, np.arange(len(frames)))
    return EncodedClip(signatures.JPEG, {signatures.FRAMES_BYTES: np.array([pictures], object)})


def decode_inputs(inputs: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The frames of a request to signatures.CODED, from anyone.

    Args:
        inputs: {name: array}, as in signatures.CODED.
        shape: (T_s, H, W) of the clips that are expected.

    Returns:
        uint8 RGB (batch, T_s, H, W, 3).

    Raises:
        UserError, UnreadableVideoError: see `decode`; or an input is missing, or of another type or size.
    """
    expected = {signatures.PACKETS: (2, object), signatures.CODEC: (1, object), signatures.ORDER: (2, np.uint8)}
    if set(inputs) != set(expected):
        raise UserError(f"expected the inputs {', '.join(expected)}, got {', '.join(sorted(inputs)) or 'none'}")
    batch = inputs[signatures.CODEC].size
    for name, (rank, dtype) in expected.items():
        array = inputs[name]
        if array.ndim != rank or array.dtype != dtype or len(array) != batch or not batch:
            raise UserError(
                f"expected {name} as {'uint8' if dtype == np.uint8 else 'strings'} of rank {rank}, one entry a clip, "
                f"got {array.dtype} of shape {array.shape} for {batch} clips"
            )
    clips = zip(*(inputs[name] for name in expected), strict=True)
    return np.stack([decode(packets, name.decode("ascii", "replace"), order, shape) for packets, name, order in clips])


def decode(packets: Sequence[bytes], codec: str, order: Sequence[int], shape: tuple[int, ...]) -> np.ndarray:
    """The frames of one clip of a request to signatures.CODED, from anyone.

    Args:
        packets: coded pictures in the order of decoding; empty ones are left out.
        codec: one of VIDEO_CODECS or PICTURE_CODECS.
        order: the picture that is shown k-th is frame order[k].
        shape: (T_s, H, W) that are expected.

    Returns:
        uint8 RGB (T_s, H, W, 3); of the same packets the same on every processor.

    Raises:
        UserError: there is no such codec.
        UnreadableVideoError: the packets cannot be decoded or hold other frames than expected, or `order` is not one.
    """
    if sorted(order) != list(range(shape[0])):
        raise UnreadableVideoError(f"expected an order of {shape[0]} frames, got {list(order)[:256]}")
    if codec in VIDEO_CODECS:
        shown = clip_coding.decode(packets, codec, shape)
    elif codec in PICTURE_CODECS:
        shown = _decode_pictures([packet for packet in packets if packet], codec, shape)
    else:
        raise UserError(
            f"`codec` must be one of {', '.join((*VIDEO_CODECS, *PICTURE_CODECS))}. Received: codec={codec}"
        )
    frames = np.empty_like(shown)
    frames[list(order)] = shown
    return frames


def _coded(packets: Sequence[bytes], codec: str, order: np.ndarray) -> EncodedClip:
    if len(order) > _MOST_FRAMES:
        raise UserError(f"a request holds at most {_MOST_FRAMES} coded frames of a clip. Received: {len(order)} frames")
    inputs = {
        signatures.PACKETS: np.array([packets], object),
        signatures.CODEC: np.array([codec.encode()], object),
        signatures.ORDER: np.asarray(order, np.uint8)[None],
    }
    return EncodedClip(signatures.CODED, inputs)


def _decode_pictures(pictures: Sequence[bytes], codec: str, shape: tuple[int, ...]) -> np.ndarray:
    num_frames, height, width = shape
    if len(pictures) != num_frames:
        raise UnreadableVideoError(f"expected {num_frames} frames, got {len(pictures)}")
    frames = np.empty((*shape, 3), np.uint8)
    for frame, contents in zip(frames, pictures, strict=True):
        if not contents.startswith(_BEGINNINGS[codec]):
            raise UnreadableVideoError(f"expected a {codec} picture, got one that begins with {contents[:12]!r}")
        picture_bounds.check(contents, width, height)
        picture = picture_files.decode(contents, width * height)
        if picture is None:
            raise UnreadableVideoError(f"a {codec} picture is damaged")
        if picture.shape[:2] != (height, width):
            raise UnreadableVideoError(
                f"expected frames of {width} x {height} pixels, got {picture.shape[1]} x {picture.shape[0]}"
            )
        frame[:] = picture[..., ::-1]
    return frames
