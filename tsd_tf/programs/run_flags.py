"""Flags that training and evaluation share, and the configuration and paths that they name."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from tsd_tf import config as configs
from tsd_tf.contract import references
from tsd_tf.contract.clip_spec import FRAME_SAMPLINGS
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line, recipe_flags
from tsd_tf.recipes import Recipe

FLAGS = flags.FLAGS

_OFFERED: list[str] = []  # the program's presets, its default first

# The fields of Config that no flag changes for I3D: it has no client, and is trained once, on clips of its schedule's
# length, and then tested on clips of any length.
_NOT_OF_I3D = {
    "num_frames",
    "num_distilled_frames",
    "mobilenet_weights",
    "coarse_width",
    "coarse_stride",
    "initializer_stddev",
    "logit_scale",
    "client_gradient_clip_norm",
    "rate_weight",
    "codec_quality",
}


class _ScaleParser(flags.ArgumentParser):
    """A number, or auto."""

    syntactic_help = "a number or auto"

    def parse(self, argument: Any) -> float | str:
        return argument if argument == "auto" else float(argument)

    def flag_type(self) -> str:
        return "number or auto"


def define_parts(when: str = "") -> None:
    """Defines the flags that name selector and main network; `when` begins what is said of them."""
    flags.DEFINE_string(
        "method",
        None,
        f"{when}how frames are selected: i3d (consecutive), i3d_r (random), i3d_e (uniform), i3d_a (temporal "
        "attention), tsd (distilled; the default)",
    )
    flags.DEFINE_string("selector", None, f"{when}package.module:Class of your own, in place of --method")
    flags.DEFINE_string(
        "main_network",
        None,
        f"{when}what recognises the frames: {', '.join(configs.MAIN_NETWORKS)}, or package.module:function of your own "
        "(default: the preset's)",
    )


def method_from_flags() -> str | None:
    """What --method or --selector says, or None; UserError where both are given."""
    if FLAGS.method and FLAGS.selector:
        raise UserError(
            f"expected --method or --selector, not both. Received: --method={FLAGS.method}, --selector={FLAGS.selector}"
        )
    return FLAGS.selector or FLAGS.method


def define(presets: Sequence[str]) -> None:
    """Defines the flags of a training program; `presets` are the names of the presets it offers, default first."""
    flags.DEFINE_integer("T", None, "T: frames of a clip, at 25 a second (default: the preset's, 40 for the paper's)")
    flags.DEFINE_integer("Ts", None, "T_s: frames that are left after distillation and travel to the cloud")
    define_parts()
    flags.DEFINE_list(
        "augmentations",
        None,
        f"what changes training clips beside crop and flip, in this order: {', '.join(configs.AUGMENTATIONS)}, or "
        "package.module:function of your own",
    )
    flags.DEFINE_alias("augmentation", "augmentations")
    _OFFERED[:] = presets
    flags.DEFINE_enum(
        "preset", None, presets, f"the setting that the other flags change (default: that of --config, or {presets[0]})"
    )
    recipe_flags.define()
    flags.DEFINE_enum(
        "frame_sampling",
        None,
        FRAME_SAMPLINGS,
        "where the T frames of a clip lie: consecutive, or one in each of T equal segments of the whole video "
        "(default: the preset's, segments for tsn)",
    )
    flags.DEFINE_integer(
        "crop_size",
        None,
        "pixels of the square crop (default: the preset's, 224; c3d, resnet3d_18 and artnet_resnet18 want 112)",
    )
    flags.DEFINE_string("data_dir", None, "folder of the TFRecord shards (default: the preset's, data/<dataset>)")
    flags.DEFINE_string("dataset", None, "names the folder of the runs on data of your own (default: the preset's)")
    flags.DEFINE_integer("num_classes", None, "classes of data of your own (default: the preset's)", lower_bound=1)
    flags.DEFINE_string("runs_dir", "runs", "folder of the default work directories")
    flags.DEFINE_string("workdir", None, "work directory (default: <runs_dir>/<dataset>/<method>_T<T>_Ts<T_s>)")
    flags.DEFINE_string(
        "mobilenet_weights",
        None,
        "what the coarse extractor starts from: imagenet (downloaded), none, or a .weights.h5 file",
    )
    flags.DEFINE_float(
        "coarse_width",
        None,
        "width of the coarse extractor, MobileNet's alpha; narrower ones take less time on the device (default: the "
        "preset's, 1 for the paper's)",
        lower_bound=0.01,
    )
    flags.DEFINE_integer(
        "coarse_stride",
        None,
        "let the coarse extractor see only every n-th frame, and interpolate between; 2 halves its time on the "
        "device (default: 1, as in the paper)",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "initializer_stddev",
        None,
        "standard deviation of the TSD block's initial kernels (default: the preset's, 0.01 for the paper's)",
    )
    flags.DEFINE(
        _ScaleParser(),
        "logit_scale",
        None,
        "factor on the logits of P, or auto: one that fits any map and width (default: the preset's; the paper's 1)",
    )
    flags.DEFINE_float(
        "client_gradient_clip_norm", None, "bound on the client's gradient norm (default: none in the paper's presets)"
    )
    flags.DEFINE_float("gradient_clip_norm", None, "bound on the norm of all gradients together (default: none)")
    flags.DEFINE_float(
        "rate_weight",
        None,
        "let distilled frames pass a codec in stage 2, and add their kilobytes times this to the loss, so that they "
        "take fewer bytes (default: 0, as in the paper; docs/training.md)",
    )
    flags.DEFINE_integer(
        "codec_quality",
        None,
        "with --rate_weight: the codec's quality, as the client's --quality for h264: 0 is best (default: 24)",
    )
    flags.DEFINE_integer(
        "accumulate",
        None,
        "compute the clips of a replica in this many parts, one after the other, before each update: the same step in "
        "less memory, but for batch norm",
        lower_bound=1,
    )
    flags.DEFINE_bool(
        "mixed_precision",
        None,
        "compute in float16 with loss scaling on GPU, in bfloat16 on CPU; weights stay float32",
    )
    flags.DEFINE_integer("batch_size", None, "clips a replica and step, in every stage (default: the preset's)", 1)
    flags.DEFINE_integer("max_steps", None, "cut every stage to this many steps: to try a set-up out", lower_bound=1)
    flags.DEFINE_integer("checkpoint_steps", None, "steps between checkpoints (default: one every ten minutes)", 1)
    flags.DEFINE_float(
        "damaged_share", 0.001, "share of a split's records that may turn out damaged; more ends the run", 0, 1
    )
    flags.DEFINE_integer("keep_checkpoints", 3, "how many checkpoints stay, besides the best one on validation", 1)
    flags.DEFINE_float(
        "held_out_share",
        None,
        "share of the training videos that is not trained on but chooses the best weights (default: the preset's, or 0 "
        "with --validation_split or --validation_videos=0)",
    )
    flags.DEFINE_string(
        "validation_split",
        None,
        "shards that are tested on during training (default: what is held out, or validate if that is no test set)",
    )
    flags.DEFINE_integer("validation_steps", None, "steps between validations (default: at every checkpoint)", 1)
    flags.DEFINE_integer("validation_clips", 1, "clips a video in validation", lower_bound=1)
    flags.DEFINE_integer("validation_videos", 1000, "videos that are validated on; 0 turns validation off", 0)
    flags.DEFINE_bool(
        "scale_learning_rate", None, "multiply the rates by the number of replicas, GPUs of all machines together"
    )
    flags.DEFINE_bool(
        "deterministic", False, "the same weights bit for bit in every run on the same machines, interrupted or not"
    )
    flags.DEFINE_integer("seed", None, "seed of initialisation, clips and shuffling", lower_bound=0)


def preset_from_flags() -> str:
    """The name of the preset that --preset or the recipe names, or the program's first; UserError where it has none."""
    name = FLAGS.preset or recipe_flags.read().preset or _OFFERED[0]
    if name not in _OFFERED:
        raise UserError(f"{FLAGS.config}: expected one of {', '.join(_OFFERED)} in 'preset', got {name!r}")
    return name


def run_method() -> str:
    """The method that flags, recipe or preset name, or tsd."""
    of_preset = Recipe.of_preset(preset_from_flags()).fields.get("method", "tsd")
    return method_from_flags() or recipe_flags.read().fields.get("method", of_preset)


def config_from_flags(method: str | None = None, preset_name: str | None = None) -> configs.Config:
    """The preset's Config, changed by the recipe and then by the flags; UserError where they do not fit together.

    The preset for data of the user's own takes the number of classes from their labels.txt.

    Args:
        method: another one than the run's, for what is trained before it; None for what flags and recipe say, or tsd.
        preset_name: the preset; None for that of flags and recipe.
    """
    recipe, of_run = recipe_flags.read(), run_method()
    if of_run == "i3d" and (lengths := [name for name in ("T", "Ts") if FLAGS[name].value is not None]):
        raise UserError(
            "the method i3d is trained once, on clips of its schedule's length: expected neither --T nor --Ts, "
            f"received {' '.join(f'--{name}={FLAGS[name].value}' for name in lengths)}. Give them to evaluate.py"
        )
    method = method or of_run
    preset = _preset(preset_name or preset_from_flags(), method)
    changes = recipe_flags.fields_for(recipe, method, is_run=method == of_run) | {"method": method}
    fields = {field.name for field in dataclasses.fields(configs.Config)} - {"method"}
    fields -= _NOT_OF_I3D if method == "i3d" else set()
    flag_of = {field: command_line.flag_of(field) for field in fields}
    given = {field: FLAGS[flag].value for field, flag in flag_of.items() if flag in FLAGS}
    changes |= {field: value for field, value in given.items() if value is not None}
    if (FLAGS.validation_split or FLAGS.validation_videos == 0) and FLAGS.held_out_share is None:
        changes["held_out_share"] = 0.0
    if FLAGS.crop_size is not None:  # until the training takes it from the shards
        changes["short_side"] = max(changes.get("short_side", preset.short_side), FLAGS.crop_size)
    if preset.dataset == "custom" and "num_classes" not in changes:
        from tsd_tf.data.shards import read_labels

        changes["num_classes"] = len(read_labels(changes.get("data_dir", preset.data_dir)))
    try:
        changes["stages"] = _stages(configs.stages_of(changes.get("stages", preset.stages)), method, of_run)
        if method == "i3d" and changes.get("main_network") == "c3d":
            changes |= {"num_frames": configs.C3D_FRAMES, "num_distilled_frames": configs.C3D_FRAMES}
            changes["stages"] = tuple(dataclasses.replace(stage, num_frames=None) for stage in changes["stages"])
        return preset.changed(changes)
    except UserError as error:
        if recipe.path:
            raise UserError(f"{error} ({recipe.path} is part of this configuration)") from error
        raise


def _stages(stages: Sequence[configs.Stage], method: str, of_run: str) -> tuple[configs.Stage, ...]:
    """The stages of the preset or the recipe, with what the flags change."""
    stages = recipe_flags.changed(stages, is_run=method == of_run)
    if FLAGS.same_updates and of_run == "i3d":
        raise UserError("--same_updates is for methods that start from I3D. Received: --method=i3d")
    if FLAGS.same_updates and method not in ("tsd", "i3d"):
        stages = recipe_flags.same_updates(stages, config_from_flags("tsd").stages)
    if FLAGS.batch_size is not None:
        stages = tuple(dataclasses.replace(stage, batch_size=FLAGS.batch_size) for stage in stages)
    if FLAGS.max_steps is not None:
        most = FLAGS.max_steps
        stages = tuple(dataclasses.replace(stage, num_steps=min(stage.num_steps, most)) for stage in stages)
    return stages


def is_only_printed(config: configs.Config, first: configs.Config | None = None) -> bool:
    """Whether --print_config asked for the recipe, which is then printed; otherwise the run may start.

    Args:
        config: of the run.
        first: of the I3D that it starts from and that may have to be trained; None where there is no such thing.

    Raises:
        UserError: a flag names a stage of neither.
    """
    stages = [*config.stages, *(first.stages if first else ())]
    if FLAGS.same_updates:
        stages += config_from_flags("tsd").stages
    recipe_flags.check_stage_names(stages)
    if FLAGS.print_config:
        print(recipe_flags.printed(preset_from_flags(), config, first), end="")
    return FLAGS.print_config


def _preset(name: str, method: str) -> configs.Config:
    if references.is_reference(method):
        from tsd_tf.network_builder import preset

        return preset(name, method)
    return configs.from_preset(name, method)


@contextlib.contextmanager
def training(config: configs.Config, workdir: pathlib.Path) -> Iterator[dict[str, Any]]:
    """A context to train in, after what TensorFlow has to know before it computes anything; its end tells of the run.

    Yields:
        Keyword arguments of Trainer that the flags give: they change what a run leaves, not what it learns.
    """
    import tensorflow as tf

    from tsd_tf.training.cluster import default_cluster
    from tsd_tf.training.validation import ValidationPlan

    if FLAGS.deterministic:
        tf.config.experimental.enable_op_determinism()
    cluster = default_cluster()
    with cluster.watched():
        yield {
            "cluster": cluster,
            "checkpoint_steps": FLAGS.checkpoint_steps,
            "damaged_share": FLAGS.damaged_share,
            "keep_checkpoints": FLAGS.keep_checkpoints,
            "validation": ValidationPlan(
                split=FLAGS.validation_split,
                steps=FLAGS.validation_steps,
                num_clips=FLAGS.validation_clips,
                num_videos=FLAGS.validation_videos,
            ),
        }
    if cluster.is_chief:
        print(f"Trained {config.run_name}: {workdir}")


def workdir_from_flags(config: configs.Config, prefix: str = "") -> pathlib.Path:
    """--workdir, or the default one of `config`, its name after `prefix`."""
    return pathlib.Path(FLAGS.workdir or pathlib.Path(FLAGS.runs_dir, config.dataset, prefix + config.run_name))
