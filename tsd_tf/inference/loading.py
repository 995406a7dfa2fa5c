"""From a path or a name to a model."""

import os
import pathlib
from collections.abc import Sequence

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.inference.model import Model

_KINDS = (
    "a run's work directory (config.json), an export's folder (client.json), one of an export's .tflite files, a "
    ".keras file of a FewFrameNetwork, or hf://user/name"
)


def load(
    source: str | os.PathLike,
    *,
    checkpoint: str | int = "latest",
    labels: Sequence[str] | None = None,
    server: str | None = None,
) -> Model:
    """Loads a trained network, ready for `predict`.

    Args:
        source: a run's work directory; an export's folder, whose client half in float32 is taken, or the .tflite file
            of another; a .keras file, as `network.save` writes it, with `labels.txt` and the run's `config.json` beside
            it if they are there; or hf://user/name, a repository on the Hugging Face Hub that `Model.push` wrote, with
            hf://user/name@revision a branch, tag or commit of it.
        checkpoint: of a run: "latest", "best" (on validation), or the number of its step.
        labels: the class names of a .keras file without `labels.txt`.
        server: of an export: the address of a server or gateway that answers in place of the export's cloud half, so
            that TensorFlow is not needed; see tsd_tf.client.

    Raises:
        UserError: there is no such thing, it is damaged or does not fit together, or a package is missing.
    """
    path = pathlib.Path(source)
    try:
        if os.fspath(source).startswith("hf://"):
            return _of_hub(os.fspath(source))
        if path.suffix == ".tflite" or (path / signatures.SIDECAR_FILE).is_file():
            return _exported(path, server)
        if path.suffix == ".keras":
            return _of_keras_file(path, labels)
        if (path / "config.json").is_file():
            return _of_run(path, checkpoint)
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] == "tsd_tf":
            raise
        raise UserError(
            f"loading {source} needs {error.name}, which is not installed: pip install 'tsd_tf[train]'"
        ) from error
    raise UserError(f"`source` must be {_KINDS}. Received: source={source}")


def _exported(path: pathlib.Path, server: str | None) -> Model:
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.inference import exported_model

    file = path if path.suffix == ".tflite" else path / signatures.tflite_file("float32")
    distiller = Distiller(file)
    if server is None:
        classify = exported_model.cloud_half(file.parent, distiller)
    else:
        classify = exported_model.server(server, distiller)
    return exported_model.ExportedModel(str(path), distiller, classify)


def _of_run(path: pathlib.Path, checkpoint: str | int) -> Model:
    from tsd_tf.inference.clip_format import ClipFormat
    from tsd_tf.inference.network_model import NetworkModel
    from tsd_tf.work_directory import WorkDirectory

    run = WorkDirectory(path)
    config = run.config()
    folder = run.checkpoint(checkpoint)
    network = run.load_network(config, checkpoint)
    return NetworkModel(network, run.labels(), ClipFormat.of(config), str(path), run, folder.name)


def _of_hub(source: str) -> Model:
    from tsd_tf.inference import hub
    from tsd_tf.inference.clip_format import ClipFormat
    from tsd_tf.inference.network_model import NetworkModel

    network, config, labels = hub.download(source)
    return NetworkModel(network, labels, ClipFormat.of(config), source)


def _of_keras_file(path: pathlib.Path, labels: Sequence[str] | None) -> Model:
    import keras

    from tsd_tf import main_networks, selectors  # noqa: F401  Keras finds their classes when they are imported
    from tsd_tf.inference.clip_format import ClipFormat
    from tsd_tf.inference.network_model import NetworkModel
    from tsd_tf.network import FewFrameNetwork
    from tsd_tf.work_directory import WorkDirectory

    if not path.is_file():
        raise UserError(f"found no file {path}")
    try:
        network = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"{path} cannot be loaded; parts of your own must be registered with Keras and imported before: {reason}"
        ) from error
    if not isinstance(network, FewFrameNetwork):
        raise UserError(f"{path} must hold a FewFrameNetwork. Received: {type(network).__name__}")
    beside, named = path.with_name("config.json"), path.with_name(signatures.LABELS_FILE)
    if labels is None and named.is_file():
        labels = named.read_text().splitlines()
    form = ClipFormat.of(WorkDirectory(path.parent).config()) if beside.is_file() else None
    return NetworkModel(network, labels, form, str(path))
