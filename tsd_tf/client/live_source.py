"""A camera or a stream, opened again whenever it stalls or drops."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tsd_tf.client import capture
from tsd_tf.client.stream_gap import StreamGap
from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.contract.signatures import ClientModel
from tsd_tf.contract.text import printable
from tsd_tf.video.isolated_decoder import IsolatedDecoder

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds


class LiveSource:
    """The frames of a camera or a stream, in pieces without a gap.

    Args:
        camera: its number, or the URL of a stream.
        model: says the rate and the size.
        decoder: reads it; nobody else uses it in the meantime.
        stall_seconds: what delivers nothing for so long has stalled.
        retry_for: seconds for which one that is lost is opened again and again.
        note: is called with a line when it is lost, and when it is back.
        stopped: ends the waiting.

    Attributes:
        name: "camera 0", or the stream's URL.
        count: frames since the beginning, those that are lost among them.
        left_out: frames of the last piece that made no whole clip, as `leave_out` was told.
    """

    def __init__(
        self,
        camera: int | str,
        model: ClientModel,
        decoder: IsolatedDecoder,
        stall_seconds: float,
        retry_for: float,
        note: Callable[[str], Any],
        stopped: threading.Event,
    ) -> None:
        self.name = f"camera {camera}" if isinstance(camera, int) else printable(camera)
        self._camera, self._model, self._decoder = camera, model, decoder
        self._stall_seconds, self._retry_for, self._note, self._stopped = stall_seconds, retry_for, note, stopped
        self.count = 0
        self._began = 0.0
        self._lost_at: float | None = None
        self._reason = ""
        self.left_out = 0

    def pieces(self) -> Iterator[tuple[int, StreamGap | None, Iterator[np.ndarray]]]:
        """Yields (number of the first frame, the gap before it, frames), until a file or a recording ends.

        Every piece must be read to its end before the next one. Numbers go on over gaps as the clock does: frames that
        should have come by then, and did not, are lost.

        Raises:
            UserError: it cannot be opened at first; or not again for `retry_for` seconds.
        """
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            frames = capture.live_frames(self._camera, self._model, self._decoder, self._stall_seconds)
            try:
                first = next(frames, None)
            except UnreadableVideoError as error:
                first = None
                self._failed(error)
            if first is None:
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            began = time.monotonic()
            gap = self._gap(began)
            yield self.count, gap, self._rest(itertools.chain([first], frames))
            if self._is_over():
                return
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            if not self._stopped.is_set():
                self._note(f"{self.name} is lost, and is opened again for up to {self._retry_for:g} s: {self._reason}")
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def leave_out(self, frames: int) -> None:
        """Counts the last frames of a piece, which made no whole clip, into the gap after it."""
        self.left_out = frames

    def _rest(self, frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        self._lost_at, self._reason, self.left_out = time.monotonic(), "", 0
        try:
            for frame in frames:
                self._lost_at = time.monotonic()
                self.count += 1
                yield frame
        except UnreadableVideoError as error:
            self._reason = printable(str(error))

    def _failed(self, error: UnreadableVideoError) -> None:
        if self._lost_at is None:
            if isinstance(self._camera, int):
                raise UserError(str(error)) from error
            raise UserError(f"no stream at {self.name} that can be read: {error}") from error
        seconds = time.monotonic() - self._lost_at
        if seconds > self._retry_for and not self._stopped.is_set():
            raise UserError(f"{self.name} is lost for {seconds:.0f} s and cannot be opened again: {error}") from error

    def _gap(self, now: float) -> StreamGap | None:
        if self._lost_at is None:
            self._began = now
            return None
        seconds = now - self._lost_at
        rate = self._model.frames_per_second
        # From the beginning on, so that what is late for once adds up to nothing.
        lost = max(0, round((now - self._began) * rate) - self.count)
        gap = StreamGap(self.name, self.count / rate, seconds, lost + self.left_out, self._reason)
        self.count += lost
        self._note(f"{self.name} is back, after {seconds:.1f} s: {gap.frames} frames are lost")
        return gap

    def _is_over(self) -> bool:
        """Whether what has ended has an end, as a file has; sets the reason if not."""
        if self._reason:
            return False
        decoder = self._decoder
        is_file = isinstance(self._camera, str) and self._camera.startswith("file:")
        if not decoder.damage and (is_file or (decoder.header_duration is not None and not decoder.shortfall)):
            return True
        self._reason = decoder.damage or "it ended"
        return False
