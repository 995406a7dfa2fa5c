"""The training loop: stages in order, and resuming where the last checkpoint stands."""

import contextlib
import dataclasses
import errno
import functools
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from tsd_tf.config import Config, Stage
from tsd_tf.contract.errors import DivergedError, UserError
from tsd_tf.data import augmentations
from tsd_tf.data.part import Part
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels
from tsd_tf.data.stored_frames import stored_frames_of
from tsd_tf.data.training_clips import TrainingClips
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_network
from tsd_tf.training import checkpoints
from tsd_tf.training.checkpoints import Checkpoints
from tsd_tf.training.claim import claim
from tsd_tf.training.cluster import Cluster, default_cluster
from tsd_tf.training.log import Log
from tsd_tf.training.loss_scale import LossScale
from tsd_tf.training.observer import Observer
from tsd_tf.training.precision import dtype_policy, needs_loss_scale
from tsd_tf.training.progress import Progress
from tsd_tf.training.rate_fit import RateFit
from tsd_tf.training.replicas import dropout_seeds, make_averaging, moving_statistics, spread_seeds
from tsd_tf.training.run_state import RunState, learning_rate
from tsd_tf.training.shares import check_shards, run_of
from tsd_tf.training.showcase import Showcase
from tsd_tf.training.stages import stage_model
from tsd_tf.training.summaries import Summaries
from tsd_tf.training.train_step import make_train_step
from tsd_tf.training.validation import Validation, ValidationPlan
from tsd_tf.work_directory import WorkDirectory

_CHECKPOINT_SECONDS = 600.0
# What a full or read-only disk answers.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)


class Trainer:
    """Trains one run in its work directory.

    Args:
        work_directory: a WorkDirectory; made if it is missing. One of another configuration is an error.
        config: a Config; `prepare` puts the shards' own rate and size of frames into it.
        initialize: loads pretrained weights; called with the freshly built network before the first step.
        cluster: the Cluster to train on; None for `default_cluster`.
        checkpoint_steps: steps between checkpoints; None writes one every ten minutes. Each stage ends with one.
        keep_checkpoints: how many checkpoints stay, besides the best one on validation.
        validation: a ValidationPlan; None for the default one.
        damaged_share: the share of a split's records that may be damaged; more end the run. On several machines it is
            the share of what each one reads of the split.
        observers: further Observers, told after the trainer's own; each worker tells its own.
    """

    def __init__(
        self,
        work_directory: WorkDirectory,
        config: Config,
        initialize: Callable[[FewFrameNetwork], None] | None = None,
        cluster: Cluster | None = None,
        checkpoint_steps: int | None = None,
        keep_checkpoints: int = 3,
        validation: ValidationPlan | None = None,
        damaged_share: float = 0.0,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.work_directory = work_directory
        self.config = config
        self.initialize = initialize
        self.cluster = cluster or default_cluster()
        self.strategy = self.cluster.strategy
        self.checkpoint_steps = checkpoint_steps
        self.keep_checkpoints = keep_checkpoints
        self.validation_plan = validation or ValidationPlan()
        self.damaged_share = damaged_share
        self.observers = observers
        self._records: dict[tuple, Records] = {}

    def prepare(self) -> list[list[str]]:
        """Makes the work directory, after checking that the run can start.

        Returns:
            The shards of every stage: a list of lists of paths.

        Raises:
            UserError: no shards, or too few for the replicas; another number of classes; a work directory of another
                configuration or other data, or a read-only one; another worker with another configuration.
        """
        labels = read_labels(self.config.data_dir)
        if len(labels) != self.config.num_classes:
            raise UserError(
                f"{self.config.data_dir} has {len(labels)} classes in its labels.txt, the configuration expects "
                f"{self.config.num_classes}; choose another `data_dir` or `preset`, or say so with `num_classes`"
            )
        shards = [find_shards(self.config.data_dir, stage.split) for stage in self.config.stages]
        self.config = self._as_stored()
        check_shards(self.config, shards, self.cluster)
        with self.cluster.watched():
            self.cluster.check_same(run_of(self.config))
        if self.cluster.is_chief:
            _ = self.validation_videos  # refused or announced before anything is written
            claim(self.work_directory, self.config, labels)
        return shards

    def _as_stored(self) -> Config:
        """The configuration with the rate and the size at which the shards hold frames."""
        config = self.config
        splits = {stage.split for stage in config.stages}
        if self.cluster.is_chief and self.validation_videos:
            splits.add(self.validation_videos[0])
        stored = stored_frames_of(config.data_dir, splits)
        if stored.short_side and stored.short_side < config.crop_size:
            raise UserError(
                f"`crop_size` must be at most {stored.short_side}, the pixels of the short side of the frames in "
                f"{config.data_dir}; or build them with a larger `short_side`. Received: crop_size={config.crop_size}"
            )
        return dataclasses.replace(
            config,
            frame_rate=stored.frame_rate or config.frame_rate,
            short_side=stored.short_side or config.short_side,
            square_pixels=stored.square_pixels,
        )

    @functools.cached_property
    def validation_videos(self) -> tuple[str, Records] | None:
        """What the network is tested on while it trains, (split, Records); None for no validation.

        Nothing may be held out of little data: then there is none, which is said.
        """
        found = self.validation_plan.videos(self.config)
        if found is None:
            return None
        split, shards, part = found
        records = self._records_of(shards, part=part)
        if part and not records.total:
            print(f"No validation while it trains: a share of {part.share:g} of {split} holds no video")
            return None
        return split, records

    @property
    def _trained_on(self) -> Part | None:
        share = self.config.held_out_share
        return Part(share, is_held_out=False) if share else None

    @property
    def rate_factor(self) -> int:
        """The factor on the schedule's rates: the number of replicas if the configuration says so."""
        return self.cluster.num_replicas if self.config.scale_learning_rate else 1

    def run(self) -> FewFrameNetwork:
        """Trains every stage that is not finished yet and returns the trained FewFrameNetwork.

        Raises:
            UserError: see `prepare`; or a worker has gone, or the disk is full.
            DivergedError: a loss, a gradient or a weight is not finite.
        """
        shards = self.prepare()
        with self.cluster.watched(), self._disk_errors():
            network = self._run(shards)
            self.cluster.wait_for_all()
        return network

    def _run(self, shards: list[list[str]]) -> FewFrameNetwork:
        stages = self.config.stages
        keras.utils.set_random_seed(self.config.seed)
        with self.strategy.scope():
            state = RunState(build_network(self.config, dtype_policy(self.config)), stages[0])
        path = self._restore(state)
        with contextlib.ExitStack() as observing:
            for observer in self._observers(state, shards):
                observing.callback(observer.close)
                state.observers.append(observer)
            while state.stage_index < len(stages):
                state.stage = stages[state.stage_index]
                if state.step < state.stage.num_steps:
                    self._run_stage(state, shards[state.stage_index], path)
                path, state.stage_index, state.step = None, state.stage_index + 1, 0
            state.tell("run_ends")
        return state.network

    def _restore(self, state: RunState) -> pathlib.Path | None:
        """Gives the run its initial weights, or those of the last checkpoint, and returns that checkpoint's folder."""
        # The other workers get all this from the chief; it need not be on their disks.
        found = checkpoints.newest(self.work_directory) if self.cluster.is_chief else None
        path, position = found or (None, state.position)
        if path is not None:
            checkpoints.restore_network(path, state.network)
        elif self.cluster.is_chief and self.initialize:
            self.initialize(state.network)
        values = self.cluster.chiefs([np.int64(position[name]) for name in ("stage", "step", "total_steps")])
        state.stage_index, state.step, state.total_steps = map(int, values)
        return path

    def _observers(self, state: RunState, shards: list[list[str]]) -> Iterator[Observer]:
        """Who watches the run; only the chief shows and writes something."""
        config, directory = self.config, self.work_directory
        if self.cluster.is_chief:
            yield Progress(config.num_frames)
            yield Log(directory.path / "log.jsonl", [stage.name for stage in config.stages], state.position)
            yield (summaries := Summaries(directory.path / "tensorboard"))
            # Before the checkpoint: a run that is killed in between validates these weights again.
            shown = self._records_of(shards[-1], part=self._trained_on)
            if self.validation_videos:
                split, shown = self.validation_videos
                yield Validation(directory, state.network, config, self.validation_plan, shown, split)
            yield Checkpoints(directory, self.keep_checkpoints)
            yield Showcase(config, shown, summaries)
        yield from self.observers

    def _run_stage(self, state: RunState, shards: list[str], path: pathlib.Path | None) -> None:
        """Trains one stage from where the run stands; `path` is the checkpoint at that place, if there is one."""
        config, strategy, stage, network = self.config, self.strategy, state.stage, state.network
        state.clips_a_step = stage.batch_size * strategy.num_replicas_in_sync
        stage_seed = _stage_seed(config.seed, state.stage_index)
        keras.utils.set_random_seed(stage_seed)  # What a stage draws does not depend on earlier stages.
        with strategy.scope():
            trained = stage_model(stage, network, config)
            optimizer = _optimizer(stage, config)
            optimizer.build(list(trained.variables))
            loss_scale = LossScale() if needs_loss_scale(dtype_policy(config)) else None
            rate_fit = RateFit(network, config) if trained.is_coded else None
        known = {id(variable) for variable in network.variables}
        temporary = [variable for variable in trained.model.variables if id(variable) not in known]
        helpers = [variable for helper in (loss_scale, rate_fit) if helper for variable in helper.variables]
        state.training_variables = [*optimizer.variables, *temporary, *helpers]
        if path is not None:
            checkpoints.restore_training(path, state.training_variables)
        self.cluster.copy_from_chief([*network.variables, *state.training_variables])
        spread_seeds(strategy, dropout_seeds(trained.model))
        train_step = make_train_step(trained, optimizer, config, strategy, state.clips_a_step, loss_scale, rate_fit)
        average_statistics = make_averaging(strategy, moving_statistics(trained.model))
        saved = time.monotonic()
        state.tell("stage_begins")
        with self._clips(shards, stage, trained.num_frames, state.step, stage_seed) as clips:
            batches = iter(clips)
            while state.step < stage.num_steps:
                state.learning_rate = learning_rate(stage, state.step) * self.rate_factor
                state.tell("step_begins")
                optimizer.learning_rate.assign(state.learning_rate)
                batch = next(batches)
                if rate_fit and state.step % rate_fit.steps == 0:
                    rate_fit.update(batch)
                    self.cluster.copy_from_chief(rate_fit.variables)  # each worker measured clips of its own
                state.values = {name: float(value) for name, value in train_step(batch).items()}
                state.values |= rate_fit.values if rate_fit else {}
                _check_finite(state, batch)
                average_statistics()
                state.step += 1
                state.total_steps += 1
                state.checkpoint_is_due = self._checkpoint_is_due(state, saved)
                state.tell("step_ends")
                if state.checkpoint_is_due:
                    saved = time.monotonic()
        state.tell("stage_ends")

    def _clips(self, shards: list[str], stage: Stage, num_frames: int, first_step: int, seed: int) -> TrainingClips:
        """The clips of a stage from a step on, of this worker's shards, dealt to its replicas."""
        spec = dataclasses.replace(
            self.config.clip_spec,
            num_frames=num_frames,
            augment=augmentations.composed(self.config.augmentations),
            frame_sampling=stage.frame_sampling or self.config.frame_sampling,
        )
        records = self._records_of(shards, self.cluster.num_workers, self.cluster.worker, self._trained_on)
        if not records.total:
            raise UserError(
                "`held_out_share` leaves nothing to train on, or a worker's shards nothing. "
                f"Received: held_out_share={self.config.held_out_share}"
            )
        return TrainingClips(
            records,
            spec,
            batch_size=stage.batch_size,
            seed=seed,
            first_step=first_step * self.cluster.num_local_replicas,
            strategy=self.strategy,
        )

    def _records_of(self, shards: list[str], num_hosts: int = 1, host: int = 0, part: Part | None = None) -> Records:
        """The one Records of some shards for all readers: each record is reported, and read whole, only once."""
        records = Records(shards, self.damaged_share, num_hosts, host, part)
        return self._records.setdefault((*shards, num_hosts, part), records)

    def _checkpoint_is_due(self, state: RunState, saved: float) -> bool:
        if state.step == state.stage.num_steps:
            return True
        if self.checkpoint_steps is not None:
            return state.step % self.checkpoint_steps == 0
        return time.monotonic() - saved >= _CHECKPOINT_SECONDS

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Says what to do about a disk that is full or read-only."""
        try:
            yield
        except OSError as error:
            if error.errno not in _DISK_ERRORS:
                raise
            raise UserError(
                f"cannot write to the work directory {self.work_directory.path}: {error.strerror}. The same command "
                "continues from the last checkpoint"
            ) from error


def _optimizer(stage: Stage, config: Config) -> keras.optimizers.Optimizer:
    if stage.optimizer == "adam":
        return keras.optimizers.Adam(stage.learning_rate)
    return keras.optimizers.SGD(stage.learning_rate, momentum=config.momentum)


def _stage_seed(seed: int, stage_index: int) -> int:
    """The seed of a stage's clips: a pure function of the run's seed and the stage's place."""
    return int(np.random.SeedSequence([seed, stage_index]).generate_state(1)[0] % 2**31)


def _check_finite(state: RunState, batch: dict[str, Any]) -> None:
    for name in ("loss", "gradient_norm"):
        if not math.isfinite(state.values[name]):
            parts = getattr(batch["media_id"], "values", (batch["media_id"],))
            media_ids = ", ".join(media_id.decode() for part in parts for media_id in part.numpy())
            raise DivergedError(
                f"the {name.replace('_', ' ')} of step {state.step} of stage {state.stage.name} is "
                f"{state.values[name]}",
                f"its batch held the records {media_ids}. Lower the rate, or look at these videos",
            )
