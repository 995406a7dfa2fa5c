"""The training loop: stages in order, checkpoints, and resuming where the last checkpoint stands."""

import contextlib
import dataclasses
import json
import math
import time

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tsd_tf.data import pipeline
from tsd_tf.errors import UserError
from tsd_tf.network_builder import build_network
from tsd_tf.training import checkpoints
from tsd_tf.training.schedules import learning_rate
from tsd_tf.training.stages import stage_model, stages_of
from tsd_tf.training.train_step import make_train_step

_CHECKPOINT_SECONDS = 600.0
_LOG_STEPS = 10


class Trainer:
    """Trains one run in its work directory.

    Args:
        work_directory: a WorkDirectory; made if it is not there. One of another configuration is an error.
        config: a Config.
        initialize: called with the freshly built network before the first step, to load pretrained weights.
        strategy: a tf.distribute strategy; None takes all visible GPUs (MirroredStrategy), or the CPU.
        checkpoint_steps: steps between checkpoints; None writes one every ten minutes. Each stage ends with one.
    """

    def __init__(self, work_directory, config, initialize=None, strategy=None, checkpoint_steps=None):
        self.work_directory = work_directory
        self.config = config
        self.initialize = initialize
        self.strategy = strategy or default_strategy()
        self.checkpoint_steps = checkpoint_steps

    def run(self):
        """Trains every stage that is not finished yet and returns the trained FewFrameNetwork.

        Raises:
            UserError: no shards, a work directory of another configuration, a loss that is not finite.
        """
        labels = pipeline.read_labels(self.config.data_dir)
        if len(labels) != self.config.num_classes:
            raise UserError(
                f"{self.config.data_dir} has {len(labels)} classes in its labels.txt, the configuration expects "
                f"{self.config.num_classes}; choose another --data_dir or --preset"
            )
        stages = stages_of(self.config)
        shards = {stage.split: pipeline.find_shards(self.config.data_dir, stage.split) for stage in stages}
        self._claim(labels)
        keras.utils.set_random_seed(self.config.seed)
        with self.strategy.scope():
            network = build_network(self.config)
        found = checkpoints.newest(self.work_directory)
        if found:
            path, position = found
            checkpoints.restore_network(path, network)
        else:
            path, position = None, {"stage": 0, "step": 0, "total_steps": 0}
            if self.initialize:
                self.initialize(network)
        for index in range(position["stage"], len(stages)):
            if index > position["stage"]:
                path, position = None, {"stage": index, "step": 0, "total_steps": position["total_steps"]}
            if position["step"] < stages[index].num_steps:
                position = self._run_stage(network, stages[index], shards[stages[index].split], position, path)
        (self.work_directory.path / "finished").touch()
        return network

    def _claim(self, labels):
        """Writes config.json and labels.txt, or checks that those there are this run's."""
        directory = self.work_directory
        if directory.config_path.exists():
            there = directory.config()
            fields = [
                f"{field.name} is {getattr(there, field.name)!r} there and {getattr(self.config, field.name)!r} here"
                for field in dataclasses.fields(there)
                if getattr(there, field.name) != getattr(self.config, field.name)
            ]
            if fields:
                raise UserError(
                    f"the work directory {directory.path} belongs to a run of another configuration: "
                    f"{'; '.join(fields)}; choose another --workdir, or remove that one"
                )
            return
        try:
            directory.path.mkdir(parents=True, exist_ok=True)
            directory.labels_path.write_text("".join(f"{label}\n" for label in labels))
            partial = directory.config_path.with_suffix(".partial")
            partial.write_text(self.config.to_json())
            partial.rename(directory.config_path)
        except OSError as error:
            raise UserError(f"cannot write the work directory {directory.path}: {error.strerror or error}") from error

    def _run_stage(self, network, stage, shards, position, path):
        config, strategy = self.config, self.strategy
        global_batch_size = stage.batch_size * strategy.num_replicas_in_sync
        with strategy.scope():
            trained = stage_model(stage, network, config)
            optimizer = keras.optimizers.SGD(learning_rate(stage, 0), momentum=config.momentum)
            optimizer.build(list(trained.variables))
        known = {id(variable) for variable in network.variables}
        training_variables = [
            *optimizer.variables,
            *(variable for variable in trained.model.variables if id(variable) not in known),
        ]
        if path is not None:
            checkpoints.restore_training(path, training_variables)
        train_step = make_train_step(trained, optimizer, config, strategy, global_batch_size)
        clips = pipeline.training_clips(
            shards,
            num_frames=trained.num_frames,
            crop_size=config.crop_size,
            random_flip=config.random_flip,
            num_classes=config.num_classes,
            batch_size=global_batch_size,
            seed=stage_seed(config.seed, position["stage"]),
            first_step=position["step"],
        )
        if strategy.num_replicas_in_sync > 1:
            clips = strategy.experimental_distribute_dataset(clips)
        start = time.monotonic()
        saved = start
        total_before = position["total_steps"] - position["step"]
        recent = []
        with (
            tqdm(total=stage.num_steps, initial=position["step"], desc=stage.name, unit="step", mininterval=1.0) as bar,
            (self.work_directory.path / "log.jsonl").open("a") as log,
            _closing(pipeline.checked(clips)) as batches,
        ):
            for step in range(position["step"], stage.num_steps):
                optimizer.learning_rate.assign(learning_rate(stage, step))
                batch = next(batches)
                values = {name: float(value) for name, value in train_step(batch).items()}
                if not math.isfinite(values["loss"]):
                    raise UserError(
                        f"the loss of step {step} of stage {stage.name} is {values['loss']}; its batch held the "
                        f"records {', '.join(_media_ids(batch))}. Lower the rate, or look at these videos"
                    )
                recent.append(values)
                bar.update()
                position = {**position, "step": step + 1, "total_steps": total_before + step + 1}
                last = step + 1 == stage.num_steps
                if last or (step + 1) % _LOG_STEPS == 0:
                    means = {name: float(np.mean([one[name] for one in recent])) for name in values}
                    recent = []
                    rate = learning_rate(stage, step)
                    clips_per_second = global_batch_size * bar.format_dict["rate"] if bar.format_dict["rate"] else 0.0
                    bar.set_postfix(loss=f"{means['loss']:.3f}", accuracy=f"{means['accuracy']:.3f}", rate=f"{rate:g}")
                    line = {
                        "stage": stage.name,
                        "step": step + 1,
                        "learning_rate": rate,
                        "clips_per_second": clips_per_second,
                        **means,
                    }
                    log.write(json.dumps(line) + "\n")
                    log.flush()
                now = time.monotonic()
                due = (
                    now - saved >= _CHECKPOINT_SECONDS
                    if self.checkpoint_steps is None
                    else (step + 1) % self.checkpoint_steps == 0
                )
                if last or due:
                    checkpoints.save(self.work_directory, network, training_variables, position)
                    saved = now
        return position


def default_strategy():
    """MirroredStrategy over all visible GPUs, or the default strategy where there is none."""
    return tf.distribute.MirroredStrategy() if tf.config.list_physical_devices("GPU") else tf.distribute.get_strategy()


def stage_seed(seed, stage_index):
    """The seed of a stage's clips: a pure function of the run's seed and the stage's place."""
    return int(np.random.SeedSequence([seed, stage_index]).generate_state(1)[0] % 2**31)


def _media_ids(batch):
    ids = batch["media_id"]
    values = getattr(ids, "values", (ids,))
    return [media_id.decode() for part in values for media_id in part.numpy()]


_closing = contextlib.closing
