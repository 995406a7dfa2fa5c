"""The client's Python interface: from a video to its class."""

import collections
import contextlib
import dataclasses
import itertools
import math
import os
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from tsd_tf.client import capture, clips
from tsd_tf.client.clip_encoder import ClipEncoder
from tsd_tf.client.clip_sender import ClipSender, SentClip
from tsd_tf.client.connection import Connection
from tsd_tf.client.distiller import Distiller
from tsd_tf.client.errors import ServerAwayError, UnansweredError
from tsd_tf.client.live_source import LiveSource
from tsd_tf.client.lost_clip import LostClip
from tsd_tf.client.partner import Partner
from tsd_tf.client.stream_gap import StreamGap
from tsd_tf.client.tally import Tally
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.text import printable
from tsd_tf.video import clip_coding, finding, picture_files
from tsd_tf.video.distilled_clip import DistilledClip
from tsd_tf.video.isolated_decoder import IsolatedDecoder

_MOST_WAITING, _MOST_WAITING_BYTES = 256, 64 << 20  # of a camera's clips that wait for their answers
_STOP_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class Recognition:
    """The answer for a video, or for one clip of a camera.

    Attributes:
        source: the video's path, "camera 0", or the stream's URL; in valid Unicode.
        start: seconds from the beginning to the first clip.
        clips: number of clips; their probabilities are averaged.
        label, score: the likeliest class and its probability.
        classes, scores: the likeliest classes and their probabilities.
        probabilities: of all classes, by label.
        version: of the model that answered; by REST as the server told it within half a minute; None if it does not.
        codec: how the distilled frames travelled, at the end.
        bytes: {"distilled": of all requests, see tsd_tf.contract.messages.predict_request_bytes, "frames": all T frames
            of the clips as JPEG of the default quality, each once, "video": the file or the folder's pictures};
            "frames" and "video" only of videos.
        seconds: {"capture", "distill", "encode", "send": spent in each, "total": from start to answer}. Sending runs
            beside the rest.
        shortfall: what of the video could not be read, in words; empty if it is whole.
    """

    source: str
    start: float
    clips: int
    label: str
    score: float
    classes: tuple[str, ...]
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    version: int | None
    codec: str
    bytes: dict[str, int]
    seconds: dict[str, float]
    shortfall: str


class Recognizer:
    """Captures, distils, encodes and sends; one video or camera at a time.

    Args:
        distiller: the client half.
        connection: to the cloud half.
        codec, quality: see ClipEncoder.
        stride: frames between the starts of two clips, 1 to T; None for T. Overlapping clips reuse the coarse features
            of the frames that they share.
        max_in_flight: clips that may be under way to the server; capturing a video pauses for them, a camera does not.
        frame_folder_rate: pictures a second of folders of numbered pictures; None to take files alone.
        preset, encoder, note: see ClipEncoder. `note` is also called when a camera is lost or back, and about the
            model's version, from several threads.
        retry_for: seconds for which a camera or stream that is lost is opened again.
        stall_seconds: a camera or stream that delivers nothing for so long has stalled.

    Raises:
        UserError: `stride` is not from 1 to T; or see ClipEncoder.
    """

    def __init__(
        self,
        distiller: Distiller,
        connection: Connection,
        codec: str | None = None,
        quality: int | None = None,
        stride: int | None = None,
        max_in_flight: int = 4,
        frame_folder_rate: float | None = None,
        preset: str | None = None,
        encoder: str | None = None,
        note: Callable[[str], Any] = warnings.warn,
        retry_for: float = 60.0,
        stall_seconds: float = 10.0,
    ) -> None:
        model = distiller.model
        num_frames = model.num_frames
        self._stride = stride or num_frames
        if not 1 <= self._stride <= num_frames:
            raise UserError(f"`stride` must be between 1 and T = {num_frames}. Received: stride={stride}")
        self._distiller, self._connection = distiller, connection
        self._max_in_flight, self._note = max_in_flight, note
        self._retry_for, self._stall_seconds = retry_for, stall_seconds
        shape = model.num_distilled_frames, model.frame_size, model.frame_size
        self._encoder = ClipEncoder(shape, codec, quality, preset, encoder, note)
        partner = Partner(connection, model, distiller.labels, note)
        self._sender = ClipSender(connection, self._encoder, partner, max_in_flight)
        self._decoder = IsolatedDecoder(frame_folder_rate=frame_folder_rate)
        self._reopened, self._frames_lost, self._seconds_lost = 0, 0, 0.0

    def recognize(self, path: str | os.PathLike, keep: Callable[[DistilledClip], Any] | None = None) -> Recognition:
        """The Recognition of a video file.

        Args:
            path: the file, or a folder of numbered pictures.
            keep: called with the DistilledClip of every clip.

        Raises:
            UnreadableVideoError: the video cannot be read.
            UnansweredError: one of its clips has no answer; see Connection.classify.
            UserError: the server refuses them all, or is of another export.
        """
        began = time.perf_counter()
        size = {"frames": 0}
        source = capture.video_frames(path, self._distiller.model, self._decoder)
        answered = list(self._answers(source, keep, size))
        size["video"] = finding.num_bytes(path)
        return self._result(printable(os.fspath(path)), answered, began, size, self._decoder.shortfall)

    def watch(
        self, camera: int | str, keep: Callable[[DistilledClip], Any] | None = None
    ) -> Iterator[Recognition | LostClip | StreamGap]:
        """Yields what becomes of clip after clip of a camera or stream, and its gaps, in order.

        Frames are encoded as they arrive, whether the server answers or not: clips wait, and those that wait for too
        long, or are too many, are lost. A camera or stream that stalls or drops is opened again; clips never reach over
        the gap.

        Args:
            camera: its number, or the URL of a stream.
            keep: see `recognize`; called from another thread.

        Raises:
            UserError: there is no such camera, or it is lost for too long; the server refuses all clips, is of another
                export, or is away before it has answered any clip.
        """
        stopped = threading.Event()
        arguments = camera, self._distiller.model, self._decoder, self._stall_seconds, self._retry_for
        source = LiveSource(*arguments, self._note, stopped)
        found: queue.SimpleQueue[Any] = queue.SimpleQueue()
        capturing = threading.Thread(
            target=self._capture, args=(source, keep, found, stopped), name="capture", daemon=True
        )
        capturing.start()
        try:
            while (event := found.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, StreamGap | LostClip):
                    yield event
                    continue
                start, began, spent, future = event
                try:
                    sent = future.result()
                except UnansweredError as error:
                    if isinstance(error, ServerAwayError) and not self._sender.num_answered:
                        raise
                    yield LostClip(source.name, start / self._distiller.model.frames_per_second, str(error))
                else:
                    yield self._result(source.name, [(start, sent, spent)], began, {})
        finally:
            stopped.set()
            self._decoder.close()
            capturing.join(_STOP_SECONDS)

    @property
    def tally(self) -> Tally:
        """What has become of all clips until now."""
        sender = self._sender
        return Tally(
            sender.num_clips,
            sender.num_answered,
            sender.num_lost,
            self._connection.num_retries,
            self._reopened,
            self._frames_lost,
            self._seconds_lost,
        )

    def close(self) -> None:
        """Ends the process that decodes videos, and sends nothing any more; both end with this process in any case."""
        self._decoder.close()
        self._sender.close()

    def _answers(
        self, source: Iterator[np.ndarray], keep: Callable[[DistilledClip], Any] | None, size: dict[str, int]
    ) -> Iterator[tuple[int, SentClip, dict[str, float]]]:
        """Yields (start, SentClip, seconds spent) of every clip of a video, in order."""
        spent: collections.Counter[str] = collections.Counter()
        streams = self._distiller.can_stream and self._stride < self._distiller.model.num_frames
        pending: collections.deque[tuple[int, Future]] = collections.deque()
        frames = self._frames(source, streams, spent, size)
        for start, clip in clips.sliding(frames, self._distiller.model.num_frames, self._stride):
            pending.append((start, self._distilled_and_sent(start, clip, streams, keep, spent)))
            if len(pending) >= self._max_in_flight:
                yield self._finished(*pending.popleft(), spent)
        while pending:
            yield self._finished(*pending.popleft(), spent)

    def _capture(
        self,
        source: LiveSource,
        keep: Callable[[DistilledClip], Any] | None,
        found: Any,
        stopped: threading.Event,
    ) -> None:
        """Puts what becomes of a camera into `found`: each LostClip and StreamGap, and of every clip that is sent
        (start, when its capture began, seconds spent, future); at last None, or the exception that ends it.
        """
        model, spent = self._distiller.model, collections.Counter[str]()
        streams, began = self._distiller.can_stream, time.perf_counter()
        try:
            for first, gap, pictures in source.pieces():
                if gap is not None:
                    self._reopened += 1
                    self._seconds_lost += gap.seconds
                    self._frames_lost += gap.frames
                    found.put(gap)
                frames = self._frames(pictures, streams, spent, None)
                for start, clip in clips.sliding(frames, model.num_frames, self._stride, loops=False):
                    start += first
                    if self._sender.num_waiting >= _MOST_WAITING or self._sender.waiting_bytes >= _MOST_WAITING_BYTES:
                        self._sender.lose()
                        reason = f"{self._sender.num_waiting} clips wait for the server already"
                        found.put(LostClip(source.name, start / model.frames_per_second, reason))
                        continue
                    future = self._distilled_and_sent(start, clip, streams, keep, spent)
                    found.put((start, began, dict(spent), future))
                    spent.clear()
                    began = time.perf_counter()
                source.leave_out(source.count - first if source.count - first < model.num_frames else 0)
        except BaseException as error:
            found.put(None if stopped.is_set() else error)
        else:
            self._frames_lost += source.left_out
            found.put(None)

    def _frames(self, source, streams, spent, size):
        """Yields (frame, its coarse features or None), with those that whole strides need."""
        needed = math.gcd(self._stride, self._distiller.model.coarse_stride)
        for index in itertools.count():
            with _timed(spent, "capture"):
                frame = next(source, None)
            if frame is None:
                return
            if size is not None:
                size["frames"] += len(picture_files.encode(frame, "jpeg"))
            with _timed(spent, "distill"):
                features = self._distiller.encode_frame(frame) if streams and index % needed == 0 else None
            yield frame, features

    def _distilled_and_sent(
        self,
        start: int,
        clip: Sequence[Any],
        streams: bool,
        keep: Callable[[DistilledClip], Any] | None,
        spent: "collections.Counter[str]",
    ) -> "Future[SentClip]":
        with _timed(spent, "distill"):
            stacked = np.stack([frame for frame, _ in clip])
            if streams:
                # Of the last clip, which ends with the stream, other frames may be needed.
                seen = [
                    self._distiller.encode_frame(frame) if its is None else its
                    for frame, its in clip[:: self._distiller.model.coarse_stride]
                ]
                distilled, matrix = self._distiller.distill_features(stacked, np.stack(seen))
            else:
                distilled, matrix = self._distiller.distill(stacked)
        if keep:
            keep(DistilledClip(start, stacked, matrix, distilled))
        with _timed(spent, "encode"):
            order = clip_coding.time_order(matrix)
            encoded = self._encoder.encode(distilled, order)
        return self._sender.submit(encoded, distilled, order)

    @staticmethod
    def _finished(start, future, spent):
        sent = future.result()
        taken = dict(spent)
        spent.clear()
        return start, sent, taken

    def _result(self, source, answered, began, num_bytes, shortfall=""):
        labels = self._distiller.labels
        probabilities = np.mean([sent.answer.probabilities for _, sent, _ in answered], axis=0)
        likeliest = np.argsort(-probabilities, kind="stable")[: signatures.TOP_K]
        seconds = collections.Counter()
        for _, sent, spent in answered:
            seconds.update(spent)
            seconds["send"] += sent.seconds
        return Recognition(
            source=source,
            start=answered[0][0] / self._distiller.model.frames_per_second,
            clips=len(answered),
            label=labels[likeliest[0]],
            score=float(probabilities[likeliest[0]]),
            classes=tuple(labels[index] for index in likeliest),
            scores=tuple(float(probabilities[index]) for index in likeliest),
            probabilities=tuple(map(float, probabilities)),
            version=answered[-1][1].answer.version,
            codec=self._encoder.codec,
            bytes={"distilled": sum(sent.num_bytes for _, sent, _ in answered), **num_bytes},
            seconds={**seconds, "total": time.perf_counter() - began},
            shortfall=shortfall,
        )


@contextlib.contextmanager
def _timed(spent, name):
    """Adds the seconds of its block to `spent[name]`."""
    began = time.perf_counter()
    yield
    spent[name] += time.perf_counter() - began
