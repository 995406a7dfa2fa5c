"""What every engine has in common."""

import abc
from typing import ClassVar

import numpy as np


class Engine(abc.ABC):
    """The cloud half of one version, ready to be called from any thread.

    Attributes:
        name: one of tsd_tf.engines.kinds.ENGINES.
        precision: one of tsd_tf.engines.kinds.PRECISIONS: what its convolutions compute in.
        difference: largest absolute difference of its probabilities from those that the export recorded; None if that
            was not looked at.
    """

    name: ClassVar[str]
    precision: str
    difference: float | None = None

    @abc.abstractmethod
    def call(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name; see tsd_tf.contract.signatures.
            inputs: {alias: array of the type and shape that the signature states}; nothing checks them.

        Returns:
            {alias: array}.

        Raises:
            tf.errors.OpError: the model refuses the values, or failed.
        """
