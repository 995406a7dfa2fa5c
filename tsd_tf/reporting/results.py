"""The results of finished runs, as evaluate.py writes them, and the accuracy that several of them reached."""

import dataclasses
import json
import math
import os
import pathlib
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from tsd_tf.contract.errors import UserError
from tsd_tf.reporting import names
from tsd_tf.reporting.accuracy import Accuracy

_IGNORED_DIFFERENCES = ("seed", "data_dir", "num_frames", "num_distilled_frames")


@dataclasses.dataclass(frozen=True)
class Result:
    """One evaluation of one run with one Q.

    Attributes:
        path: the JSON.
        source: "work directory", "weights" or "export".
        run: names what was tested: the folder of the JSON, and below it the file of weights or the coding.
        dataset, method, main_network: of the run's configuration; an export may not know data set and network. A
            selector or main network that is not of this package is a reference like "package.module:name".
        split: the shards it was tested on.
        split_of_ucf101: 1, 2, 3, or None for other data.
        num_frames, num_distilled_frames, clips: T, T_s, Q.
        crops: of every clip, whose probabilities were averaged.
        top1, top1_standard_error: shares of 1.
        videos: number of videos tested.
        bytes_per_clip: mean bytes of a clip's distilled frames: {"raw": ..., "jpeg_90": ...}.
        bytes_sent_per_clip: of exported halves, the mean bytes that travelled; else 0.
        configuration: of the run; empty of an export.
        coding: of exported halves {"variant", "codec", "quality"}; else empty.
        codings: of exported halves that were tested with several codings, see accuracy_over_bytes; else empty.
        chosen_on_test_videos: whether the weights are the best ones on the very videos that they were tested on.
        costs: what one crop of a clip costs, by the attributes of efficiency's Measurement, with "machine", on which it
            was timed; empty where the test was not asked for it.
    """

    path: pathlib.Path
    source: str
    run: str
    dataset: str | None
    method: str
    main_network: str | None
    split: str
    split_of_ucf101: int | None
    num_frames: int
    num_distilled_frames: int
    clips: int
    crops: int
    top1: float
    top1_standard_error: float
    videos: int
    bytes_per_clip: dict[str, float]
    bytes_sent_per_clip: float
    configuration: dict[str, Any]
    coding: dict[str, Any]
    codings: list[dict[str, Any]]
    chosen_on_test_videos: bool
    costs: dict[str, Any]

    @property
    def is_of_a_network(self) -> bool:
        """Whether a Keras network was tested, on the shards that its configuration means for that.

        One that was trained for fewer bytes is none of the paper's methods, and does not count.
        """
        if self.source == "export" or self.configuration.get("rate_weight"):
            return False
        return self.split == self.configuration["evaluation_split"]


def read(paths: Iterable[str | os.PathLike]) -> list[Result]:
    """The Results of evaluation files and of those in folders, wherever they lie below.

    Args:
        paths: files, work directories, or folders of these.

    Raises:
        UserError: nothing there, or a file that is no evaluation.
    """
    found: dict[pathlib.Path, pathlib.Path] = {}
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            files = sorted(path.rglob("evaluation_*.json"))
        elif path.is_file():
            files = [path]
        else:
            raise UserError(f"no such run: {path}; expected work directories, folders of them, or evaluation files")
        if not files:
            raise UserError(f"no evaluation under {path}: looked for evaluation_*.json; evaluate.py writes them")
        found |= {file.resolve(): file for file in files}
    return [_read(file) for file in found.values()]


def accuracy(results: Sequence[Result]) -> Accuracy | None:
    """The Accuracy of the tested networks of one setting; None where there is none.

    Raises:
        UserError: runs of different configurations would be averaged.
    """
    if not results:
        return None
    for other in results[1:]:
        _require_alike(results[0], other)
    accuracies = [100.0 * result.top1 for result in results]
    several = len(results) > 1
    codings = set.intersection(*(set(result.bytes_per_clip) for result in results))
    return Accuracy(
        top1=statistics.fmean(accuracies),
        standard_deviation=statistics.stdev(accuracies) if several else None,
        standard_error=None if several else 100.0 * results[0].top1_standard_error,
        runs=len(results),
        bytes_per_clip={
            coding: statistics.fmean(result.bytes_per_clip[coding] for result in results) for coding in sorted(codings)
        },
        is_chosen_on_test=any(result.chosen_on_test_videos for result in results),
    )


def _coding(values):
    cloud = values.get("precision", "float32"), values.get("engine", "tensorflow")
    variant = values["variant"] + ("" if cloud == ("float32", "tensorflow") else ", cloud {} by {}".format(*cloud))
    return {"variant": variant, "codec": values["codec"], "quality": values["quality"]}


def _read(path):
    try:
        values = json.loads(path.read_text())
        exported = values["source"] == "export"
        below = {"work directory": "", "weights": values.get("checkpoint"), "export": path.name}[values["source"]]
        values |= {
            "path": path,
            "run": str(path.parent / below),
            "bytes_sent_per_clip": values["bytes_sent_per_clip"] if exported else 0,
            "configuration": {} if exported else values["configuration"],
            "coding": _coding(values) if exported else {},
            "codings": values.get("codings", []),
            "chosen_on_test_videos": bool(values.get("chosen_on_test_videos", False)),
            "crops": values.get("crops", 1),
            "costs": values.get("costs", {}),
        }
        result = Result(**{field.name: values[field.name] for field in dataclasses.fields(Result)})
        _check(result)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        detail = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UserError(
            f"{path} is no evaluation of this version of evaluate.py: {detail}; test the run again"
        ) from error
    return result


def _check(result):
    if result.method not in names.METHODS and ":" not in result.method:
        raise ValueError(f"method is {result.method!r}")
    if result.source != "export" and "evaluation_split" not in result.configuration:
        raise KeyError("evaluation_split")
    for name in ("num_frames", "num_distilled_frames", "clips", "crops", "videos"):
        if not (type(getattr(result, name)) is int and getattr(result, name) >= 1):
            raise ValueError(f"{name} is {getattr(result, name)!r}")
    for value in (result.top1, result.top1_standard_error):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"an accuracy or its standard error is {value!r}")
    if not all(math.isfinite(value) and value > 0 for value in result.bytes_per_clip.values()):
        raise ValueError(f"bytes_per_clip is {result.bytes_per_clip!r}")
    for name, value in result.costs.items():
        if name != "machine" and not (isinstance(value, int | float) and value >= 0):
            raise ValueError(f"{name} of costs is {value!r}")
    for coding in result.codings:
        shares = (coding["top1"], coding["top1_standard_error"])
        size, quality = coding["bytes_per_clip"], coding["quality"]
        if (
            coding["what"] not in names.SENT
            or not isinstance(coding["codec"], str)
            or not (quality is None or isinstance(quality, int))
            or not (math.isfinite(size) and size > 0 and all(0.0 <= share <= 1.0 for share in shares))
        ):
            raise ValueError(f"one of codings is {coding!r}")


def _require_alike(one, other):
    if one.run == other.run:
        raise UserError(
            f"{one.path} and {other.path} are of the same run; remove one of them, or name the runs one by one"
        )
    differences = [
        f"{name} is {one.configuration.get(name)!r} and {other.configuration.get(name)!r}"
        for name in sorted(one.configuration.keys() | other.configuration.keys())
        # An option that a run of an earlier version does not know is off there.
        if name not in _IGNORED_DIFFERENCES
        and (one.configuration.get(name) or None) != (other.configuration.get(name) or None)
    ]
    if differences:
        raise UserError(
            f"{one.run} and {other.run} belong in the same cell of a table but are not of one configuration: "
            f"{'; '.join(differences)}; name the runs to compare"
        )
