"""How distilled frames travel: as asked for, or as far as this machine and the server can."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tsd_tf.client.errors import UnknownSignatureError
from tsd_tf.contract.errors import MissingEncoderError, UserError
from tsd_tf.video import codec as codecs

_DEFAULT, _LAST_RESORT = "h264", "jpeg"  # the cloud half itself reads JPEG


class ClipEncoder:
    """Encodes distilled frames; where the encoder that was asked for is missing, with another.

    In place of a named encoder steps the codec's own, and in place of that, JPEG of its default quality. Threads may
    share it.

    Args:
        shape: (T_s, H, W) of the clips.
        codec: one of tsd_tf.video.codec.CODECS; None for h264, or jpeg where the server does not take coded clips.
        quality, preset, encoder: see tsd_tf.video.codec.encode.
        note: is called with a line when something else is done than was asked for.

    Raises:
        UserError: see tsd_tf.video.codec.encode.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        codec: str | None = None,
        quality: int | None = None,
        preset: str | None = None,
        encoder: str | None = None,
        note: Callable[[str], Any] = warnings.warn,
    ) -> None:
        self._is_chosen, self._note, self._lock = codec is not None, note, threading.Lock()
        self._use(codec or _DEFAULT, quality, preset, encoder)
        black = np.zeros((*shape, 3), np.uint8)
        while True:
            try:
                self.encode(black, np.arange(shape[0]))
                return
            except MissingEncoderError as error:
                if self._encoder is None:
                    self._use(_LAST_RESORT)
                else:  # whose presets are not the other's
                    self._use(self._codec, quality)
                note(f"{error}; distilled frames travel as {self._codec} of another encoder")

    @property
    def codec(self) -> str:
        """The name of the codec in use."""
        return self._codec

    def encode(self, frames: np.ndarray, order: np.ndarray) -> codecs.EncodedClip:
        """A clip as a request's inputs; see tsd_tf.video.codec.encode."""
        with self._lock:
            options = self._codec, self._quality, self._preset, order, self._encoder
        return codecs.encode(frames, *options)

    def give_up_coded(self, error: UnknownSignatureError) -> None:
        """Changes to JPEG, because the server does not take coded clips.

        Args:
            error: what the server said.

        Raises:
            UserError: the codec was asked for by name.
        """
        with self._lock:
            if self._is_chosen:
                raise UserError(
                    f"{error}; for `codec` {self._codec} a gateway (python -m tsd_tf.gateway) must stand before the "
                    "server, which takes jpeg, png and raw without one"
                ) from error
            if self._codec == _LAST_RESORT:
                return
            self._note(
                f"the server takes no {self._codec} without a gateway (python -m tsd_tf.gateway); distilled frames "
                f"travel as {_LAST_RESORT}"
            )
            self._use(_LAST_RESORT)

    def _use(
        self, codec: str, quality: int | None = None, preset: str | None = None, encoder: str | None = None
    ) -> None:
        self._codec, self._quality, self._preset, self._encoder = codec, quality, preset, encoder
