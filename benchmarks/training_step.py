"""Measures a training step of I3D and of both stages of I3D+TSD, beside PyTorch's I3D, and the wait for clips.

    python -m benchmarks.training_step --torch_python=torch-venv/bin/python --data_dir=data/kinetics400

takes steps of all of them in turn on the same clips, so that other work on the machine affects all alike. It writes
medians as JSON. At the paper's shapes it takes about ten minutes on two CPU cores. PyTorch is optional: --torch_python
names a Python that has it (and NumPy). With --data_dir, it also trains on clips read from these shards, and gives the
wait for them as a share of a step. For a machine with a GPU,

    KERAS_BACKEND=jax python -m benchmarks.training_step --T=64 --Ts=16 --batch_size=8 --precision=bfloat16 \
        --input_gradient=both

takes the same steps on Keras' JAX backend, those of TSD with either gradient of the main network's first convolution.
"""

import contextlib
import dataclasses
import functools
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

from absl import flags

from benchmarks import in_turn
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

FLAGS = flags.FLAGS
flags.DEFINE_integer("T", 40, "T: frames of a clip", lower_bound=1)
flags.DEFINE_integer("Ts", 10, "T_s: frames after distillation", lower_bound=1)
flags.DEFINE_integer("crop_size", 224, "pixels of the square frames", lower_bound=32)
flags.DEFINE_integer("batch_size", 1, "clips in a step", lower_bound=1)
flags.DEFINE_integer("repetitions", 7, "measured steps of each kind; the median counts", lower_bound=1)
flags.DEFINE_integer("warm_up", 2, "steps of each kind that do not count", lower_bound=0)
flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "of the convolutions; variables are float32")
flags.DEFINE_enum(
    "input_gradient",
    "auto",
    ["auto", "plain", "blocks", "both"],
    "how the first convolution passes gradients to the frames: plain is the backend's own way, blocks a convolution of "
    "stride 1, auto the one that training uses on this device; both measures plain and blocks",
)
flags.DEFINE_string("torch_python", None, "a Python that has PyTorch and NumPy (default: PyTorch is left out)")
flags.DEFINE_string("data_dir", None, "folder of train shards, to measure the wait for clips (default: not measured)")
flags.DEFINE_string("split", "train", "which shards of --data_dir")
flags.DEFINE_integer("input_steps", 20, "steps on clips from shards", lower_bound=1)
flags.DEFINE_string("output", "training_step.json", "file to write")


def _config():
    from tsd_tf import config

    return dataclasses.replace(
        config.kinetics400(),
        num_frames=FLAGS.T,
        num_distilled_frames=FLAGS.Ts,
        crop_size=FLAGS.crop_size,
        coarse_size=max(32, FLAGS.crop_size // 2),
        short_side=max(256, FLAGS.crop_size),
        mobilenet_weights="none",
    )


def _stages(config):
    """{name: Stage}: the steps to measure."""
    from tsd_tf.config import Stage

    size = {"batch_size": FLAGS.batch_size}
    stages = {
        f"i3d, {count} frames": Stage("i3d", "network", 1, 0.01, num_frames=count, **size)
        for count in dict.fromkeys((FLAGS.T, FLAGS.Ts))
    }
    stages["tsd stage 1"] = Stage("tsd_stage1", "client", 1, 0.01, **size)
    stages["tsd stage 2"] = Stage("tsd_stage2", "network", 1, 0.01, **size)
    return stages


def _ways(stage):
    """{end of a step's name: how its frames get their gradients}; I3D alone needs none of them."""
    if stage.name == "i3d":
        return {"": "auto"}
    if FLAGS.input_gradient == "both":
        return {", plain": "plain", ", blocks": "blocks"}
    return {"": FLAGS.input_gradient}


def _stage_model(stage, config):
    """The stage on its own network; I3D is a selector of the first frames in front of the same main network."""
    from tsd_tf.network_builder import build_network
    from tsd_tf.training.stages import stage_model

    if stage.name == "i3d":
        config = dataclasses.replace(
            config, method="i3d", num_frames=stage.num_frames, num_distilled_frames=stage.num_frames
        )
    policy = "float32" if FLAGS.precision == "float32" else "mixed_bfloat16"
    return stage_model(stage, build_network(config, policy), config)


def _tensorflow_step(trained, config):
    """A function frames, labels -> loss, with the step that the trainer takes."""
    import keras
    import tensorflow as tf

    from tsd_tf.training.train_step import make_train_step

    optimizer = keras.optimizers.SGD(0.01, momentum=config.momentum)
    optimizer.build(list(trained.variables))
    step = make_train_step(trained, optimizer, config, tf.distribute.get_strategy(), FLAGS.batch_size)
    seeds = tf.zeros((FLAGS.batch_size, 2), tf.int32)
    return lambda frames, labels: float(step({"frames": frames, "label": labels, "seed": seeds})["loss"])


def _jax_step(trained, config):
    """A function frames, labels -> loss: the same gradient and update, without what the paper's presets turn off."""
    import jax
    import keras

    from tsd_tf.data.preprocessing import to_network_input

    model = trained.model
    optimizer = keras.optimizers.SGD(0.01, momentum=config.momentum, weight_decay=None)
    optimizer.build(model.trainable_variables)

    def loss_of(trainable, others, frames, labels):
        logits, others = model.stateless_call(trainable, others, to_network_input(frames), training=True)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        decay = sum((variable**2).sum() for variable in trainable if variable.ndim > 1)
        return losses.mean() + config.weight_decay / 2 * decay, (losses.mean(), others)

    @jax.jit
    def step(trainable, others, slots, frames, labels):
        (_, (loss, others)), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, others, frames, labels)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return loss, trainable, others, slots

    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = [[variable.value for variable in group] for group in groups]

    def take(frames, labels):
        loss, *state[:] = step(*state, frames, labels)
        return float(jax.block_until_ready((loss, state))[0])

    return take


@contextlib.contextmanager
def _torch_steps(folder, frames, labels, num_classes):
    """A function number of frames -> milliseconds of PyTorch's step, and PyTorch's description; two None without it."""
    if not FLAGS.torch_python:
        yield None, None
        return
    import numpy as np

    path = pathlib.Path(folder) / "clips.npz"
    np.savez(path, frames=frames, labels=labels, num_classes=num_classes)
    script = pathlib.Path(__file__).with_name("torch_i3d.py")
    command = [FLAGS.torch_python, str(script), str(path), FLAGS.precision]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        described = process.stdout.readline()
        if not described:
            raise UserError(f"PyTorch did not start: --torch_python={FLAGS.torch_python}")

        def step(num_frames):
            process.stdin.write(f"{num_frames}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            if not answer:
                raise UserError(f"PyTorch's step on clips of {num_frames} frames failed; its own message is above")
            return json.loads(answer)["milliseconds"]

        yield step, json.loads(described)
        process.stdin.close()


def side_by_side(config, frames, labels, folder):
    """Median milliseconds of every step, taken in turn, and PyTorch's description."""
    import keras

    from tsd_tf.layers.padded_convolution import input_gradients

    make_step = _jax_step if keras.backend.backend() == "jax" else _tensorflow_step
    steps = {}
    for name, stage in _stages(config).items():
        for suffix, way in _ways(stage).items():
            trained = _stage_model(stage, config)
            take = input_gradients(way)(make_step(trained, config))
            steps[name + suffix] = in_turn.milliseconds(take, frames[:, : trained.num_frames], labels)
    with _torch_steps(folder, frames, labels, config.num_classes) as (torch_step, torch):
        if torch_step:
            for count in dict.fromkeys((FLAGS.T, FLAGS.Ts)):
                steps[f"torch i3d, {count} frames"] = functools.partial(torch_step, count)
        times = in_turn.measure(steps, FLAGS.repetitions, FLAGS.warm_up)
    rows = [
        {"step": name, "median_ms": statistics.median(values), "clips_per_second": 1e3 * FLAGS.batch_size / median}
        | {"fastest_ms": min(values), "slowest_ms": max(values)}
        for name, values in times.items()
        if (median := statistics.median(values))
    ]
    return rows, torch


def input_wait(config):
    """How long stage 2 waits for its clips, read from shards, as a share of its steps."""
    from tsd_tf.data.records import Records
    from tsd_tf.data.shards import find_shards
    from tsd_tf.data.training_clips import TrainingClips

    records = Records(find_shards(FLAGS.data_dir, FLAGS.split))
    stage = _stages(config)["tsd stage 2"]
    take = _tensorflow_step(_stage_model(stage, config), config)
    waits, steps = [], []
    with TrainingClips(records, config.clip_spec, batch_size=FLAGS.batch_size, seed=0) as clips:
        batches = iter(clips)
        for step in range(-FLAGS.warm_up, FLAGS.input_steps):
            began = time.perf_counter()
            batch = next(batches)
            ready = time.perf_counter()
            take(batch["frames"], batch["label"])
            if step >= 0:
                waits.append(ready - began)
                steps.append(time.perf_counter() - began)
    return {
        "data_dir": FLAGS.data_dir,
        "steps": len(steps),
        "median_step_ms": 1e3 * statistics.median(steps),
        "median_wait_ms": 1e3 * statistics.median(waits),
        "share_of_all_steps": sum(waits) / sum(steps),
    }


def _device():
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.devices()[0].device_kind
    return (machine.gpus() or ["cpu"])[0]


def main(argv):
    """Measures what the flags say."""
    command_line.no_arguments(argv)
    import keras
    import numpy as np

    if keras.backend.backend() == "jax" and FLAGS.data_dir:
        raise UserError("--data_dir is for the TensorFlow backend")
    config = _config()
    draw = np.random.default_rng(0)
    shape = (FLAGS.batch_size, FLAGS.T, FLAGS.crop_size, FLAGS.crop_size, 3)
    frames = draw.integers(0, 256, shape, "uint8")
    labels = draw.integers(0, config.num_classes, FLAGS.batch_size, "int32")
    with tempfile.TemporaryDirectory() as folder:
        rows, torch = side_by_side(config, frames, labels, folder)
    found = {
        "machine": machine.describe() | {"device": _device()},
        "versions": machine.versions("keras", "numpy", keras.backend.backend()),
        "torch": torch,
        **{
            name: FLAGS[name].value
            for name in ("T", "Ts", "crop_size", "batch_size", "precision", "input_gradient", "repetitions")
        },
        "steps": rows,
        "input": input_wait(config) if FLAGS.data_dir else None,
    }
    in_turn.write(FLAGS.output, found)


if __name__ == "__main__":
    command_line.run(main, backends=("tensorflow", "jax"))
