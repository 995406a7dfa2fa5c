"""Which run owns a work directory: written by its first start, checked by every later one."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tsd_tf.config import Config
from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.training import environment
from tsd_tf.work_directory import WorkDirectory


def claim(work_directory: WorkDirectory, config: Config, labels: Sequence[str]) -> None:
    """Writes config.json, environment.json and labels.txt, or checks that the existing ones are this run's.

    The data may have moved to another folder, as long as its hashes are the same.

    Args:
        work_directory: a WorkDirectory; made if it is missing.
        config: the run's Config.
        labels: the class names, by label index.

    Raises:
        UserError: it belongs to a run of another configuration or of other data, or cannot be written.
    """
    here = environment.describe(config)
    begun = work_directory.config_path.exists()
    there = environment.read(work_directory) if begun else None
    if begun:
        _check_config(work_directory, config, may_move=there is not None)
    if there:
        environment.check(work_directory, there, here, config.data_dir)
        if (data_dir := work_directory.config().data_dir) != config.data_dir:
            print(f"Note: {work_directory.path} was started on the same data in {data_dir}")
    try:
        work_directory.path.mkdir(parents=True, exist_ok=True)
        if not there:
            files.write_json(work_directory.environment_path, here)
        if not begun:
            files.write(work_directory.labels_path, "".join(f"{label}\n" for label in labels))
            # Last, so that the other two exist where it does.
            files.write(work_directory.config_path, config.to_json())
    except OSError as error:
        raise UserError(f"cannot write the work directory {work_directory.path}: {error.strerror or error}") from error


def _check_config(work_directory: WorkDirectory, config: Config, may_move: bool) -> None:
    there, here = dataclasses.asdict(work_directory.config()), dataclasses.asdict(config)
    if may_move:
        there["data_dir"] = here["data_dir"]
    found = differences(there, here)
    if found:
        raise UserError(
            f"the work directory {work_directory.path} belongs to a run of another configuration: "
            f"{'; '.join(found)}. Choose another `work_directory`, or remove that one"
        )


def differences(there: Any, here: Any, place: str = "") -> list[str]:
    """What differs between two configurations as dictionaries, as "stages[0].num_steps is 2 there and 3 here"."""
    if isinstance(there, dict) and isinstance(here, dict):
        inner = [(there[name], here[name], f"{place}.{name}" if place else name) for name in there]
    elif isinstance(there, tuple) and isinstance(here, tuple) and place == "stages" and len(there) == len(here):
        inner = [(*pair, f"{place}[{index}]") for index, pair in enumerate(zip(there, here, strict=True))]
    else:
        return [f"{place} is {there!r} there and {here!r} here"] if there != here else []
    return [difference for one in inner for difference in differences(*one)]
