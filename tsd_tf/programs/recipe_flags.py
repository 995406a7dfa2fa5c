"""Flags that read, change and print a recipe: what a training program trains, field by field."""

import dataclasses
import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import flags

from tsd_tf import config as configs
from tsd_tf.config import Config, Stage
from tsd_tf.contract import references
from tsd_tf.contract.errors import UserError
from tsd_tf.recipes import Recipe

FLAGS = flags.FLAGS

_EVERY = ""  # stands for every stage
# The flags that change a field of stages, by its name.
_OF_STAGES = ("learning_rate", "num_steps", "optimizer")
# I3D, when it is trained first for another method, has none of that method's schedule, frames and client.
_NOT_SHARED = {
    "method",
    "stages",
    "num_frames",
    "num_distilled_frames",
    "mobilenet_weights",
    "coarse_size",
    "coarse_width",
    "coarse_features_layer",
    "coarse_batch_norm_momentum",
    "coarse_stride",
    "embedding_channels",
    "output_kernel",
    "initializer_stddev",
    "logit_scale",
    "in_time_order",
    "client_gradient_clip_norm",
    "rate_weight",
    "codec_quality",
}


class _ByStageParser(flags.ArgumentParser):
    """A value for every stage, or stage=value,...: {name of the stage: value}, with "" for every stage."""

    def __init__(self, read: Callable[[str], Any], syntactic_help: str) -> None:
        self.read = read
        self.syntactic_help = f"{syntactic_help}, or stage={syntactic_help},..."

    def parse(self, argument: Any) -> dict[str, Any]:
        if isinstance(argument, dict):
            return argument
        parts = str(argument).split(",")
        pairs = [part.rpartition("=")[::2] for part in parts]
        try:
            values = {name.strip(): self.read(value.strip()) for name, value in pairs}
        except ValueError as error:
            raise ValueError(f"expected {self.syntactic_help}") from error
        if len(values) < len(pairs):
            raise ValueError("expected each stage once")
        return values

    def flag_type(self) -> str:
        return "by stage"


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string(
        "config",
        None,
        "a recipe: a JSON file of fields of the configuration, such as --print_config prints or a run's config.json. "
        "It changes the preset, and the other flags change it (docs/recipes.md)",
    )
    flags.DEFINE_bool(
        "print_config", False, "print the recipe that all flags come to, and train nothing; --config takes it"
    )
    for name, read, kind, text in (
        ("num_steps", int, "NUMBER", "steps; the steps at which the rate falls move with their number"),
        ("learning_rate", float, "RATE", "the rate of the first step"),
        ("optimizer", str, "sgd|adam", "the optimiser"),
    ):
        where = "of every stage of the run, or by stage, also of an I3D that is trained first"
        example = {"num_steps": ": --num_steps=tsd_stage1=200,tsd_stage2=700"}.get(name, "")
        flags.DEFINE(_ByStageParser(read, kind), name, None, f"{text}, {where}{example} (default: the preset's)")
    flags.DEFINE_bool(
        "same_updates",
        False,
        "give the method as many steps as TSD has in all of its stages: its last stage is stretched, and with it the "
        "steps at which the rate falls",
    )
    flags.DEFINE_float("dropout_rate", None, "dropout before the main network's last layer (default: the preset's)")
    flags.DEFINE_float(
        "main_network_width", None, "factor on the channels of the main network (default: the preset's, 1 in the paper)"
    )
    flags.DEFINE_float("weight_decay", None, "L2 penalty on kernels (default: the preset's, 1e-7 in [1])")


def read() -> Recipe:
    """The recipe that --config names, an empty one without the flag.

    Raises:
        UserError: it cannot be read, or holds what no configuration holds.
    """
    if FLAGS.config is None:
        return Recipe("", None, {}, {})
    recipe = Recipe.read(FLAGS.config)
    recipe = dataclasses.replace(recipe, fields=configs.today(recipe.fields))
    try:
        for method, fields in [("", recipe.fields), *recipe.by_method.items()]:
            configs.check_fields(fields)
            if method and method not in configs.METHODS and not references.is_reference(method):
                expected = ", ".join(configs.METHODS)
                raise UserError(f"expected {expected} or package.module:Class in 'methods', got {method!r}")
    except UserError as error:
        raise UserError(f"{recipe.path}: {error}") from error
    return recipe


def fields_for(recipe: Recipe, method: str, is_run: bool) -> dict[str, Any]:
    """What a recipe says of the run, or of the I3D that is trained first for it."""
    if is_run:
        return recipe.fields_of(method)
    shared = {name: value for name, value in recipe.fields.items() if name not in _NOT_SHARED}
    return shared | recipe.by_method.get(method, {})


def changed(stages: Iterable[Stage], is_run: bool) -> tuple[Stage, ...]:
    """Stages with what the flags say of them.

    Args:
        stages: of the preset or the recipe.
        is_run: False for those of the I3D that is trained first: they go by their names.
    """
    return tuple(_changed(stage, is_run) for stage in stages)


def stretched(stage: Stage, num_steps: int) -> Stage:
    """A stage with another number of steps; its rate falls at the same shares of them."""
    moved = {round(boundary * num_steps / stage.num_steps) for boundary in stage.boundaries}
    return dataclasses.replace(stage, num_steps=num_steps, boundaries=tuple(sorted(moved - {0})))


def same_updates(stages: Sequence[Stage], of_tsd: Sequence[Stage]) -> tuple[Stage, ...]:
    """Stages with as many steps in all as those of TSD: the last one gets what the others leave.

    Raises:
        UserError: they leave nothing.
    """
    *others, last = stages
    wanted, before = (sum(stage.num_steps for stage in some) for some in (of_tsd, others))
    if wanted <= before:
        raise UserError(f"--same_updates: TSD has {wanted} steps in all, and {before} come before stage {last.name}")
    return (*others, stretched(last, wanted - before))


def check_stage_names(stages: Iterable[Stage]) -> None:
    """UserError if a flag names a stage that is none of those that the command trains."""
    known = list(dict.fromkeys(stage.name for stage in stages))
    for flag in _OF_STAGES:
        for name in FLAGS[flag].value or {}:
            if name != _EVERY and name not in known:
                near = difflib.get_close_matches(name, known, 1, cutoff=0)[0]
                raise UserError(
                    f"--{flag} names a stage {name!r} that is not trained, the nearest is {near!r}; expected some of "
                    f"{', '.join(known)}"
                )


def printed(preset: str, config: Config, first: Config | None = None) -> str:
    """The recipe that trains `config` again, and what is trained first for it.

    Args:
        preset: name of the preset; what depends on it beside the configuration stays as it is.
        config: of the run.
        first: of the I3D; None where none is trained first.
    """
    fields = json.loads(config.to_json())
    others = {}
    if first is not None and config.method != first.method:
        of_first = json.loads(first.to_json())
        others[of_first.pop("method")] = {
            name: value for name, value in of_first.items() if name in _NOT_SHARED or value != fields[name]
        }
    return Recipe("", preset, fields, others).to_json()


def _changed(stage: Stage, is_run: bool) -> Stage:
    for name in _OF_STAGES:
        asked: dict[str, Any] = FLAGS[name].value or {}
        value = asked.get(stage.name, asked.get(_EVERY) if is_run else None)
        if value is not None and name == "num_steps":
            stage = stretched(stage, value) if value > 0 else dataclasses.replace(stage, num_steps=value)
        elif value is not None:
            stage = dataclasses.replace(stage, **{name: value})
    return stage
