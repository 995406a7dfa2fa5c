"""log.jsonl of a run that is resumed."""

import json

from tsd_tf.contract import files


def cut_back(path, stage_names, position):
    """Drops the lines that a resumed run will write again, and one that was cut off when it was killed.

    Args:
        path: of log.jsonl; need not exist.
        stage_names: of the run, in order.
        position: where the run goes on, {"stage": index, "step": steps done in it, ...}.
    """
    if not path.is_file():
        return
    reached = (position["stage"], position["step"])
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if _is_before(line, stage_names, reached)]
    if kept != lines:
        files.write(path, "".join(kept))


def _is_before(line, stage_names, reached):
    if not line.endswith("\n"):
        return False
    try:
        values = json.loads(line)
        return (stage_names.index(values["stage"]), values["step"]) <= reached
    except (ValueError, KeyError, TypeError):
        return False
