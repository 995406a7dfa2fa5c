"""The files of a client half, read together."""

import hashlib
import os
import pathlib
from typing import NamedTuple

from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError


class ExportedClient(NamedTuple):
    """A .tflite file of an export, and what lies beside it.

    Attributes:
        contents: of the file.
        sidecar: the text of client.json.
        model: what it says.
        labels: the class names, by label.
    """

    contents: bytes
    sidecar: str
    model: signatures.ClientModel
    labels: list[str]

    @classmethod
    def read(cls, path: str | os.PathLike) -> "ExportedClient":
        """Reads them.

        Args:
            path: a .tflite file of the export, with client.json and labels.txt beside it.

        Raises:
            UserError: a file is missing, or they are not of one export.
        """
        path = pathlib.Path(path)
        sidecar = path.with_name(signatures.SIDECAR_FILE)
        try:
            contents, text = path.read_bytes(), sidecar.read_text()
            model = signatures.ClientModel.from_json(text)
            labels = path.with_name(signatures.LABELS_FILE).read_text().splitlines()
        except OSError as error:
            raise UserError(
                f"no client half: looked for {path} with {signatures.SIDECAR_FILE} and {signatures.LABELS_FILE} beside "
                f"it, but {error.filename} is missing; python -m tsd_tf.export makes them"
            ) from error
        except ValueError as error:
            raise UserError(f"{sidecar}: {error}") from error
        hashes = {variant.file: variant.sha256 for variant in model.variants}
        if hashes.get(path.name) != hashlib.sha256(contents).hexdigest():
            raise UserError(f"{path} is not the file that {sidecar} describes; export again, or copy both files")
        return cls(contents, text, model, labels)
