"""Flags that training and evaluation share, and the configuration and paths that they name."""

import dataclasses
import pathlib

from absl import flags

from tsd_tf import config as configs
from tsd_tf.errors import UserError

FLAGS = flags.FLAGS

# flag -> field of Config that it overrides
_FIELDS = {
    "T": "num_frames",
    "Ts": "num_distilled_frames",
    "method": "method",
    "data_dir": "data_dir",
    "mobilenet_weights": "mobilenet_weights",
    "initializer_stddev": "initializer_stddev",
    "logit_scale": "logit_scale",
    "client_gradient_clip_norm": "client_gradient_clip_norm",
    "seed": "seed",
}


def define(presets):
    """Defines the flags of a training program; `presets` are the names of the presets it offers, default first."""
    flags.DEFINE_integer("T", None, "T: frames of a clip, at 25 a second (default: the preset's, 40 for the paper's)")
    flags.DEFINE_integer("Ts", None, "T_s: frames that are left after distillation and travel to the cloud")
    flags.DEFINE_enum(
        "method", None, configs.METHODS, "how frames are selected: i3d (consecutive), i3d_e (uniform), tsd (distilled)"
    )
    flags.DEFINE_enum("preset", presets[0], presets, "the setting that the other flags change")
    flags.DEFINE_string("data_dir", None, "folder of the TFRecord shards (default: the preset's, data/<dataset>)")
    flags.DEFINE_string("runs_dir", "runs", "folder of the default work directories")
    flags.DEFINE_string("workdir", None, "work directory (default: <runs_dir>/<dataset>/<method>_T<T>_Ts<T_s>)")
    flags.DEFINE_string(
        "mobilenet_weights",
        None,
        "what the coarse extractor starts from: imagenet (downloaded), none, frames (trained as a classifier of single "
        "frames first), or a .weights.h5 file",
    )
    flags.DEFINE_float("initializer_stddev", None, "standard deviation of the TSD block's initial kernels")
    flags.DEFINE_float("logit_scale", None, "factor on the logits of P")
    flags.DEFINE_float("client_gradient_clip_norm", None, "bound on the client's gradient norm (default: none)")
    flags.DEFINE_integer("batch_size", None, "clips a replica and step, in every stage (default: the preset's)")
    flags.DEFINE_integer("max_steps", None, "cut every stage to this many steps: to try a set-up out", lower_bound=1)
    flags.DEFINE_integer("checkpoint_steps", None, "steps between checkpoints (default: one every ten minutes)", 1)
    flags.DEFINE_integer("seed", None, "seed of initialisation, clips and shuffling")


def config_from_flags():
    """The preset's Config with the flags' changes; UserError where they do not fit together."""
    preset = getattr(configs, FLAGS.preset)()
    changes = {field: FLAGS[flag].value for flag, field in _FIELDS.items() if FLAGS[flag].value is not None}
    method = changes.get("method", preset.method)
    try:
        if method == "i3d":
            changes = _i3d_changes(preset, changes)
        for name in configs.SCHEDULES:
            stages = getattr(preset, name)
            if FLAGS.batch_size is not None:
                stages = tuple(dataclasses.replace(stage, batch_size=FLAGS.batch_size) for stage in stages)
            if FLAGS.max_steps is not None:
                stages = tuple(
                    dataclasses.replace(stage, num_steps=min(stage.num_steps, FLAGS.max_steps)) for stage in stages
                )
            changes[name] = stages
        return dataclasses.replace(preset, **changes)
    except ValueError as error:
        raise UserError(str(error)) from error


def _i3d_changes(preset, changes):
    """I3D trains on clips of its own length and is tested with any; T and T_s name no training of it."""
    if {"num_frames", "num_distilled_frames"} & set(changes):
        raise UserError(
            "--method=i3d is trained once, on clips of the schedule's length, and then evaluated with any number of "
            "frames: leave --T and --Ts out here and give them to evaluate.py"
        )
    num_frames = preset.i3d_stages[-1].num_frames or preset.num_frames
    return {**changes, "num_frames": num_frames, "num_distilled_frames": num_frames}


def workdir_from_flags(config):
    """--workdir, or the default one of `config`."""
    return (
        pathlib.Path(FLAGS.workdir) if FLAGS.workdir else pathlib.Path(FLAGS.runs_dir, config.dataset, config.run_name)
    )
