"""What a server tells of its model."""

import dataclasses
from typing import Any

from tsd_tf.contract import model_metadata
from tsd_tf.contract.signatures import ClientModel


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """The model that answers, as far as its metadata tell.

    Attributes:
        version: its number.
        clip_shape: (T_s, H, W) of the clips that it takes.
        num_classes: how many probabilities it answers with.
    """

    version: int | None = None
    clip_shape: tuple[int, int, int] | None = None
    num_classes: int | None = None

    @classmethod
    def of(cls, found: Any, version: int) -> "ServedModel":
        """From a SignatureDefMap and the version that it is of; 0 if that is not known."""
        return cls(version or None, model_metadata.shape_of(found), model_metadata.num_classes_of(found))

    def mismatch(self, model: ClientModel, num_labels: int) -> str:
        """In what it differs from a client half, as the rest of a sentence that begins with the server; "" if they fit.

        Args:
            model: the client half.
            num_labels: its classes.
        """
        shape = (model.num_distilled_frames, model.frame_size, model.frame_size)
        if self.clip_shape not in (None, shape):
            return (
                f"serves a model of clips of {_in_words(self.clip_shape)}, and this client half makes them "
                f"of {_in_words(shape)}: they are of different exports"
            )
        if self.num_classes not in (None, num_labels):
            return (
                f"serves a model of {self.num_classes} classes, and the labels.txt of this client has "
                f"{num_labels}: they are of different exports"
            )
        return ""


def _in_words(shape: tuple[int, int, int] | None) -> str:
    frames, height, width = shape or (0, 0, 0)
    return f"{frames} frames of {width} x {height}"
