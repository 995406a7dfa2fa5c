"""Weights of the coarse extractor: MobileNet on ImageNet, as Keras releases it, or a local file."""

import pathlib
import warnings

import keras

from tsd_tf.contract.errors import UserError
from tsd_tf.selectors.coarse import mobilenet
from tsd_tf.weights.hdf5 import count_arrays

IMAGENET_WIDTHS = (0.25, 0.5, 0.75, 1.0)


def load(coarse_extractor, name_or_path, width):
    """Loads weights into a coarse extractor, layer by layer, by name; all of it or, on an error, nothing.

    Args:
        coarse_extractor: a model made by `tsd_tf.selectors.coarse.mobilenet`, cut at a layer or whole.
        name_or_path: "imagenet": Keras downloads its weights without the top, once, to ~/.keras/models; "none": the
            random weights stay; else a file: `.weights.h5` of this extractor or of the whole MobileNet without its
            top, or Keras' own `mobilenet_*_no_top.h5`.
        width: MobileNet's alpha, that of `coarse_extractor`.

    Raises:
        UserError: no such file or weights, they are those of another network or width, or the download fails.
    """
    if name_or_path == "none":
        return
    if name_or_path == "imagenet":
        donor = _imagenet(coarse_extractor.input_shape[1], width)
    else:
        donor = _from_file(coarse_extractor, name_or_path, width)
    for layer in coarse_extractor.layers:
        if layer.weights:
            layer.set_weights(donor.get_layer(layer.name).get_weights())


def _imagenet(input_size, width):
    if width not in IMAGENET_WIDTHS:
        raise UserError(
            "MobileNet's ImageNet weights exist for the widths "
            f"{', '.join(map(str, IMAGENET_WIDTHS))}. Received: width {width}"
        )
    try:
        with warnings.catch_warnings():
            # Keras warns that it takes the weights trained at 224 pixels for an input of 112: as intended.
            warnings.simplefilter("ignore")
            return keras.applications.MobileNet(
                input_shape=(input_size, input_size, 3), alpha=width, include_top=False, weights="imagenet"
            )
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise UserError(
            f"MobileNet's ImageNet weights could not be downloaded: {error}; fetch that file elsewhere and pass "
            "--mobilenet_weights=FILE, or train from random weights with --mobilenet_weights=none"
        ) from error


def _from_file(coarse_extractor, path, width):
    if not pathlib.Path(path).is_file():
        raise UserError(
            "MobileNet's weights are 'imagenet', 'none' or a file (.weights.h5, or Keras' own .h5). "
            f"Found no file: {path}"
        )
    whole = mobilenet(coarse_extractor.input_shape[1], width)
    num_arrays = count_arrays(path)
    if num_arrays == len(whole.weights):
        donor = whole
    elif num_arrays == len(coarse_extractor.weights):
        donor = keras.models.clone_model(coarse_extractor)
    else:
        expected = " or ".join(map(str, sorted({len(whole.weights), len(coarse_extractor.weights)})))
        raise UserError(
            f"{path} is not MobileNet without its top, nor this coarse extractor: expected {expected} weight arrays. "
            f"Received: {num_arrays}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What Keras warns of layer by layer before it raises.
            donor.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} does not fit MobileNet of width {width}: {reason}") from error
    return donor
