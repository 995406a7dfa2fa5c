"""Finds what is to be tested, and says in one line what is missing."""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tsd_tf import network_builder, work_directory
from tsd_tf.config import Config
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import ClientModel
from tsd_tf.data.stored_frames import StoredFrames
from tsd_tf.evaluation.coding import Coding
from tsd_tf.evaluation.exported_halves import ExportedHalves
from tsd_tf.evaluation.network_classifier import NetworkClassifier
from tsd_tf.evaluation.subject import Subject
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_network
from tsd_tf.weights.hdf5 import load_weights
from tsd_tf.work_directory import WorkDirectory

_SPLIT_RUN = re.compile(r"split([123])_(.+)")  # the name of a run on a split of UCF101
_SPLIT_DATA = re.compile(r"split([123])")  # the data folder of a split of UCF101


def newest_runs(
    runs_dir: str | os.PathLike, dataset: str | None = None, with_splits: bool = True
) -> list[WorkDirectory]:
    """The run whose checkpoint is the newest, and, where it is of a split of UCF101, those of the other splits.

    Args:
        runs_dir: folder of the default work directories.
        dataset: name of the data set to look in; None for all.
        with_splits: False for the newest run alone.

    Returns:
        The runs in the order of the splits; of splits 1 to 3 those that have a checkpoint.
    """
    run = work_directory.latest(runs_dir, dataset or "*")
    match = _SPLIT_RUN.fullmatch(run.path.name)
    if not (match and with_splits):
        return [run]
    siblings = [WorkDirectory(run.path.with_name(f"split{number}_{match[2]}")) for number in (1, 2, 3)]
    return [sibling for sibling in siblings if sibling.checkpoints()]


def of_run(
    run: WorkDirectory,
    *,
    checkpoint: str = "latest",
    num_frames: int | None = None,
    num_distilled_frames: int | None = None,
    data_dir: str | None = None,
    split: str | None = None,
) -> Subject:
    """The Subject of a WorkDirectory.

    Args:
        run: its checkpoint is tested.
        checkpoint: "latest", "best" (on validation), or the number of a step.
        num_frames, num_distilled_frames: T and T_s where they are not the run's, which only plain I3D allows.
        data_dir, split: the shards; None for the run's.

    Raises:
        UserError: no such run, no checkpoint, or frame counts that it does not have.
    """
    config = with_frame_counts(run.config(), num_frames, num_distilled_frames)
    folder = run.checkpoint(checkpoint)
    return _of_config(
        config,
        frames=_frames_of(config),
        name=str(run.path),
        folder=run.path,
        stem="evaluation",
        labels=run.labels(),
        data_dir=data_dir,
        split=split,
        network=lambda: run.load_network(config, checkpoint),
        validation=work_directory.validation_of(folder),
        facts={"source": "work directory", "workdir": str(run.path), "checkpoint": folder.name},
    )


def of_weights(
    path: str | os.PathLike,
    config: Config | None = None,
    *,
    num_frames: int | None = None,
    num_distilled_frames: int | None = None,
    data_dir: str | None = None,
    split: str | None = None,
) -> Subject:
    """The Subject of a .weights.h5 file of a whole FewFrameNetwork.

    Args:
        path: the file.
        config: a Config; None for the config.json beside the file.
        num_frames, num_distilled_frames: where `config` is None, as for `of_run`.
        data_dir, split: as for `of_run`.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"found no file of weights: {path}")
    beside = path.with_name("config.json")
    if config is not None and beside.exists():
        raise UserError(f"{beside} says what {path.name} is: leave `preset`, `method` and `main_network` out")
    described = config is not None
    if config is None:
        try:
            config = Config.from_json(beside.read_text())
        except OSError as error:
            raise UserError(
                f"{path} does not say which network it is of: looked for {beside}; "
                "describe it with `preset`, `method`, `num_frames` and `num_distilled_frames`"
            ) from error
        except ValueError as error:
            raise UserError(f"{beside}: {error}") from error
        config = with_frame_counts(config, num_frames, num_distilled_frames)

    def network() -> FewFrameNetwork:
        built = build_network(config)
        load_weights(built, path)
        return built

    labels = path.with_name("labels.txt")
    return _of_config(
        config,
        frames=StoredFrames(None, None) if described else _frames_of(config),
        name=str(path),
        folder=path.parent,
        stem=f"evaluation_{path.name.removesuffix('.weights.h5')}",
        labels=labels.read_text().splitlines() if labels.exists() else None,
        data_dir=data_dir,
        split=split,
        network=network,
        validation=work_directory.validation_of(path.parent),
        facts={"source": "weights", "workdir": None, "checkpoint": path.name},
    )


def of_export(
    export_dir: str | os.PathLike,
    config: Config | None = None,
    *,
    variant: str,
    codings: Sequence[Coding],
    uniform_workdir: WorkDirectory | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    engine: str = "tensorflow",
    precision: str = "float32",
) -> Subject:
    """The Subject of both exported halves; see ExportedHalves.

    Args:
        export_dir, variant, codings, engine, precision: as for ExportedHalves.
        config: the Config that says what the data are; None where `data_dir` and `split` do.
        uniform_workdir: the run of I3D_E whose network answers where uniform frames are sent or used.
        data_dir, split: the shards; None for the configuration's.

    Raises:
        UserError: a file is missing, or `uniform_workdir` is no run of I3D_E on such clips and classes.
    """
    if config is not None:
        data_dir, split = data_dir or config.data_dir, split or config.evaluation_split
    if not (data_dir and split):
        raise UserError(
            "an export does not say what to test it on: give a `work_directory` or a `preset`, or both `data_dir` and "
            "`split`"
        )
    uniform = uniform_workdir.load_network() if uniform_workdir else None
    halves = ExportedHalves(export_dir, variant, codings, uniform, engine, precision)
    model = halves.model
    frames = StoredFrames(model.frames_per_second, model.short_side, model.square_pixels)
    if uniform_workdir:
        _require_alike(uniform_workdir, model, frames, halves.labels)
    first = codings[0]
    described = f"version {model.version}, {variant}, cloud {halves.precision} by {engine}"
    is_default = (engine, halves.precision) == ("tensorflow", "float32")
    return Subject(
        name=f"{export_dir} ({described}, {', '.join(dict.fromkeys(map(str, codings)))})",
        folder=pathlib.Path(export_dir),
        stem=f"evaluation_{variant}{'' if is_default else f'_{engine}_{halves.precision}'}_{first}",
        num_frames=model.num_frames,
        num_distilled_frames=model.num_distilled_frames,
        crop_size=model.frame_size,
        num_classes=model.num_classes,
        frames=frames,
        labels=halves.labels,
        data_dir=data_dir,
        split=split,
        load=lambda strategy: halves,
        facts={
            "source": "export",
            "export_dir": str(export_dir),
            "export_version": model.version,
            "variant": variant,
            "engine": engine,
            "precision": halves.precision,
            "codec": first.codec,
            "quality": first.quality,
            "uniform_workdir": str(uniform_workdir.path) if uniform_workdir else None,
            "dataset": config and config.dataset,
            "method": model.method,
            "main_network": config and config.main_network,
        },
    )


def preset(
    name: str,
    method: str | None = None,
    main_network: str | None = None,
    num_frames: int | None = None,
    num_distilled_frames: int | None = None,
    crop_size: int | None = None,
) -> Config:
    """The Config of a preset with changes, each None for the preset's own; UserError where they do not fit together."""
    config = network_builder.preset(name, method or "tsd")
    changes: dict[str, Any] = {"main_network": main_network, "crop_size": crop_size}
    if config.method != "i3d":
        changes |= {"num_frames": num_frames, "num_distilled_frames": num_distilled_frames}
    config = dataclasses.replace(config, **{key: value for key, value in changes.items() if value is not None})
    return with_frame_counts(config, num_frames, num_distilled_frames) if config.method == "i3d" else config


def with_frame_counts(config: Config, num_frames: int | None, num_distilled_frames: int | None) -> Config:
    """A configuration at other frame counts, which only a network trained as plain I3D allows."""
    if num_frames is None and num_distilled_frames is None:
        return config
    asked: tuple[Any, Any] = (
        num_distilled_frames if num_frames is None else num_frames,
        num_frames if num_distilled_frames is None else num_distilled_frames,
    )
    if config.method != "i3d" and asked != (config.num_frames, config.num_distilled_frames):
        raise UserError(
            f"`num_frames` and `num_distilled_frames` must be {config.num_frames} and {config.num_distilled_frames}, "
            "as the run was trained; `work_directory` names the run of others. "
            f"Received: num_frames={asked[0]}, num_distilled_frames={asked[1]}"
        )
    return dataclasses.replace(config, num_frames=asked[0], num_distilled_frames=asked[1])


def split_of_ucf101(subject: Subject) -> int | None:
    """1, 2 or 3 where the name of a Subject's run or data folder says that it is of a split of UCF101; else None."""
    run = _SPLIT_RUN.fullmatch(subject.folder.resolve().name)
    data = _SPLIT_DATA.fullmatch(pathlib.PurePath(subject.data_dir).name)
    match = run or data
    return int(match[1]) if match and subject.facts["dataset"] == "ucf101" else None


def _require_alike(run: WorkDirectory, model: ClientModel, frames: StoredFrames, labels: list[str]) -> None:
    """UserError unless a run is of I3D_E and of the same clips and classes as an export."""
    config = run.config()
    differences = frames.differences(_frames_of(config))
    its = (config.method, config.num_frames, config.num_distilled_frames, config.crop_size)
    expected = ("i3d_e", model.num_frames, model.num_distilled_frames, model.frame_size)
    places = zip(("method", "T", "T_s", "crop size"), expected, its, strict=True)
    differences += [f"{name} {one} and {other}" for name, one, other in places if one != other]
    if run.labels() != labels:
        differences.append("other classes")
    if differences:
        raise UserError(
            f"`uniform_workdir` must be a run of i3d_e on clips and classes as the export's; expected and found: "
            f"{'; '.join(differences)}. Received: uniform_workdir={run.path}"
        )


def _frames_of(config: Config) -> StoredFrames:
    return StoredFrames(config.frame_rate, config.short_side, config.square_pixels)


def _of_config(
    config: Config,
    *,
    network: Callable[[], FewFrameNetwork],
    data_dir: str | None,
    split: str | None,
    facts: dict[str, Any],
    validation: dict[str, Any] | None = None,
    **fields: Any,
) -> Subject:
    split = split or config.evaluation_split
    chosen_on = validation and {
        "split": validation["split"],
        "held_out_share": validation.get("held_out_share", 0.0),
    }

    def load(strategy: tf.distribute.Strategy) -> NetworkClassifier:
        with strategy.scope():
            built = network()
        return NetworkClassifier(built, strategy)

    return Subject(
        **fields,
        load=load,
        num_frames=config.num_frames,
        num_distilled_frames=config.num_distilled_frames,
        crop_size=config.crop_size,
        num_classes=config.num_classes,
        frame_sampling=config.frame_sampling,
        data_dir=data_dir or config.data_dir,
        split=split,
        facts={
            **facts,
            "chosen_on": chosen_on,
            "chosen_on_test_videos": chosen_on is not None and chosen_on["split"] == split,
            "dataset": config.dataset,
            "method": config.method,
            "main_network": config.main_network,
            "run_seed": config.seed,
            "configuration": json.loads(config.to_json()),
        },
    )
