"""The client's Python interface: from a video to its class."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tsd_tf.client import capture, clips
from tsd_tf.client.answer import Answer
from tsd_tf.client.clip_encoder import ClipEncoder
from tsd_tf.client.connection import Connection, UnknownSignatureError
from tsd_tf.client.distiller import Distiller
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.video import clip_coding, finding, picture_files
from tsd_tf.video.isolated_decoder import IsolatedDecoder


@dataclasses.dataclass(frozen=True)
class Recognition:
    """The answer for a video, or for one clip of a camera.

    Attributes:
        source: the video's path, "camera 0", or the stream's URL.
        start: seconds from the beginning to the first clip.
        clips: number of clips; their probabilities are averaged.
        label, score: the likeliest class and its probability.
        classes, scores: the likeliest classes and their probabilities.
        probabilities: of all classes, by label.
        version: of the model that answered; None by REST.
        codec: how the distilled frames travelled, at the end.
        bytes: {"distilled": of all requests, see tsd_tf.contract.messages.predict_request, "frames": all T frames of
            the clips as JPEG of the default quality, each once, "video": the file or the folder's pictures}; "frames"
            and "video" only of videos.
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
    """Captures, distils, encodes and sends.

    Args:
        distiller: the client half.
        connection: to the cloud half.
        codec, quality: see ClipEncoder.
        stride: frames between the starts of two clips, 1 to T; None for T. Overlapping clips reuse the coarse features
            of the frames that they share.
        max_in_flight: clips that may wait for their answer before capturing pauses.
        frame_folder_rate: pictures a second of folders of numbered pictures; None to take files alone.
        preset, encoder, note: see ClipEncoder.

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
    ) -> None:
        model = distiller.model
        num_frames = model.num_frames
        self._stride = stride or num_frames
        if not 1 <= self._stride <= num_frames:
            raise UserError(f"`stride` must be between 1 and T = {num_frames}. Received: stride={stride}")
        self._distiller, self._connection = distiller, connection
        self._max_in_flight = max_in_flight
        shape = model.num_distilled_frames, model.frame_size, model.frame_size
        self._encoder = ClipEncoder(shape, codec, quality, preset, encoder, note)
        self._decoder = IsolatedDecoder(frame_folder_rate=frame_folder_rate)

    def recognize(self, path: str | os.PathLike, keep: Callable[[np.ndarray], Any] | None = None) -> Recognition:
        """The Recognition of a video file.

        Args:
            path: the file, or a folder of numbered pictures.
            keep: called with the distilled frames, uint8 (T_s, H, W, 3), of every clip.

        Raises:
            UserError: the video cannot be read, or the server does not answer.
        """
        began = time.perf_counter()
        size = {"frames": 0}
        source = capture.video_frames(path, self._distiller.model, self._decoder)
        answered = list(self._answers(source, False, keep, size))
        size["video"] = finding.num_bytes(path)
        return self._result(os.fspath(path), answered, began, size, self._decoder.shortfall)

    def close(self) -> None:
        """Ends the process that decodes videos; it ends with this one in any case."""
        self._decoder.close()

    def watch(self, camera: int | str, keep: Callable[[np.ndarray], Any] | None = None) -> Iterator[Recognition]:
        """Yields the Recognition of clip after clip of a camera or stream, its frames encoded as they arrive.

        Args:
            camera: its number, or the URL of a stream.
            keep: see `recognize`.

        Raises:
            UserError: there is no such camera, or the server does not answer.
        """
        began = time.perf_counter()
        name = f"camera {camera}" if isinstance(camera, int) else camera
        source = capture.camera_frames(camera, self._distiller.model, self._decoder)
        for answer in self._answers(source, True, keep, None):
            yield self._result(name, [answer], began, {})
            began = time.perf_counter()

    def _answers(
        self,
        source: Iterator[np.ndarray],
        live: bool,
        keep: Callable[[np.ndarray], Any] | None,
        size: dict[str, int] | None,
    ) -> Iterator[tuple[int, Answer, int, dict[str, float]]]:
        """Yields (start, Answer, bytes sent, seconds) of every clip, in order."""
        spent: collections.Counter[str] = collections.Counter()
        num_frames = self._distiller.model.num_frames
        streams = self._distiller.can_stream and (live or self._stride < num_frames)
        pending: collections.deque[tuple[int, concurrent.futures.Future]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(self._max_in_flight, "send") as senders:
            for start, clip in clips.sliding(self._frames(source, streams, spent, size), num_frames, self._stride):
                with _timed(spent, "distill"):
                    frames, features = zip(*clip, strict=True)
                    if streams:
                        distilled, matrix = self._distiller.distill_features(np.stack(frames), np.stack(features))
                    else:
                        distilled, matrix = self._distiller.distill(np.stack(frames))
                if keep:
                    keep(distilled)
                with _timed(spent, "encode"):
                    order = clip_coding.time_order(matrix)
                    encoded = self._encoder.encode(distilled, order)
                pending.append((start, senders.submit(self._classify, encoded, distilled, order)))
                if len(pending) >= self._max_in_flight or live:
                    yield self._finished(pending.popleft(), spent)
            while pending:
                yield self._finished(pending.popleft(), spent)

    def _frames(self, source, streams, spent, size):
        """Yields (frame, its coarse features or None)."""
        while True:
            with _timed(spent, "capture"):
                frame = next(source, None)
            if frame is None:
                return
            if size is not None:
                size["frames"] += len(picture_files.encode(frame, "jpeg"))
            with _timed(spent, "distill"):
                features = self._distiller.encode_frame(frame) if streams else None
            yield frame, features

    def _classify(self, encoded, distilled, order):
        """(the answer, bytes sent, seconds)"""
        began = time.perf_counter()
        num_bytes = encoded.num_bytes
        try:
            answer = self._connection.classify(*encoded)
        except UnknownSignatureError as error:
            if encoded.signature != signatures.CODED:
                raise
            self._encoder.give_up_coded(error)
            encoded = self._encoder.encode(distilled, order)
            num_bytes += encoded.num_bytes
            answer = self._connection.classify(*encoded)
        return answer, num_bytes, time.perf_counter() - began

    @staticmethod
    def _finished(pending, spent):
        start, future = pending
        answer, num_bytes, seconds = future.result()
        spent["send"] += seconds
        taken = dict(spent)
        spent.clear()
        return start, answer, num_bytes, taken

    def _result(self, source, answered, began, num_bytes, shortfall=""):
        labels = self._distiller.labels
        for _, answer, _, _ in answered:
            known = labels[answer.probabilities.argmax()] if len(answer.probabilities) == len(labels) else None
            if known != answer.classes[0]:
                raise UserError(
                    f"the server answers with {len(answer.probabilities)} classes and calls the likeliest one "
                    f"{answer.classes[0]!r}, but the labels.txt of this client has {len(labels)} and calls it "
                    f"{known!r}: they are of different exports"
                )
        probabilities = np.mean([answer.probabilities for _, answer, _, _ in answered], axis=0)
        likeliest = np.argsort(-probabilities, kind="stable")[: signatures.TOP_K]
        seconds = collections.Counter()
        for *_, spent in answered:
            seconds.update(spent)
        return Recognition(
            source=source,
            start=answered[0][0] / self._distiller.model.frames_per_second,
            clips=len(answered),
            label=labels[likeliest[0]],
            score=float(probabilities[likeliest[0]]),
            classes=tuple(labels[index] for index in likeliest),
            scores=tuple(float(probabilities[index]) for index in likeliest),
            probabilities=tuple(map(float, probabilities)),
            version=answered[-1][1].version,
            codec=self._encoder.codec,
            bytes={"distilled": sum(sent for _, _, sent, _ in answered), **num_bytes},
            seconds={**seconds, "total": time.perf_counter() - began},
            shortfall=shortfall,
        )


@contextlib.contextmanager
def _timed(spent, name):
    """Adds the seconds of its block to `spent[name]`."""
    began = time.perf_counter()
    yield
    spent[name] += time.perf_counter() - began
