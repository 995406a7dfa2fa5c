"""The versions of one model: which are loaded, and which one a request means."""

import os
import pathlib
from collections.abc import Mapping

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from tsd_tf.contract.errors import UserError
from tsd_tf.serving.servable import Servable
from tsd_tf.serving.serving_error import ServingError, invalid_argument

_State = get_model_status_pb2.ModelVersionStatus


class ModelStore:
    """Serves the newest version of a model folder, and those that labels name.

    Args:
        name: the model's name in requests.
        model_dir: folder with one SavedModel a version: model_dir/1, model_dir/2, ...
        labels: {label: version}.
    """

    def __init__(self, name: str, model_dir: str | os.PathLike, labels: Mapping[str, int] | None = None) -> None:
        self.name = name
        self._model_dir = pathlib.Path(model_dir)
        self._labels = dict(labels or {})
        self._servables: dict[int, Servable] = {}
        self._states: dict[int, tuple[int, str | None]] = {}  # ModelVersionStatus.State, error
        self._failed: dict[int, int] = {}  # when the files of a version that failed were written, in nanoseconds

    def _versions_on_disk(self) -> dict[int, pathlib.Path]:
        return {
            int(path.name): path
            for path in self._model_dir.glob("*")
            if path.name.isdecimal() and (path / "saved_model.pb").is_file()
        }

    def load(self) -> None:
        """Loads the versions that should be served and unloads the others.

        A version that cannot be loaded has the reason in its status, and the one before it goes on serving.

        Raises:
            UserError: no version can be served.
        """
        on_disk = self._versions_on_disk()
        for version in self._labels.values():
            self._load_one(version, on_disk.get(version))
        newest = next(
            (version for version in sorted(on_disk, reverse=True) if self._load_one(version, on_disk[version])), None
        )
        if newest is not None:
            for version in self._servables.keys() - {newest, *self._labels.values()}:
                self._servables = {key: value for key, value in self._servables.items() if key != version}
                self._states = {**self._states, version: (_State.END, None)}
        if not self._servables:
            reasons = "; ".join(f"version {version}: {error}" for version, (_, error) in self._states.items() if error)
            raise UserError(
                f"no model to serve: looked for {self._model_dir}/<version>/saved_model.pb; "
                f"python -m tsd_tf.export makes one{'. ' + reasons if reasons else ''}"
            )

    def _load_one(self, version: int, path: pathlib.Path | None) -> bool:
        """Whether the version serves; one that failed is tried again once its files have changed."""
        if version in self._servables:
            return True
        if path is None:
            return False
        written = max(file.stat().st_mtime_ns for file in (path, *path.rglob("*")))
        if self._failed.get(version) == written:
            return False
        self._states = {**self._states, version: (_State.LOADING, None)}
        try:
            servable = Servable(version, path)
        except Exception as error:
            self._failed[version] = written
            self._states = {**self._states, version: (_State.END, f"{type(error).__name__}: {error}".splitlines()[0])}
            return False
        # Requests in other threads see the old dictionary or the new one.
        self._servables = {**self._servables, version: servable}
        self._states = {**self._states, version: (_State.AVAILABLE, None)}
        return True

    def find(self, spec: model_pb2.ModelSpec) -> Servable:
        """The Servable that a ModelSpec means.

        Raises:
            ServingError: NOT_FOUND or INVALID_ARGUMENT, with TensorFlow Serving's texts.
        """
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
            version, wanted = max(self._servables), f"Latest({spec.name})"
        if spec.name != self.name or version not in self._servables:
            wanted = wanted or f"Specific({spec.name}, {version})"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        return self._servables[version]

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
