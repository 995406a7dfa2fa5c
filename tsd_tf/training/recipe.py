"""What a training program does, from nothing to a trained network: the order in which parts are trained or loaded."""

import pathlib

from tsd_tf.training import initialization
from tsd_tf.training.trainer import Trainer
from tsd_tf.weights import deepmind_i3d, mobilenet
from tsd_tf.work_directory import WorkDirectory


def train_on_kinetics(
    config, workdir, *, i3d_config, i3d_workdir, main_network_weights=None, i3d_checkpoint=None, **trainer_options
):
    """Trains `config` on Kinetics, or on a data set laid out like it (Section 4.2).

    Methods other than I3D start from a trained I3D: the one that is named, else that of `i3d_workdir`, which is trained
    first if it is not there.

    Args:
        config: a Config.
        workdir: the run's work directory.
        i3d_config: the Config of the I3D run that other methods start from.
        i3d_workdir: its work directory.
        main_network_weights: a work directory or .weights.h5 file to take the main network from, or None.
        i3d_checkpoint: prefix of one of DeepMind's TensorFlow checkpoints, or None.
        trainer_options: see Trainer.

    Returns:
        The trained FewFrameNetwork.
    """
    if config.method != "i3d" and not main_network_weights and not i3d_checkpoint:
        main_network_weights = pathlib.Path(i3d_workdir)
        if not WorkDirectory(main_network_weights).finished():
            print(f"The main network comes first: training I3D in {main_network_weights}")
            Trainer(WorkDirectory(main_network_weights), i3d_config, **trainer_options).run()

    def initialize(network):
        if i3d_checkpoint:
            deepmind_i3d.load(network.main_network, i3d_checkpoint)
        elif main_network_weights:
            initialization.load_main_network(network, main_network_weights)
        if hasattr(network.selector, "coarse_extractor"):
            mobilenet.load(network.selector.coarse_extractor, config.mobilenet_weights, config.coarse_width)

    return Trainer(WorkDirectory(workdir), config, initialize, **trainer_options).run()


def fine_tune(config, workdir, kinetics_workdir, **trainer_options):
    """Trains `config` from a run on Kinetics, its last layer new (Section 4.2, Training TSD on UCF101)."""
    return Trainer(
        WorkDirectory(workdir),
        config,
        lambda network: initialization.load_for_fine_tuning(network, kinetics_workdir),
        **trainer_options,
    ).run()
