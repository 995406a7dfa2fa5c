"""What a training program does, from nothing to a trained network: the order in which parts are trained or loaded."""

import dataclasses
import pathlib
from typing import Any

from tsd_tf.config import Config
from tsd_tf.contract import references
from tsd_tf.contract.errors import UserError
from tsd_tf.data import augmentations
from tsd_tf.data.shards import labels_difference, read_labels
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_network
from tsd_tf.training import initialization
from tsd_tf.training.claim import differences
from tsd_tf.training.trainer import Trainer
from tsd_tf.weights import deepmind_i3d, inflation, mobilenet
from tsd_tf.work_directory import WorkDirectory


def train_on_kinetics(
    config: Config,
    workdir: str | pathlib.Path,
    *,
    i3d_config: Config,
    i3d_workdir: str | pathlib.Path,
    main_network_weights: str | pathlib.Path | None = None,
    i3d_checkpoint: str | None = None,
    inception_checkpoint: str | None = None,
    **trainer_options: Any,
) -> FewFrameNetwork:
    """Trains `config` on Kinetics, or on a data set laid out like it (Section 4.2).

    Methods other than I3D start from a trained I3D: the one that is named, else that of `i3d_workdir`, which is trained
    first if it is missing. A checkpoint of DeepMind's with other classes than the data is where that training starts.
    Mistakes that can be found before the training are.

    Args:
        config: a Config.
        workdir: the run's work directory.
        i3d_config: the Config of the I3D run that other methods start from, unless another source is named below.
        i3d_workdir: its work directory.
        main_network_weights: a work directory or .weights.h5 file to take the main network from, or None.
        i3d_checkpoint: prefix of one of DeepMind's TensorFlow checkpoints to take it from, or None.
        inception_checkpoint: prefix of TF-Slim's 2D Inception-v1, inflated to start the training of I3D from, or None.
        trainer_options: see Trainer.
    """
    if config.main_network != "inception_i3d" and (i3d_checkpoint or inception_checkpoint):
        raise UserError(
            "`i3d_checkpoint` and `inception_checkpoint` are for `main_network` inception_i3d. "
            f"Received: main_network={config.main_network}"
        )
    starts = {
        "main_network_weights": main_network_weights,
        "i3d_checkpoint": i3d_checkpoint,
        "inception_checkpoint": inception_checkpoint,
    }
    if len(given := [f"{name}={value}" for name, value in starts.items() if value]) > 1:
        raise UserError(f"expected one start for the main network. Received: {', '.join(given)}")
    # With another number of classes the last layer is new, and must be trained before the client is.
    fits = i3d_checkpoint is not None and deepmind_i3d.num_classes(i3d_checkpoint) == config.num_classes
    needs_i3d = config.method != "i3d" and not main_network_weights and not fits

    def initialize(network: FewFrameNetwork) -> None:
        if i3d_checkpoint and not needs_i3d:
            deepmind_i3d.load(network.main_network, i3d_checkpoint, with_logits=fits)
        elif source := main_network_weights or (needs_i3d and i3d_workdir):
            initialization.load_main_network(network, source)
        elif inception_checkpoint:
            inflation.load(network.main_network, inception_checkpoint)
        _start_client(network, config)

    run = WorkDirectory(workdir)
    trainer = Trainer(run, config, initialize, **trainer_options)
    cluster = trainer.cluster
    _check_parts(config)
    has_i3d = i3d_workdir is not None and WorkDirectory(i3d_workdir).finished()
    if not run.checkpoints() and (source := main_network_weights or (needs_i3d and has_i3d and i3d_workdir)):
        _check_classes(pathlib.Path(source), config)
    trainer.prepare()
    lacks_i3d = needs_i3d and not run.checkpoints() and not has_i3d
    with cluster.watched():
        lacks_i3d = cluster.chiefs_choice(lacks_i3d)
    if lacks_i3d:
        if i3d_config is None or i3d_workdir is None:
            raise UserError(f"`method` {config.method} starts from I3D: give `i3d_config` and `i3d_workdir`")
        if cluster.is_chief:
            # Missing weights are found now, not after I3D's training.
            _start_client(build_network(config), config)
            print(f"The main network comes first: training it in {i3d_workdir}")
        i3d_options = {**trainer_options, "cluster": cluster}
        train_on_kinetics(
            i3d_config,
            i3d_workdir,
            i3d_config=i3d_config,
            i3d_workdir=i3d_workdir,
            i3d_checkpoint=i3d_checkpoint,
            inception_checkpoint=inception_checkpoint,
            **i3d_options,
        )
    elif needs_i3d and not run.checkpoints() and cluster.is_chief:
        _note_other_i3d(WorkDirectory(i3d_workdir), i3d_config)
    return trainer.run()


def _note_other_i3d(i3d: WorkDirectory, expected: Config) -> None:
    """Says so if the I3D that is there was trained in another way than one would be now."""
    there, here = dataclasses.asdict(i3d.config()), dataclasses.asdict(expected)
    for name in ("data_dir", "frame_rate", "short_side", "square_pixels"):  # the data's, which may have moved
        del there[name], here[name]
    if found := differences(there, here):
        print(
            f"Note: the main network comes from {i3d.path}, which was trained in another way: {'; '.join(found)}. "
            "Remove that folder to train it anew, or name another start"
        )


def _check_classes(source: pathlib.Path, config: Config) -> None:
    """UserError if a run that the main network comes from was trained on data of other classes, as many as here."""
    labels = read_labels(config.data_dir)
    if not source.is_dir() or len(labels) != config.num_classes:  # which is refused by itself
        return
    if difference := labels_difference(WorkDirectory(source).labels(), labels):
        raise UserError(
            f"the main network of {source} tells other classes apart than those of {config.data_dir}: {difference}. "
            "Remove that folder to train it anew, or name another `data_dir` or `main_network_weights`"
        )


def _check_parts(config: Config) -> None:
    """UserError if a part of the user's own is not usable, before anything is written."""
    if references.is_reference(config.method) or references.is_reference(config.main_network):
        network = build_network(config)
        if config.rate_weight and not network.selector.is_learned:
            raise UserError(
                "`rate_weight` is for a selector that learns which frames to send. "
                f"Received: rate_weight={config.rate_weight}, selector={config.method}"
            )
    augmentations.composed(config.augmentations)


def _start_client(network: FewFrameNetwork, config: Config) -> None:
    if network.selector.is_coarse:
        mobilenet.load(network.selector.coarse_extractor, config.mobilenet_weights, config.coarse_width)


def fine_tune(
    config: Config, workdir: str | pathlib.Path, kinetics_workdir: str | pathlib.Path, **trainer_options: Any
) -> FewFrameNetwork:
    """Trains `config` from a run on Kinetics, its last layer new (Section 4.2, Training TSD on UCF101)."""
    trainer = Trainer(
        WorkDirectory(workdir),
        config,
        lambda network: initialization.load_for_fine_tuning(network, kinetics_workdir),
        **trainer_options,
    )
    _check_parts(config)
    return trainer.run()
