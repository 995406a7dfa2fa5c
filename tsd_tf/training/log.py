"""log.jsonl: what a run reports, line by line."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from tsd_tf.contract import files
from tsd_tf.training.observer import Observer
from tsd_tf.training.run_state import RunState


class Log(Observer):
    """Appends every reported line, with its stage and step, to a file.

    Args:
        path: of log.jsonl; made if it is missing. Lines that a resumed run will write again are dropped, and so is one
            that was cut off when the run was killed.
        stage_names: of the run, in order.
        position: where the run goes on, {"stage": index, "step": steps done in it, ...}.
    """

    def __init__(self, path: pathlib.Path, stage_names: Sequence[str], position: dict[str, int]) -> None:
        reached = (position["stage"], position["step"])
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        kept = [line for line in lines if _is_before(line, stage_names, reached)]
        if kept != lines:
            files.write(path, "".join(kept))
        self.file = open(path, "a")  # noqa: SIM115 (closed by `close`)

    def reported(self, state: RunState, line: dict[str, Any]) -> None:
        self.file.write(json.dumps({"stage": state.stage.name, "step": state.step, **line}) + "\n")
        self.file.flush()

    def close(self) -> None:
        self.file.close()


def _is_before(line: str, stage_names: Sequence[str], reached: tuple[int, int]) -> bool:
    if not line.endswith("\n"):
        return False
    try:
        values = json.loads(line)
        return (stage_names.index(values["stage"]), values["step"]) <= reached
    except (ValueError, KeyError, TypeError):
        return False
