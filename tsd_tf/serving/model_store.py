"""The versions of one model: which are loaded, and which one a request means."""

import gc
import logging
import os
import pathlib
import time
from collections.abc import Mapping

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from tsd_tf.contract.errors import UserError
from tsd_tf.serving import model_folder
from tsd_tf.serving.model_folder import ModelFolder
from tsd_tf.serving.servable import Servable
from tsd_tf.serving.serving_error import ServingError, invalid_argument

_LOG = logging.getLogger(__name__)
_State = get_model_status_pb2.ModelVersionStatus
_SECONDS_BETWEEN_TRIES = 300.0  # of a version that failed though its files stay the same
_ENDED_TO_REMEMBER = 10


class ModelStore:
    """Serves the newest version of a model folder, and those that labels name.

    `load` and `refresh` are for one thread, the other methods for any.

    Args:
        name: the model's name in requests.
        model_dir: folder with one SavedModel a version: model_dir/1, model_dir/2, ...
        labels: {label: version}.
        engine, precision: what runs them; see tsd_tf.engines.choice.load.
    """

    def __init__(
        self,
        name: str,
        model_dir: str | os.PathLike,
        labels: Mapping[str, int] | None = None,
        engine: str = "tensorflow",
        precision: str = "float32",
    ) -> None:
        self.name = name
        self._folder = ModelFolder(model_dir)
        self._labels = dict(labels or {})
        self._engine, self._precision = engine, precision
        # Both are replaced, never changed: requests in other threads see the old dictionary or the new one.
        self._servables: dict[int, Servable] = {}
        self._states: dict[int, tuple[int, str | None]] = {}  # ModelVersionStatus.State, error
        self._seen: dict[int, int] = {}  # stamps of versions that were not loaded at the last look
        self._failed: dict[int, tuple[int, float]] = {}  # stamp of a version that failed, time of its next try
        self._trouble = ""  # with the folder, as last told

    def load(self) -> None:
        """Loads what is there, at once.

        Raises:
            UserError: no version can be served.
        """
        reasons = ""
        try:
            self._update(self._folder.versions(), settled=True)
            reasons = "; ".join(f"version {version}: {error}" for version, (_, error) in self._states.items() if error)
        except OSError as error:
            reasons = error.strerror or str(error)
        if not self._servables:
            raise UserError(
                f"no model to serve: looked for {self._folder.path}/<version>/saved_model.pb; "
                f"python -m tsd_tf.export makes one{'. ' + reasons if reasons else ''}"
            )

    def refresh(self) -> None:
        """Loads and unloads what has come and gone in the folder, which may hold anything.

        A version is loaded at the second look at which its files are the same: it may be being copied. The one before
        is unloaded when it serves. A version that cannot be loaded has the reason in its status, and is tried again
        when its files change, or after some minutes; the one before it goes on serving.
        """
        try:
            versions = self._folder.versions()
            trouble = "" if versions else "holds no version"
        except OSError as error:
            versions, trouble = {}, f"cannot be read: {error.strerror}"
        if trouble != self._trouble:
            _LOG.warning(
                "the model folder %s %s; version %d serves",
                self._folder.path,
                trouble or "holds versions again",
                max(self._servables),
                extra={"event": "model_folder", "trouble": trouble},
            )
            self._trouble = trouble
        self._update(versions, settled=False)

    def _update(self, versions: Mapping[int, pathlib.Path], settled: bool) -> None:
        before, seen = max(self._servables, default=0), self._seen
        self._seen = {}

        def serves(version: int) -> bool:
            if version not in versions or version in self._servables:
                return version in versions
            stamp = model_folder.stamp(versions[version])
            self._seen[version] = stamp
            failed_at, next_try = self._failed.get(version, (None, 0.0))
            if not settled and seen.get(version) != stamp or failed_at == stamp and time.monotonic() < next_try:
                return False
            return self._load_one(version, versions[version], stamp)

        labelled = {version for version in self._labels.values() if serves(version)}
        newest = next(filter(serves, sorted(versions, reverse=True)), None)
        self._failed = {version: failure for version, failure in self._failed.items() if version in versions}
        if newest is None:
            return
        if newest < before:
            values = {"event": "rolled_back", "model": self.name, "version": newest, "from_version": before}
            _LOG.warning("version %d of %s is gone; version %d serves", before, self.name, newest, extra=values)
        for version in sorted(self._servables.keys() - labelled - {newest}):
            self._unload(version)
        ended = [version for version, (state, _) in self._states.items() if state == _State.END]
        forgotten = sorted(set(ended) - versions.keys())[:-_ENDED_TO_REMEMBER]
        self._states = {version: state for version, state in self._states.items() if version not in forgotten}

    def _load_one(self, version: int, path: pathlib.Path, stamp: int) -> bool:
        """Whether it could be loaded."""
        self._set_state(version, _State.LOADING)
        start = time.monotonic()
        try:
            model_folder.require_files(path)
            servable = Servable(version, path, self._engine, self._precision)
            if model_folder.stamp(path) != stamp:
                raise ValueError("its files changed while it was loaded")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:500]
            self._failed[version] = stamp, time.monotonic() + _SECONDS_BETWEEN_TRIES
            self._set_state(version, _State.END, reason)
            values = {"event": "version_failed", "model": self.name, "version": version, "reason": reason}
            _LOG.error("version %d of %s cannot be loaded: %s", version, self.name, reason, extra=values)
            return False
        self._servables = {**self._servables, version: servable}
        self._set_state(version, _State.AVAILABLE)
        seconds = round(time.monotonic() - start, 3)
        engine = servable.engine
        values = {"event": "version_loaded", "model": self.name, "version": version, "seconds": seconds}
        values |= {"engine": engine.name, "precision": engine.precision, "difference": engine.difference}
        _LOG.info(
            "version %d of %s is loaded, in %.1f s: %s by %s",
            *(version, self.name, seconds, engine.precision, engine.name),
            extra=values,
        )
        return True

    def _unload(self, version: int) -> None:
        """Requests that are in it finish there."""
        self._servables = {key: value for key, value in self._servables.items() if key != version}
        self._set_state(version, _State.END)
        gc.collect()  # what TensorFlow holds of it is held in circles
        values = {"event": "version_unloaded", "model": self.name, "version": version}
        _LOG.info("version %d of %s is unloaded", version, self.name, extra=values)

    def _set_state(self, version: int, state: int, error: str | None = None) -> None:
        self._states = {**self._states, version: (state, error)}

    def find(self, spec: model_pb2.ModelSpec) -> Servable:
        """The Servable that a ModelSpec means.

        Raises:
            ServingError: NOT_FOUND or INVALID_ARGUMENT, with TensorFlow Serving's texts; UNAVAILABLE before the first
                is loaded.
        """
        servables = self._servables  # as it is now
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            if spec.name != self.name or spec.version_label not in self._labels:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
            version, wanted = self._labels[spec.version_label], None
        elif choice == "version":
            version, wanted = spec.version.value, None
        else:
            version, wanted = max(servables, default=0), f"Latest({spec.name})"
        if spec.name == self.name and not servables:
            raise ServingError(grpc.StatusCode.UNAVAILABLE, f"{self.name} is being loaded")
        if spec.name != self.name or version not in servables:
            wanted = wanted or f"Specific({spec.name}, {version})"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        return servables[version]

    def status(self, spec: model_pb2.ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        """GetModelStatusResponse for a ModelSpec.

        Raises:
            ServingError: see `find`.
        """
        states = self._states if spec.name == self.name else {}
        choice = spec.WhichOneof("version_choice")
        if choice == "version_label":
            states = {self.find(spec).version: (_State.AVAILABLE, None)}
        elif choice == "version":
            version = spec.version.value
            if version not in states:
                raise ServingError(grpc.StatusCode.NOT_FOUND, f"Could not find version {version} of model {spec.name}")
            states = {version: states[version]}
        if not states:
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, (state, error) in sorted(states.items(), reverse=True):
            entry = response.model_version_status.add(version=version, state=state)
            entry.status.error_code = grpc.StatusCode.UNKNOWN.value[0] if error else 0
            entry.status.error_message = error or ""
        return response
