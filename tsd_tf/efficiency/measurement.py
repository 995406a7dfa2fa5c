"""Counts and times of one row, from the network that it describes."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf

from tsd_tf.config import Config
from tsd_tf.efficiency.counting import multiply_accumulates, parameters
from tsd_tf.efficiency.rows import Row
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_main_network, build_selector
from tsd_tf.video import picture_files

JPEG_QUALITY = 90
# The FLOPS of I3D in Tables 1 and 5 are this many G a frame, whatever the length.
PAPER_GMAC_PER_FRAME = 1.6875


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a Row costs here, for all of its clips together; None if there is nothing to count or time.

    Attributes:
        client_parameters, cloud_parameters: trainable values.
        client_macs, cloud_macs: multiply-accumulates; those of Y = XP are in `distillation_macs` instead.
        linear_rule_macs: what the paper's rule for I3D gives for the cloud half.
        frames_transmitted: frames that are sent for a video.
        bytes_raw, bytes_jpeg: their size as uint8, and as JPEG pictures of an example clip's frames.
        client_milliseconds, cloud_milliseconds: median time of one clip, times the clips.
    """

    client_parameters: int | None = None
    cloud_parameters: int
    client_macs: int | None = None
    distillation_macs: int | None = None
    cloud_macs: int
    linear_rule_macs: float | None
    frames_transmitted: int
    bytes_raw: int
    bytes_jpeg: int
    client_milliseconds: float | None = None
    cloud_milliseconds: float | None = None


def measure(row: Row, example: np.ndarray, timing_runs: int = 0) -> Measurement:
    """Builds the row's network and measures it.

    Args:
        row: what to measure.
        example: uint8 (n, height, width, 3), frames whose JPEG size stands for all.
        timing_runs: timed runs of each half after a first one that warms up; 0 for counts alone.
    """
    config = Config(
        main_network=row.main_network,
        method=row.method,
        num_frames=row.num_frames,
        num_distilled_frames=row.num_distilled_frames,
        crop_size=row.size,
        mobilenet_weights="none",
    )
    sizes, costs = _of_one_clip(config, timing_runs)
    frames = row.num_clips * row.num_distilled_frames
    linear = frames * PAPER_GMAC_PER_FRAME * 1e9 if row.main_network == "inception_i3d" else None
    return Measurement(
        **sizes,
        **{name: cost * row.num_clips for name, cost in costs.items()},
        linear_rule_macs=linear,
        frames_transmitted=frames,
        bytes_raw=frames * row.size * row.size * 3,
        bytes_jpeg=round(frames * jpeg_bytes(example, row.size)),
    )


@functools.cache
def _of_one_clip(config: Config, timing_runs: int) -> tuple[dict[str, int], dict[str, Any]]:
    """`of_one_clip` of a network of `config`."""
    # The variables of a main network do not depend on the length of its clips, so rows share them.
    network = FewFrameNetwork(build_selector(config), _main_network(config.main_network))
    network.build((1, config.num_frames, config.crop_size, config.crop_size, 3))
    return of_one_clip(network, config.crop_size, timing_runs)


def of_one_clip(
    network: FewFrameNetwork, crop_size: int, timing_runs: int = 0
) -> tuple[dict[str, int], dict[str, Any]]:
    """What a built network holds, and what a clip costs it.

    Args:
        network: a FewFrameNetwork.
        crop_size: pixels of its square frames.
        timing_runs: as for `measure`.

    Returns:
        (parameters, costs), by the attributes of Measurement; none of a client that has no weights.
    """
    clip = (1, network.selector.num_frames, crop_size, crop_size, 3)
    distilled = (1, network.selector.num_distilled_frames, *clip[2:])
    sizes = {"cloud_parameters": parameters(network.main_network)}
    costs: dict[str, Any] = {"cloud_macs": multiply_accumulates(network.cloud, distilled)}
    if timing_runs:
        costs["cloud_milliseconds"] = milliseconds(network.cloud, distilled, timing_runs)
    if network.selector.weights:
        matrix = (1, clip[1], distilled[1])
        sizes["client_parameters"] = parameters(network.selector)
        costs["client_macs"] = multiply_accumulates(network.transformation_matrix, clip)
        costs["distillation_macs"] = multiply_accumulates(network.frame_distillation, clip, matrix)
        if timing_runs:
            costs["client_milliseconds"] = milliseconds(network.client, clip, timing_runs)
    return sizes, costs


@functools.cache
def _main_network(name: str) -> keras.Model:
    return build_main_network(Config(main_network=name))


def milliseconds(function: Callable[[Any], Any], shape: tuple[int, ...], runs: int) -> float:
    """Median time of `runs` calls after a first one that warms up, as a tf.function on random frames of `shape`."""
    compiled = tf.function(function, jit_compile=False)
    frames = tf.constant(np.random.default_rng(0).uniform(-1, 1, shape).astype("float32"))
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        compiled(frames).numpy()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def jpeg_bytes(frames: np.ndarray, size: int) -> float:
    """Mean size of `frames`, uint8 (n, height, width, 3), as JPEG pictures of size x size pixels."""
    pictures = (cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in frames)
    return statistics.fmean(len(picture_files.encode(picture, "jpeg", JPEG_QUALITY)) for picture in pictures)
