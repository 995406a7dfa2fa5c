"""What every loaded model can do."""

import abc
import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

import numpy as np

from tsd_tf.client import capture
from tsd_tf.contract.errors import UnreadableVideoError, UserError
from tsd_tf.contract.text import printable
from tsd_tf.inference import given_frames, video_clips
from tsd_tf.inference.clip_format import ClipFormat
from tsd_tf.inference.prediction import Prediction
from tsd_tf.video import VIDEO_SUFFIXES, finding
from tsd_tf.video.distilled_clip import DistilledClip
from tsd_tf.video.isolated_decoder import IsolatedDecoder

_OF_RUNS = "this model is an export, which has none: load the run's folder instead"


class Answer(NamedTuple):
    """What a model makes of one clip.

    Attributes:
        probabilities: float32 (num_classes,).
        distilled_frames: Y, uint8 (T_s, height, width, 3).
        transformation_matrix: P, float32 (T, T_s).
    """

    probabilities: np.ndarray
    distilled_frames: np.ndarray
    transformation_matrix: np.ndarray


class Model(abc.ABC):
    """A trained network that is asked about videos; `tsd_tf.load` makes one.

    Args:
        name: what it is shown as.
        labels: the class names, by label.
        clip_format: how videos become its clips.

    Attributes:
        name, labels, clip_format: as given.
    """

    def __init__(self, name: str, labels: Sequence[str], clip_format: ClipFormat) -> None:
        self.name, self.labels, self.clip_format = name, tuple(labels), clip_format

    @abc.abstractmethod
    def answer(self, clip: np.ndarray) -> Answer:
        """What it makes of one clip, uint8 RGB (T, frame_size, frame_size, 3); nothing checks it."""

    @overload
    def predict(self, video: np.ndarray, clips: int = 1) -> Prediction: ...
    @overload
    def predict(self, video: str | os.PathLike, clips: int = 1, *, frame_folder_rate: float | None = None) -> Any: ...
    @overload
    def predict(
        self, video: Iterable[Any], clips: int = 1, *, frame_folder_rate: float | None = None
    ) -> Iterator[Prediction]: ...
    def predict(self, video: Any, clips: int = 1, *, frame_folder_rate: float | None = None) -> Any:
        """Recognises what happens in a video, or in several.

        The clips lie evenly over the video, the first at its beginning, the last at its end; a single one is its
        middle. A video shorter than a clip is looped. Probabilities are averaged over the clips.

        Args:
            video: a video file, a folder of videos, an array, or several of these in a list. An array holds uint8 RGB
                frames, (frames, height, width, 3), at the model's rate; anything else is refused.
            clips: Q, clips a video; a short one may have fewer different ones.
            frame_folder_rate: pictures a second of folders of numbered pictures, each of which is a video; None to
                take files alone.

        Returns:
            The Prediction of one video. Of a folder or a list an iterator of Predictions, in order, each made when it
            is asked for. In a folder, what cannot be read is left out with a warning.

        Raises:
            UserError: there is no such video, or an array is not as it must be.
            UnreadableVideoError: the video cannot be read.
        """
        if clips < 1:
            raise UserError(f"`clips` must be at least 1. Received: clips={clips}")
        if isinstance(video, str | os.PathLike):
            if os.path.isdir(video) and not (frame_folder_rate and finding.numbered_pictures(video)):
                return self._predict_folder(video, clips, frame_folder_rate)
            with contextlib.closing(IsolatedDecoder(frame_folder_rate=frame_folder_rate)) as decoder:
                return self._predict_file(video, clips, decoder)
        if hasattr(video, "__array__"):
            frames = given_frames.frames_of(video, self.clip_format)
            return self._predict("array", video_clips.evenly(lambda: frames, self.clip_format.num_frames, clips))
        if not isinstance(video, Iterable):
            raise UserError(f"`video` must be a path, an array, or a list of these. Received: {type(video).__name__}")
        return self._predict_each(video, clips, frame_folder_rate)

    def grad_cam(self, prediction: Prediction, label: str | None = None) -> np.ndarray:
        """Where in the distilled frames an answer comes from (Selvaraju et al., "Grad-CAM", ICCV 2017).

        Args:
            prediction: of this model.
            label: the class whose score is explained; None for the prediction's.

        Returns:
            float32 (Q, T_s, height, width), 0 to 1; 1 is where most of the score comes from in each clip. In time and
            space it is as coarse as the network's last features.

        Raises:
            UserError: there is no such class; the model is an export; or the main network is a user's own whose last
                features cannot be found.
        """
        raise UserError(f"`grad_cam` needs a network's gradients; {_OF_RUNS}")

    def push(self, repository: str, *, private: bool = False) -> str:
        """Uploads the network with a model card to the Hugging Face Hub, as `tsd_tf.load` takes it from there.

        Args:
            repository: hf://user/name; made if there is none.
            private: of a repository that is made.

        Returns:
            The address of the commit.

        Raises:
            UserError: the model is no run's; the extra `hub` is missing; the Hub is not reached, or refuses.
        """
        raise UserError(f"`push` uploads a run's weights and configuration; {_OF_RUNS}")

    def __repr__(self) -> str:
        form = self.clip_format
        frames = f"{form.num_frames} to {form.num_distilled_frames} frames of {form.frame_size} x {form.frame_size}"
        return f"<{type(self).__name__} {self.name}: {frames}, {len(self.labels)} classes>"

    def _predict_each(self, videos: Iterable[Any], clips: int, frame_folder_rate: float | None) -> Iterator[Prediction]:
        for video in videos:
            found = self.predict(video, clips, frame_folder_rate=frame_folder_rate)
            if isinstance(found, Prediction):
                yield found
            else:
                yield from found

    def _predict_folder(
        self, folder: str | os.PathLike, clips: int, frame_folder_rate: float | None
    ) -> Iterator[Prediction]:
        found = finding.find_known(folder, frame_folder_rate, warnings.warn)
        if not found:
            raise UserError(f"no video in {folder}: looked for *{', *'.join(VIDEO_SUFFIXES)} and numbered pictures")
        return self._predict_readable([os.path.join(folder, name) for name in found], clips, frame_folder_rate)

    def _predict_readable(
        self, paths: Sequence[str], clips: int, frame_folder_rate: float | None
    ) -> Iterator[Prediction]:
        with contextlib.closing(IsolatedDecoder(frame_folder_rate=frame_folder_rate)) as decoder:
            for path in paths:
                try:
                    prediction = self._predict_file(path, clips, decoder)
                except UnreadableVideoError as error:
                    warnings.warn(f"left out {error}", stacklevel=2)
                else:
                    yield prediction

    def _predict_file(self, path: str | os.PathLike, clips: int, decoder: IsolatedDecoder) -> Prediction:
        form = self.clip_format
        found = video_clips.evenly(lambda: capture.video_frames(path, form, decoder), form.num_frames, clips)
        if not found:
            raise UnreadableVideoError(f"{path}: no picture in it")
        return self._predict(printable(os.fspath(path)), found, decoder.shortfall)

    def _predict(self, source: str, clips: Sequence[video_clips.VideoClip], shortfall: str = "") -> Prediction:
        answers = [self.answer(clip.frames) for clip in clips]
        probabilities = np.stack([answer.probabilities for answer in answers])
        if not np.isfinite(probabilities).all():
            raise UserError(f"the network's answer for {source} is not finite: its training has diverged")
        return Prediction(
            source=source,
            labels=self.labels,
            probabilities=probabilities.mean(axis=0),
            clips=tuple(
                DistilledClip(int(clip.indices[0]), clip.frames, answer.transformation_matrix, answer.distilled_frames)
                for clip, answer in zip(clips, answers, strict=True)
            ),
            clip_probabilities=probabilities,
            indices=np.stack([clip.indices for clip in clips]),
            frame_rate=self.clip_format.frames_per_second,
            shortfall=shortfall,
        )
