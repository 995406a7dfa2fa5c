"""Whether the cloud half that answers is the client half's own."""

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tsd_tf.client.answer import Answer
from tsd_tf.client.connection import Connection
from tsd_tf.client.served_model import ServedModel
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import ClientModel
from tsd_tf.contract.text import printable

_LOOK_AGAIN_SECONDS = 30.0  # where answers do not tell their version


class Partner:
    """Compares what a server tells, and every answer, with the client half. Threads may share it.

    A model of other clips or classes is an error: its answers mean something else. One of another version with the same
    clips and classes answers, as it must while a new export is handed out, but the two have never been tested together:
    that is said once for each version.

    Args:
        connection: to the server.
        model: the client half.
        labels: the class names, by label.
        note: is called with a line when the version is another.
    """

    def __init__(
        self, connection: Connection, model: ClientModel, labels: Sequence[str], note: Callable[[str], Any]
    ) -> None:
        self._connection, self._model, self._labels, self._note = connection, model, labels, note
        self._places = {label: place for place, label in enumerate(labels)}
        self._lock = threading.Lock()
        self._served: ServedModel | None = None
        self._looked_at = 0.0
        self._answered: int | None = None
        self._noted: set[int] = set()

    def look(self, since: float | None = None) -> None:
        """Before a clip is sent: asks the server what it serves, unless that is known.

        Args:
            since: see Connection.classify.

        Raises:
            UserError: its model takes other clips, or knows another number of classes.
            UnansweredError: see Connection.describe.
        """
        with self._lock:  # one thread asks for all
            is_due = self._served is None or (
                not self._connection.tells_versions and time.monotonic() - self._looked_at > _LOOK_AGAIN_SECONDS
            )
            if is_due:
                self._look(since)

    def check(self, answer: Answer) -> Answer:
        """The answer, with the version of the model if that is known otherwise.

        Raises:
            UserError: it is of a model of other clips or classes.
            UnansweredError: see Connection.describe.
        """
        self._check_classes(answer)
        with self._lock:
            known = None if self._served is None else self._served.version
            if answer.version is None:
                return dataclasses.replace(answer, version=known)
            if answer.version != self._answered:
                self._answered = answer.version
                if answer.version != known:
                    self._look(None)
                self._note_version(answer.version)
        return answer

    def _look(self, since: float | None) -> None:
        served = self._connection.describe(since)
        if difference := served.mismatch(self._model, len(self._labels)):
            raise UserError(f"{self._connection.server} {difference}")
        self._served, self._looked_at = served, time.monotonic()
        if served.version is not None:
            self._note_version(served.version)

    def _note_version(self, version: int) -> None:
        if version != self._model.version and version not in self._noted:
            self._noted.add(version)
            self._note(
                f"{self._connection.server} answers with version {version} of the model, and this client half is of "
                f"version {self._model.version}: they were not tested together"
            )

    def _check_classes(self, answer: Answer) -> None:
        probabilities, labels = answer.probabilities, self._labels
        if len(probabilities) != len(labels):
            raise UserError(
                f"the server answers with {len(probabilities)} classes, and the labels.txt of this client has "
                f"{len(labels)}: they are of different exports"
            )
        for rank, name in enumerate(answer.classes):
            place = self._places.get(name)
            likely = np.sort(probabilities)[-1 - rank]
            # Classes that are equally likely come in any order.
            if place is None or not np.isclose(probabilities[place], likely, rtol=1e-4, atol=1e-7):
                known = labels[int(np.argsort(-probabilities, kind="stable")[rank])]
                raise UserError(
                    f"the server calls the class of rank {rank + 1} {printable(name, 60)!r}, and the labels.txt of "
                    f"this client calls it {known!r}: they are of different exports"
                )
