"""What a model answers to a video, and how that is shown."""

import dataclasses
import os
import pathlib
import sys
import tempfile
import webbrowser

import numpy as np

from tsd_tf.contract import files, signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.inference.source import Source
from tsd_tf.reporting import recognition_page
from tsd_tf.reporting.shown_video import ShownVideo
from tsd_tf.video import distilled_clip
from tsd_tf.video.distilled_clip import DistilledClip


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to a video: the mean over its clips, and for each clip what the client half made of it.

    In a notebook it shows itself as a picture.

    Attributes:
        source: the video's path, or "array".
        labels: the class names.
        probabilities: float32 (num_classes,), in the order of `labels`; the mean over the clips.
        clips: a DistilledClip each: X, P and Y.
        clip_probabilities: float32 (Q, num_classes), of each clip.
        indices: (Q, T), of each frame of each clip among those of the video, at the clips' rate.
        frame_rate: of the clips, frames a second.
        shortfall: what of the video could not be read, in words; empty if it is whole.
    """

    source: str
    labels: tuple[str, ...]
    probabilities: np.ndarray
    clips: tuple[DistilledClip, ...]
    clip_probabilities: np.ndarray
    indices: np.ndarray
    frame_rate: float
    shortfall: str = ""

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.classes[0]

    @property
    def score(self) -> float:
        """The probability of the likeliest class."""
        return self.scores[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """The likeliest classes, likeliest first; five at most."""
        return tuple(self.labels[index] for index in self._likeliest)

    @property
    def scores(self) -> tuple[float, ...]:
        """The probabilities of `classes`."""
        return tuple(float(self.probabilities[index]) for index in self._likeliest)

    @property
    def times(self) -> np.ndarray:
        """Seconds from the video's beginning to each frame of each clip, (Q, T)."""
        return self.indices / self.frame_rate

    @property
    def distilled_frames(self) -> np.ndarray:
        """Y, uint8 (Q, T_s, height, width, 3)."""
        return np.stack([clip.distilled_frames for clip in self.clips])

    @property
    def transformation_matrix(self) -> np.ndarray:
        """P, float32 (Q, T, T_s); its columns sum to 1."""
        return np.stack([clip.transformation_matrix for clip in self.clips])

    def sources(self, clip: int = 0, most: int = 3) -> list[list[Source]]:
        """For each distilled frame of a clip, the frames that most of it comes from, the strongest first.

        Args:
            clip: index of the clip.
            most: how many for each; frames that have no share at all are left out.
        """
        indices, times = self.indices[clip], self.times[clip]
        found = []
        for column in self.clips[clip].transformation_matrix.T:
            strongest = np.argsort(-column, kind="stable")[:most]
            found.append(
                [Source(float(column[i]), float(times[i]), int(indices[i])) for i in strongest if column[i] > 0]
            )
        return found

    def show(self) -> None:
        """Shows the clips, P over time and the distilled frames: in the notebook, or as a page in the browser."""
        if _is_in_notebook():
            from IPython.display import display

            display(self)
            return
        path = pathlib.Path(tempfile.mkdtemp(prefix="tsd_tf-")) / "prediction.html"
        self.save(path)
        if not webbrowser.open(path.as_uri()):
            print(f"there is no browser to show it: {path}")

    def save(self, path: str | os.PathLike, heat: np.ndarray | None = None) -> None:
        """Writes it as a file, whole or not at all.

        Args:
            path: its ending says what: .png, a picture; .html, a page; .npz, the arrays of the clips.
            heat: a model's `grad_cam` of this prediction, which is drawn over the distilled frames of a picture.

        Raises:
            UserError: the ending is another; `heat` is not of this prediction, or not for a picture; matplotlib is
                missing, which draws the picture.
            OSError: the file cannot be written.
        """
        suffix = pathlib.Path(path).suffix.lower()
        if heat is not None and suffix != ".png":
            raise UserError(f"`heat` is drawn into pictures, whose names end in .png. Received: path={path}")
        if suffix == ".png":
            files.write(path, self.picture(heat))
        elif suffix == ".html":
            files.write(path, recognition_page.page(f"{self.label}, {self.score:.0%} sure", [], [self._shown]))
        elif suffix == ".npz":
            distilled_clip.write(path, self.clips)
        else:
            raise UserError(f"`path` must end in .png, .html or .npz. Received: path={path}")

    def picture(self, heat: np.ndarray | None = None) -> bytes:
        """The clips, P over time and the distilled frames as a PNG; see `save`."""
        try:
            from tsd_tf.reporting import prediction_picture
        except ModuleNotFoundError as error:
            raise UserError(
                f"a picture needs {error.name}, which is not installed: pip install 'tsd_tf[train]'; `save` writes a "
                "page, .html, without it"
            ) from error
        shape = (len(self.clips), *self.clips[0].distilled_frames.shape[:3])
        if heat is not None and np.shape(heat) != shape:
            raise UserError(f"`heat` must be of shape {shape}, as this prediction. Received: {np.shape(heat)}")
        return prediction_picture.draw(self._shown, self.times, heat)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; nothing where the packages for it are missing: it then shows the text."""
        try:
            return self.picture()
        except UserError:
            return None

    def __repr__(self) -> str:
        ranked = [f"{name} {score:.0%}" for name, score in zip(self.classes, self.scores, strict=True)]
        others = f" ({', '.join(ranked[1:3])})" if len(ranked) > 1 else ""
        clips = f"{len(self.clips)} clip{'s' * (len(self.clips) != 1)}"
        return f"<Prediction {ranked[0]}{others}, {clips} of {os.path.basename(self.source)}>"

    @property
    def _likeliest(self) -> list[int]:
        return np.argsort(-self.probabilities, kind="stable")[: signatures.TOP_K].tolist()

    @property
    def _shown(self) -> ShownVideo:
        name, note = os.path.basename(self.source), self.shortfall and f"{self.shortfall}."
        return ShownVideo(name=name, answer=self.label, score=self.score, clips=self.clips, note=note)


def _is_in_notebook() -> bool:
    """Whether a Jupyter kernel runs this; in IPython at a terminal nobody would see a picture."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None
