"""Flags that training and evaluation share, and the configuration and paths that they name."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags, logging

from tsd_tf import config as configs
from tsd_tf.contract import references
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

# The fields of Config that no flag changes for I3D: it has no client, and is trained once, on clips of its schedule's
# length, and then tested on clips of any length.
_NOT_OF_I3D = {
    "num_frames",
    "num_distilled_frames",
    "mobilenet_weights",
    "initializer_stddev",
    "logit_scale",
    "client_gradient_clip_norm",
    "rate_weight",
    "codec_quality",
}


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
    flags.DEFINE_string("augmentation", None, "package.module:function of your own that changes training clips")
    flags.DEFINE_enum("preset", presets[0], presets, "the setting that the other flags change")
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
        "initializer_stddev",
        None,
        "standard deviation of the TSD block's initial kernels (default: the preset's, 0.01 for the paper's)",
    )
    flags.DEFINE_float("logit_scale", None, "factor on the logits of P (default: the preset's, 1 for the paper's)")
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
    flags.DEFINE_string(
        "validation_split", None, "shards that are tested on during training (default: validate, if it is there)"
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


def config_from_flags(method: str | None = None, preset_name: str | None = None) -> configs.Config:
    """The preset's Config with the flags' changes; UserError where they do not fit together.

    The preset for data of the user's own takes the number of classes from their labels.txt.

    Args:
        method: see Config; None for what the flags say, or tsd.
        preset_name: the preset; None for the flag's.
    """
    if FLAGS.method == "i3d" and (FLAGS.T is not None or FLAGS.Ts is not None):
        raise UserError(
            "--method=i3d is trained once, on clips of its schedule's length: expected neither --T nor --Ts, received "
            f"--T={FLAGS.T}, --Ts={FLAGS.Ts}. Give them to evaluate.py"
        )
    method = method or method_from_flags() or "tsd"
    preset = _preset(preset_name or FLAGS.preset, method)
    fields = {field.name for field in dataclasses.fields(configs.Config)} - {"method"}
    fields -= _NOT_OF_I3D if method == "i3d" else set()
    flag_of = {field: command_line.flag_of(field) for field in fields}
    given = {field: FLAGS[flag].value for field, flag in flag_of.items() if flag in FLAGS}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if "crop_size" in changes:  # until the training takes it from the shards
        changes["short_side"] = max(preset.short_side, changes["crop_size"])
    if FLAGS.preset == "custom" and "num_classes" not in changes:
        from tsd_tf.data.shards import read_labels

        changes["num_classes"] = len(read_labels(changes.get("data_dir", preset.data_dir)))
    stages = preset.stages
    if method == "i3d" and FLAGS.main_network == "c3d":
        changes |= {"num_frames": configs.C3D_FRAMES, "num_distilled_frames": configs.C3D_FRAMES}
        stages = tuple(dataclasses.replace(stage, num_frames=None) for stage in stages)
    if FLAGS.batch_size is not None:
        stages = tuple(dataclasses.replace(stage, batch_size=FLAGS.batch_size) for stage in stages)
    if FLAGS.max_steps is not None:
        most = FLAGS.max_steps
        stages = tuple(dataclasses.replace(stage, num_steps=min(stage.num_steps, most)) for stage in stages)
    return dataclasses.replace(preset, method=method, stages=stages, **changes)


def _preset(name: str, method: str) -> configs.Config:
    if references.is_reference(method):
        from tsd_tf.network_builder import preset

        return preset(name, method)
    return getattr(configs, name)(method)


@contextlib.contextmanager
def training(config: configs.Config, workdir: pathlib.Path) -> Iterator[dict[str, Any]]:
    """A context to train in, after what TensorFlow has to know before it computes anything; its end tells of the run.

    Yields:
        Keyword arguments of Trainer that the flags give: they change what a run leaves, not what it learns.
    """
    import tensorflow as tf

    from tsd_tf.training.cluster import default_cluster
    from tsd_tf.training.validation import ValidationPlan

    if logging.get_verbosity() <= logging.WARNING:
        tf.get_logger().setLevel("ERROR")  # which tells of every connection and collective
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
