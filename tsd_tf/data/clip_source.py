"""What every source of clips has in common: checked iteration, and closing."""

import abc
import atexit
import contextlib
import dataclasses
import weakref
from collections.abc import Generator, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tsd_tf.contract.clip_spec import ClipSpec
from tsd_tf.contract.errors import UserError
from tsd_tf.data import clip_reader
from tsd_tf.data.records import Records

_SOURCES: weakref.WeakSet = weakref.WeakSet()


@dataclasses.dataclass(eq=False)
class ClipSource(contextlib.AbstractContextManager["ClipSource"]):
    """Iterable of batches of clips; each iteration begins anew.

    An iteration notes damaged records in `records`. It raises a UserError that names the record and its shard if more
    are damaged than tolerated, or if a shard has gone.

    Use it as a context, or call `close`: that stops the threads of unfinished iterations. So does the end of the
    program.

    Attributes:
        records: a Records.
        spec: a ClipSpec.
        dataset: the batches as a tf.data.Dataset, "damage" among them: for each clip b"", or what is wrong with it.
    """

    records: Records
    spec: ClipSpec
    _leaves_damaged_out = False

    def __post_init__(self) -> None:
        self._open: weakref.WeakSet = weakref.WeakSet()
        _SOURCES.add(self)

    @property
    @abc.abstractmethod
    def dataset(self) -> tf.data.Dataset: ...

    def __iter__(self) -> Generator[dict[str, Any], None, None]:
        batches = self._checked()
        self._open.add(batches)
        return batches

    def close(self) -> None:
        """Ends all iterations."""
        for batches in list(self._open):
            batches.close()

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _batches(self) -> Iterable[dict[str, Any]]:
        return self.dataset

    def _checked(self) -> Generator[dict[str, Any], None, None]:
        for batch in self._batches():
            batch = dict(batch)
            problems = batch.pop("damage")
            for problem in np.concatenate([part.numpy() for part in getattr(problems, "values", (problems,))]):
                if not problem:
                    continue
                kind, shard, index, message = clip_reader.parse_problem(problem)
                if kind == clip_reader.LOST:
                    raise UserError(f"a shard has gone while it was read: {message}")
                self.records.add_damage(shard, index, message)
            if self._leaves_damaged_out and np.any(batch["label"] < 0):
                batch = {name: tf.boolean_mask(value, batch["label"] >= 0) for name, value in batch.items()}
                if not len(batch["label"]):
                    continue
            yield batch


@atexit.register
def _close() -> None:
    """Stops the threads that read ahead while they can still enter Python; later they would never end."""
    for source in list(_SOURCES):
        with contextlib.suppress(ValueError):  # it runs in another thread
            source.close()
