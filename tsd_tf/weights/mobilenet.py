"""Weights of the coarse extractor: those that Keras releases, trained on ImageNet, or those of a local file."""

import pathlib
import warnings

import keras

from tsd_tf.contract.errors import UserError
from tsd_tf.selectors.coarse import mobilenet
from tsd_tf.weights.hdf5 import count_arrays, load_weights

IMAGENET_WIDTHS = (0.25, 0.5, 0.75, 1.0)


def load(coarse_extractor: keras.Model, name_or_path: str, width: float) -> None:
    """Loads weights into a coarse extractor, layer by layer, by name; all of it or, on an error, nothing.

    Args:
        coarse_extractor: a model made by `tsd_tf.selectors.coarse.mobilenet`, whole or cut off at a layer.
        name_or_path: "imagenet", which Keras downloads once, without the top, to ~/.keras/models; "none", which keeps
            the random weights; or a file: a `.weights.h5` of this extractor or of the whole MobileNet without its
            top, or Keras' own `mobilenet_*_no_top.h5`.
        width: MobileNet's alpha, that of `coarse_extractor`.

    Raises:
        UserError: there is no such file, it holds the weights of another network or width, or the download failed.
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


def _imagenet(input_size: int, width: float) -> keras.Model:
    if width not in IMAGENET_WIDTHS:
        raise UserError(
            "MobileNet's ImageNet weights exist for the widths "
            f"{', '.join(map(str, IMAGENET_WIDTHS))}. Received: width={width}"
        )
    try:
        with warnings.catch_warnings():
            # Keras warns that weights trained at 224 pixels are used for an input of 112, which is intended.
            warnings.simplefilter("ignore")
            return keras.applications.MobileNet(
                input_shape=(input_size, input_size, 3), alpha=width, include_top=False, weights="imagenet"
            )
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise UserError(
            f"MobileNet's ImageNet weights could not be downloaded: {error}; fetch that file elsewhere and name it as "
            "`mobilenet_weights`, or train from random weights with 'none'"
        ) from error


def _from_file(coarse_extractor: keras.Model, path: str, width: float) -> keras.Model:
    if not pathlib.Path(path).is_file():
        raise UserError(
            "`mobilenet_weights` must be 'imagenet', 'none' or a file (.weights.h5, or Keras' own .h5). "
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
            f"{path} is neither MobileNet without its top nor this coarse extractor: expected {expected} weight "
            f"arrays, got {num_arrays}"
        )
    load_weights(donor, path, f"MobileNet of width {width}")
    return donor
