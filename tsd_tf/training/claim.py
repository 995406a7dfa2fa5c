"""Whose a work directory is: written by the first start of a run, checked by every later one."""

import dataclasses
import json

from tsd_tf.errors import UserError
from tsd_tf.training import environment


def claim(work_directory, config, labels):
    """Writes config.json, environment.json and labels.txt, or checks that those there are this run's.

    Args:
        work_directory: a WorkDirectory; made if it is not there.
        config: the run's Config.
        labels: the class names, by label index.

    Raises:
        UserError: it belongs to a run of another configuration or of other data, or cannot be written.
    """
    here = environment.describe(config)
    begun = work_directory.config_path.exists()
    if begun:
        _check_config(work_directory, config)
    there = environment.read(work_directory) if begun else None
    if there:
        environment.check(work_directory, there, here, config.data_dir)
    try:
        work_directory.path.mkdir(parents=True, exist_ok=True)
        if not there:
            _write(work_directory.environment_path, json.dumps(here, indent=2) + "\n")
        if not begun:
            _write(work_directory.labels_path, "".join(f"{label}\n" for label in labels))
            # Last: where it is, the other two are.
            _write(work_directory.config_path, config.to_json())
    except OSError as error:
        raise UserError(f"cannot write the work directory {work_directory.path}: {error.strerror or error}") from error


def _check_config(work_directory, config):
    there = work_directory.config()
    differences = [
        f"{field.name} is {getattr(there, field.name)!r} there and {getattr(config, field.name)!r} here"
        for field in dataclasses.fields(there)
        if getattr(there, field.name) != getattr(config, field.name)
    ]
    if differences:
        raise UserError(
            f"the work directory {work_directory.path} belongs to a run of another configuration: "
            f"{'; '.join(differences)}. Choose another --workdir, or remove that one"
        )


def _write(path, text):
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.rename(path)
