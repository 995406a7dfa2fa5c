"""A Keras network that answers to videos."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from tsd_tf.contract.errors import UserError
from tsd_tf.data.preprocessing import to_network_input, to_uint8
from tsd_tf.inference import hub, model_card
from tsd_tf.inference.clip_format import ClipFormat
from tsd_tf.inference.model import Answer, Model
from tsd_tf.inference.prediction import Prediction
from tsd_tf.network import FewFrameNetwork
from tsd_tf.work_directory import WorkDirectory


class NetworkModel(Model):
    """A FewFrameNetwork, loaded from a run or a file, or trained in Python.

    Args:
        network: built.
        labels: the class names, by label; None for "class 0", "class 1", ...
        clip_format: how videos become its clips; None where that is not known: at 25 frames a second, and a short side
            of 8/7 of the crop, as 256 to 224.
        name: what it is shown as.
        run: that it is of, where it is of one: `push` uploads its configuration and what its tests found.
        checkpoint: the name of the run's checkpoint that holds its weights.

    Attributes:
        network: as given.

    Raises:
        UserError: the labels are not as many as the network's classes, or the clips not those that it takes.
    """

    def __init__(
        self,
        network: FewFrameNetwork,
        labels: Sequence[str] | None = None,
        clip_format: ClipFormat | None = None,
        name: str = "network",
        run: WorkDirectory | None = None,
        checkpoint: str = "",
    ) -> None:
        num_frames, size = network.clip_shape[:2]
        num_distilled = network.selector.num_distilled_frames
        form = clip_format or ClipFormat(num_frames, num_distilled, size, short_side=round(size * 8 / 7))
        if (form.num_frames, form.num_distilled_frames, form.frame_size) != (num_frames, num_distilled, size):
            raise UserError(
                f"`clip_format` must be of {num_frames} to {num_distilled} frames of {size} pixels, as the network is. "
                f"Received: {form.num_frames} to {form.num_distilled_frames} frames of {form.frame_size} pixels"
            )
        labels = [f"class {index}" for index in range(network.num_classes)] if labels is None else labels
        if len(labels) != network.num_classes:
            raise UserError(f"`labels` must name each of the {network.num_classes} classes. Received: {len(labels)}")
        super().__init__(name, labels, form)
        self.network, self._run, self._checkpoint = network, run, checkpoint

    def answer(self, clip: np.ndarray) -> Answer:
        frames = to_network_input(clip[None])
        # A method that draws frames at random draws the same ones of every clip.
        matrix = self.network.transformation_matrix(frames, seeds=np.zeros((1, 2), np.int32), training=False)
        distilled = self.network.frame_distillation(frames, matrix)
        probabilities = ops.softmax(self.network.cloud(distilled, training=False))
        found = (probabilities, to_uint8(distilled), ops.cast(matrix, "float32"))
        return Answer(*(ops.convert_to_numpy(one)[0] for one in found))

    def grad_cam(self, prediction: Prediction, label: str | None = None) -> np.ndarray:
        label = prediction.label if label is None else label
        if label not in self.labels:
            raise UserError(f"`label` must be one of the {len(self.labels)} classes of the model. Received: {label}")
        number = self.labels.index(label)
        if keras.backend.backend() != "tensorflow":
            raise UserError(f"`grad_cam` needs the Keras backend tensorflow, and {keras.backend.backend()} is chosen")
        from tsd_tf.inference import grad_cam

        return np.stack(
            [
                grad_cam.grad_cam(
                    self.network.main_network, ops.convert_to_numpy(to_network_input(clip.distilled_frames)), number
                )
                for clip in prediction.clips
            ]
        )

    def push(self, repository: str, *, private: bool = False) -> str:
        if self._run is None:
            raise UserError(
                "`push` uploads a run's weights and configuration; this model is of no run: load a work directory"
            )
        config = self._run.config()
        name = repository.removeprefix(hub.SCHEME)
        card = model_card.card(name, self.network, config, self.labels, self._run.path, self._checkpoint)
        return hub.upload(repository, self.network, config, self.labels, card, private)
