"""From distilled frames to answers, several clips under way at a time."""

import concurrent.futures
import threading
import time
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.clip_encoder import ClipEncoder
from tsd_tf.client.connection import Connection
from tsd_tf.client.errors import UnknownSignatureError
from tsd_tf.client.partner import Partner
from tsd_tf.contract import signatures
from tsd_tf.video.codec import EncodedClip


class SentClip(NamedTuple):
    """A clip with its answer.

    Attributes:
        answer: checked against the client half.
        num_bytes: of all requests for it.
        seconds: from when it was sent to its answer.
    """

    answer: Answer
    num_bytes: int
    seconds: float


class ClipSender:
    """Sends clips in threads of its own, and counts what becomes of them.

    Args:
        connection: to the cloud half.
        encoder: makes requests of clips.
        partner: checks the answers.
        num_threads: clips that are under way at a time.

    Attributes:
        num_clips, num_answered, num_lost: how many were handed over, have their answers, were given up.
        waiting_bytes: of those that are neither answered nor given up.
    """

    def __init__(self, connection: Connection, encoder: ClipEncoder, partner: Partner, num_threads: int) -> None:
        self._connection, self._encoder, self._partner = connection, encoder, partner
        self._threads = concurrent.futures.ThreadPoolExecutor(num_threads, "send")
        self._lock = threading.Lock()
        self.num_clips = self.num_answered = self.num_lost = self.waiting_bytes = 0

    @property
    def num_waiting(self) -> int:
        """How many clips are neither answered nor given up."""
        return self.num_clips - self.num_answered - self.num_lost

    def submit(self, encoded: EncodedClip, distilled: np.ndarray, order: np.ndarray) -> "Future[SentClip]":
        """Sends a clip as soon as a thread is free.

        Args:
            encoded: by the encoder, of `distilled` and `order`, which are needed in case the server does not take it.

        Returns:
            Its SentClip, or an error: see Connection.classify, and Partner.
        """
        num_bytes = encoded.num_bytes
        with self._lock:
            self.num_clips += 1
            self.waiting_bytes += num_bytes
        return self._threads.submit(self._send, encoded, num_bytes, distilled, order, time.monotonic())

    def lose(self) -> None:
        """Counts a clip that is given up before it is sent."""
        with self._lock:
            self.num_clips += 1
            self.num_lost += 1

    def close(self) -> None:
        """Sends nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(
        self, encoded: EncodedClip, num_bytes: int, distilled: np.ndarray, order: np.ndarray, since: float
    ) -> SentClip:
        began = time.perf_counter()
        is_answered = False
        try:
            self._partner.look(since)
            answer, more_bytes = self._classify(encoded, distilled, order, since)
            answer = self._partner.check(answer)
            is_answered = True
        finally:
            with self._lock:
                self.num_answered += is_answered
                self.num_lost += not is_answered
                self.waiting_bytes -= num_bytes
        return SentClip(answer, num_bytes + more_bytes, time.perf_counter() - began)

    def _classify(
        self, encoded: EncodedClip, distilled: np.ndarray, order: np.ndarray, since: float
    ) -> tuple[Answer, int]:
        """The answer, and the bytes that were sent for it beside `encoded`."""
        try:
            return self._connection.classify(*encoded, since), 0
        except UnknownSignatureError as error:
            if encoded.signature != signatures.CODED:
                raise
            self._encoder.give_up_coded(error)
        encoded = self._encoder.encode(distilled, order)
        return self._connection.classify(*encoded, since), encoded.num_bytes
