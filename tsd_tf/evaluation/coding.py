"""How clips travel in a test of the exported halves."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.reporting import names
from tsd_tf.video import codec as codecs
from tsd_tf.video.clip_coding import VIDEO_CODECS
from tsd_tf.video.codec import CODECS
from tsd_tf.video.picture_files import PICTURE_CODECS

DISTILLED, WHOLE_CLIP, WHOLE_CLIP_UNIFORM, UNIFORM = names.SENT


@dataclasses.dataclass(frozen=True)
class Coding:
    """What is sent of a clip, as what, and who answers.

    Attributes:
        codec: one of codec.CODECS.
        quality: see codec.encode; None of a codec that loses nothing.
        what: DISTILLED frames; the WHOLE_CLIP, which is distilled behind the decoder; the same, of which another
            network sees uniform frames (WHOLE_CLIP_UNIFORM); or these UNIFORM frames alone.
    """

    codec: str
    quality: int | None
    what: str = DISTILLED

    def __str__(self) -> str:
        return self.codec if self.quality is None else f"{self.codec}_{self.quality}"

    def encode(self, frames: np.ndarray, order: np.ndarray | None) -> codecs.EncodedClip:
        """Frames uint8 RGB (n, H, W, 3) as they travel; `order` as for codec.encode."""
        return codecs.encode(frames, self.codec, self.quality, order=order)

    def decode(self, clip: codecs.EncodedClip, shape: tuple[int, ...]) -> np.ndarray:
        """What `encode` coded, as whoever receives it sees it: uint8 RGB of `shape` (n, H, W) and three channels."""
        if clip.signature == signatures.SERVING_DEFAULT:
            return clip.inputs[signatures.FRAMES][0]
        if clip.signature == signatures.JPEG:
            return codecs.decode(clip.inputs[signatures.FRAMES_BYTES][0], self.codec, range(shape[0]), shape)
        return codecs.decode_inputs(clip.inputs, shape)[0]

    @property
    def sent(self) -> "Coding":
        """What travels: a whole clip is the same one, whatever becomes of it."""
        return dataclasses.replace(self, what=WHOLE_CLIP) if self.what == WHOLE_CLIP_UNIFORM else self

    @classmethod
    def parse(cls, text: str) -> "Coding":
        """The Coding of "h264:28"; of "h264" that of the codec's default quality.

        Raises:
            UserError: there is no such codec, quality or encoder.
        """
        name, colon, number = text.partition(":")
        if name not in CODECS:
            raise UserError(f"`codecs` expects codecs of {', '.join(CODECS)}, as in h264:28. Received: codecs={text}")
        if name in VIDEO_CODECS:
            low, high, quality = 0, VIDEO_CODECS[name].worst_quality, VIDEO_CODECS[name].quality
        elif name in ("png", "raw"):
            if colon:
                raise UserError(f"{name} loses nothing and takes no quality. Received: codecs={text}")
            return cls(name, None)
        else:
            low, high, quality = 1, 100, PICTURE_CODECS[name]
        if colon:
            quality = int(number) if number.isascii() and number.isdigit() else -1
        if not low <= quality <= high:
            best = "0 (best) to" if name in VIDEO_CODECS else "1 to"
            raise UserError(f"`codecs` expects a quality of {name} from {best} {high}. Received: codecs={text}")
        found = cls(name, quality)
        found.encode(np.zeros((1, 16, 16, 3), np.uint8), None)  # now, rather than after the first batch
        return found


def compared(codings: Sequence[Coding], whole_clip: bool = False, uniform: bool = False) -> list[Coding]:
    """What one test covers: of everything that is sent, each codec and quality once, distilled frames first.

    Args:
        codings: of distilled frames; the first stays the first.
        whole_clip: adds the whole clip as each of `codings`.
        uniform: adds the uniform frames of whole clips, and uniform frames sent alone.

    Returns:
        The Codings. Where they are several, raw distilled frames are among them, for comparison.
    """
    also = [DISTILLED] + [WHOLE_CLIP] * whole_clip + [WHOLE_CLIP_UNIFORM, UNIFORM] * uniform
    found = [dataclasses.replace(coding, what=what) for what in also for coding in codings]
    if len(found) > 1:
        found.insert(len(codings), Coding("raw", None))
    return list(dict.fromkeys(found))
