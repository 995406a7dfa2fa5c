"""The training loop: stages in order, checkpoints, and resuming where the last checkpoint stands."""

import dataclasses
import functools
import math
import time

import keras
import numpy as np

from tsd_tf.contract.errors import UserError
from tsd_tf.data.records import Records
from tsd_tf.data.shards import find_shards, read_labels
from tsd_tf.data.training_clips import TrainingClips
from tsd_tf.network_builder import build_network
from tsd_tf.training import checkpoints, log
from tsd_tf.training.claim import claim
from tsd_tf.training.cluster import default_cluster
from tsd_tf.training.disk import disk_errors
from tsd_tf.training.loss_scale import LossScale
from tsd_tf.training.precision import dtype_policy, needs_loss_scale
from tsd_tf.training.progress import Progress, Silence
from tsd_tf.training.replicas import dropout_seeds, make_averaging, moving_statistics, spread_seeds
from tsd_tf.training.schedules import learning_rate
from tsd_tf.training.shares import check_shards, run_of
from tsd_tf.training.showcase import Showcase
from tsd_tf.training.stages import stage_model
from tsd_tf.training.summaries import Summaries
from tsd_tf.training.train_step import make_train_step
from tsd_tf.training.validation import Validation, ValidationPlan

_CHECKPOINT_SECONDS = 600.0


class Trainer:
    """Trains one run in its work directory.

    Args:
        work_directory: a WorkDirectory; made if it is not there. One of another configuration is an error.
        config: a Config.
        initialize: called with the freshly built network before the first step, to load pretrained weights.
        cluster: the Cluster to train on; None for `default_cluster`.
        checkpoint_steps: steps between checkpoints; None writes one every ten minutes. Each stage ends with one.
        keep_checkpoints: how many of them stay, besides the best one on validation.
        validation: a ValidationPlan; None for the default one.
        damaged_share: of a split's records that may be damaged; more ends the run. On several machines it is a share of
            what each one reads of the split.
    """

    def __init__(
        self,
        work_directory,
        config,
        initialize=None,
        cluster=None,
        checkpoint_steps=None,
        keep_checkpoints=3,
        validation=None,
        damaged_share=0.0,
    ):
        self.work_directory = work_directory
        self.config = config
        self.initialize = initialize
        self.cluster = cluster or default_cluster()
        self.strategy = self.cluster.strategy
        self.checkpoint_steps = checkpoint_steps
        self.keep_checkpoints = keep_checkpoints
        self.validation_plan = validation or ValidationPlan()
        self.damaged_share = damaged_share
        self._records = {}

    def prepare(self):
        """Makes the work directory, after checking that the run can start.

        Returns:
            The shards of every stage: a list of lists of paths.

        Raises:
            UserError: no shards, or too few for the replicas; another class list, a work directory of another
                configuration or other data, or a read-only one; another worker with other flags.
        """
        labels = read_labels(self.config.data_dir)
        if len(labels) != self.config.num_classes:
            raise UserError(
                f"{self.config.data_dir} has {len(labels)} classes in its labels.txt, the configuration expects "
                f"{self.config.num_classes}; choose another --data_dir or --preset"
            )
        shards = [find_shards(self.config.data_dir, stage.split) for stage in self.config.stages]
        check_shards(self.config, shards, self.cluster)
        with self.cluster.watched():
            self.cluster.check_same(run_of(self.config))
        if self.cluster.is_chief:
            _ = self.validation_shards  # refused or announced before anything is written
            claim(self.work_directory, self.config, labels)
        return shards

    @functools.cached_property
    def validation_shards(self):
        """The shards that the network is tested on while it trains: a list of paths, [] for no validation."""
        return self.validation_plan.shards(self.config.data_dir)

    @property
    def rate_factor(self):
        """What the rates of the schedule are multiplied by: the replicas' number where the configuration says so."""
        return self.cluster.num_replicas if self.config.scale_learning_rate else 1

    def run(self):
        """Trains every stage that is not finished yet and returns the trained FewFrameNetwork.

        Raises:
            UserError: see `prepare`; a loss that is not finite; a worker that has gone; or a full disk.
        """
        shards = self.prepare()
        with self.cluster.watched(), disk_errors(self.work_directory):
            network = self._run(shards)
            self.cluster.wait_for_all()
        return network

    def _run(self, shards):
        stages, is_chief = self.config.stages, self.cluster.is_chief
        keras.utils.set_random_seed(self.config.seed)
        with self.strategy.scope():
            network = build_network(self.config, dtype_policy(self.config))
        path, position = None, {"stage": 0, "step": 0, "total_steps": 0}
        # The other workers get all this from the chief: their disks need not hold it.
        found = checkpoints.newest(self.work_directory) if is_chief else None
        if found:
            path, position = found
            checkpoints.restore_network(path, network)
        elif is_chief and self.initialize:
            self.initialize(network)
        validation, showcase = None, None
        if is_chief:
            log.cut_back(self.work_directory.path / "log.jsonl", [stage.name for stage in stages], position)
            validation = Validation(
                self.work_directory,
                network,
                self.config,
                self.validation_plan,
                self._records_of(self.validation_shards) if self.validation_shards else None,
            )
            summaries = Summaries(self.work_directory.path / "tensorboard")
            shown = self.validation_shards or shards[-1]
            showcase = Showcase(network, self.config, self._records_of(shown), summaries)
        names = sorted(position)
        values = self.cluster.chiefs([np.int64(position[name]) for name in names])
        position = {name: int(value) for name, value in zip(names, values, strict=True)}
        while position["stage"] < len(stages):
            index = position["stage"]
            if position["step"] < stages[index].num_steps:
                position = self._run_stage(network, stages[index], shards[index], position, path, validation, showcase)
            path, position = None, {**position, "stage": index + 1, "step": 0}
        if is_chief:
            summaries.close()
            (self.work_directory.path / "finished").touch()
        return network

    def _run_stage(self, network, stage, shards, position, path, validation, showcase):
        """Trains one stage from `position` on; `path` is the checkpoint that stands there, if one does."""
        config, strategy = self.config, self.strategy
        clips_a_step = stage.batch_size * strategy.num_replicas_in_sync
        stage_seed = _stage_seed(config.seed, position["stage"])
        keras.utils.set_random_seed(stage_seed)  # What a stage draws does not depend on what was drawn before it.
        with strategy.scope():
            trained = stage_model(stage, network, config)
            optimizer = _optimizer(stage, config)
            optimizer.build(list(trained.variables))
            loss_scale = LossScale() if needs_loss_scale(dtype_policy(config)) else None
        known = {id(variable) for variable in network.variables}
        temporary = [variable for variable in trained.model.variables if id(variable) not in known]
        training_variables = [*optimizer.variables, *temporary, *(loss_scale.variables if loss_scale else ())]
        if path is not None:
            checkpoints.restore_training(path, training_variables)
        self.cluster.copy_from_chief([*network.variables, *training_variables])
        spread_seeds(strategy, dropout_seeds(trained.model))
        train_step = make_train_step(trained, optimizer, config, strategy, clips_a_step, loss_scale)
        average_statistics = make_averaging(strategy, moving_statistics(trained.model))
        clips = self._clips(shards, stage, trained.num_frames, position["step"], stage_seed)
        saved = time.monotonic()
        with (
            self._progress(stage, position, clips_a_step, showcase) as progress,
            clips,
        ):
            batches = iter(clips)
            while position["step"] < stage.num_steps:
                step = position["step"]
                rate = learning_rate(stage, step) * self.rate_factor
                optimizer.learning_rate.assign(rate)
                batch = next(batches)
                values = {name: float(value) for name, value in train_step(batch).items()}
                for name in ("loss", "gradient_norm"):
                    if not math.isfinite(values[name]):
                        raise UserError(
                            f"the {name.replace('_', ' ')} of step {step} of stage {stage.name} is {values[name]}; its "
                            f"batch held the records {', '.join(_media_ids(batch))}. Lower the rate, or look at these "
                            "videos"
                        )
                average_statistics()
                progress.update(values, rate)
                position = {**position, "step": step + 1, "total_steps": position["total_steps"] + 1}
                if not self.cluster.is_chief:
                    continue
                due = self._checkpoint_is_due(position["step"], stage, saved)
                # Before the checkpoint: a run that is killed in between validates these weights again.
                if validation.is_due(stage, position["step"], at_checkpoint=due):
                    progress.validated(validation.run(stage, position))
                if due:
                    checkpoints.save(
                        self.work_directory, network, training_variables, position, keep=self.keep_checkpoints
                    )
                    showcase.write(position["total_steps"])
                    saved = time.monotonic()
        return position

    def _clips(self, shards, stage, num_frames, first_step, seed):
        """The clips of a stage from a step on, from this worker's shards, dealt to its replicas."""
        return TrainingClips(
            self._records_of(shards, self.cluster.num_workers, self.cluster.worker),
            dataclasses.replace(self.config.clip_spec, num_frames=num_frames),
            batch_size=stage.batch_size,
            seed=seed,
            first_step=first_step * self.cluster.num_local_replicas,
            strategy=self.strategy,
        )

    def _records_of(self, shards, num_hosts=1, host=0):
        """One Records of some shards whoever reads them: each record is told of, and read whole, only once."""
        records = Records(shards, self.damaged_share, num_hosts, host)
        return self._records.setdefault((*shards, num_hosts), records)

    def _progress(self, stage, position, clips_a_step, showcase):
        if not self.cluster.is_chief:
            return Silence()
        num_frames = self.config.num_frames
        return Progress(self.work_directory, stage, position, clips_a_step, num_frames, showcase.summaries)

    def _checkpoint_is_due(self, step, stage, saved):
        if step == stage.num_steps:
            return True
        if self.checkpoint_steps is not None:
            return step % self.checkpoint_steps == 0
        return time.monotonic() - saved >= _CHECKPOINT_SECONDS


def _optimizer(stage, config):
    if stage.optimizer == "adam":
        return keras.optimizers.Adam(stage.learning_rate)
    return keras.optimizers.SGD(stage.learning_rate, momentum=config.momentum)


def _stage_seed(seed, stage_index):
    """The seed of a stage's clips: a pure function of the run's seed and the stage's place."""
    return int(np.random.SeedSequence([seed, stage_index]).generate_state(1)[0] % 2**31)


def _media_ids(batch):
    parts = getattr(batch["media_id"], "values", (batch["media_id"],))
    return [media_id.decode() for part in parts for media_id in part.numpy()]
