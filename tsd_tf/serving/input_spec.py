"""What a signature says of one of its inputs, without TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tsd_tf.serving.serving_error import invalid_argument


class InputSpec(NamedTuple):
    """Type and shape of an input.

    Attributes:
        dtype: TensorFlow's name of the type, which is also NumPy's but for "string".
        shape: sizes; -1 where the signature leaves them open.
    """

    dtype: str
    shape: tuple[int, ...]

    def check(self, alias: str, shape: Sequence[int]) -> None:
        """Raises ServingError unless a value of this shape fits; `alias` is the input's name."""
        fits = len(shape) == len(self.shape) and all(
            size >= 1 if wanted < 0 else size == wanted for size, wanted in zip(shape, self.shape, strict=True)
        )
        if not fits:
            wanted = ",".join("?" if size < 0 else str(size) for size in self.shape)
            got = ",".join(map(str, shape))
            raise invalid_argument(f"input {alias} must have shape [{wanted}], every ? at least 1. Received: [{got}]")


Signatures = Mapping[str, Mapping[str, InputSpec]]  # the inputs of each, by name
