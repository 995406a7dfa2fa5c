"""Where a run's first weights come from."""

import os
import pathlib
from collections.abc import Iterable
from typing import Any

import keras

from tsd_tf.contract.errors import UserError
from tsd_tf.main_networks.interface import last_layer
from tsd_tf.network import FewFrameNetwork
from tsd_tf.weights.hdf5 import load_weights
from tsd_tf.work_directory import WorkDirectory


def copy_weights(source: keras.layers.Layer, target: keras.layers.Layer, skip: Iterable[Any] = ()) -> None:
    """Copies the variables of one built model to another of the same structure.

    Args:
        source, target: built Keras models or layers.
        skip: variables of `target` that keep their values.

    Raises:
        UserError: the number of variables differs, or the shape of one that is not skipped.
    """
    skipped = {id(variable) for variable in skip}
    if len(source.variables) != len(target.variables):
        raise UserError(
            f"cannot start {target.name} from {source.name}: expected {len(target.variables)} variables, "
            f"found {len(source.variables)}; is it another method or network?"
        )
    for old, new in zip(source.variables, target.variables, strict=True):
        if id(new) in skipped:
            continue
        if old.shape != new.shape:
            raise UserError(
                f"cannot start from these weights: {new.path} has shape {tuple(new.shape)} here and "
                f"{tuple(old.shape)} there; T, T_s, the classes and the widths must be the same"
            )
        new.assign(old)


def load_main_network(network: FewFrameNetwork, path: str | os.PathLike) -> None:
    """Loads the main network of `network` from a work directory or from a .weights.h5 file of a main network."""
    path = pathlib.Path(path)
    if path.is_dir():
        copy_weights(WorkDirectory(path).load_network().main_network, network.main_network)
    else:
        load_weights(network.main_network, path)


def load_for_fine_tuning(network: FewFrameNetwork, path: str | os.PathLike) -> None:
    """Loads all of `network` but the main network's last layer from a work directory of another data set.

    Fine-tuning of Section 4.2: every parameter except the final layer starts from Kinetics.
    """
    source = WorkDirectory(path).load_network()
    for name in ("num_frames", "num_distilled_frames"):
        there, here = getattr(source.selector, name), getattr(network.selector, name)
        if there != here:
            raise UserError(
                f"cannot fine-tune from {path}: its `{name}` is {there}, here it is {here}; give the same one, or "
                "another `kinetics_workdir`"
            )
    copy_weights(source, network, skip=last_layer(network.main_network, network.num_classes).variables)
