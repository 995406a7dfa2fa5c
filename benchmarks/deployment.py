"""Measures the device's part: the client half on LiteRT beside MobileNet alone, and bytes on the wire.

    python -m benchmarks.deployment --video=video.mp4
    python -m benchmarks.deployment --workdir=runs/sample/tsd_T20_Ts5 --video=data/sample/videos/test/0.mp4

Everything is measured side by side in one run and written as JSON. Things that are compared take turns, so that a
machine that slows down slows both. Without --workdir the weights are random. Times do not depend on the weights, but
the bytes of distilled frames do (P of an untrained client averages the clip). benchmarks.serving measures the cloud's
part.
"""

import collections
import dataclasses
import math
import os
import pathlib
import statistics
import tempfile

from absl import flags, logging

from benchmarks import in_turn, networks
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "A trained run (default: a network with random weights).")
flags.DEFINE_enum("preset", "kinetics400", ["kinetics400", "sample"], "The network if --workdir is not given.")
flags.DEFINE_float("coarse_width", None, "With --preset: the coarse extractor's width.", lower_bound=0.01)
flags.DEFINE_integer("coarse_stride", None, "With --preset: it sees only every n-th frame.", lower_bound=1)
flags.DEFINE_list("parts", ["litert", "bytes"], "What to measure; bytes needs --video.")
flags.DEFINE_string("video", None, "A video whose bytes are counted.")
flags.DEFINE_string("output", "deployment.json", "File to write.")
flags.DEFINE_integer("repetitions", 10, "Measurements of each latency; the median counts.", lower_bound=1)


def _mobilenet_alone(network, frame_size, folder, kind):
    """Writes the coarse extractor as a client half of its own; returns the path.

    Args:
        kind: with "uint8" it takes a client's frames, and resizes and normalises them as the client half does; with
            "small_floats" it takes frames that are already resized and normalised.
    """
    import keras
    import tensorflow as tf

    from tsd_tf.contract import signatures
    from tsd_tf.data.preprocessing import to_network_input

    selector = network.selector
    size = selector.coarse_size

    def encode(frames):
        frames = tf.squeeze(frames, 0)
        if kind == "uint8":
            frames = to_network_input(keras.ops.image.resize(tf.cast(frames, tf.float32), (size, size)))
        return {signatures.FEATURES: selector.encode_frames(frames, training=False)}

    edge, dtype = (frame_size, tf.uint8) if kind == "uint8" else (size, tf.float32)
    num_seen = len(range(0, selector.num_frames, selector.coarse_stride))
    spec = tf.TensorSpec((1, num_seen, edge, edge, 3), dtype, signatures.FRAMES)
    function = tf.function(encode, autograph=False).get_concrete_function(spec)
    module = tf.Module()
    module.weights = [variable.value for variable in selector.coarse_extractor.weights]
    path = folder / f"mobilenet_{kind}"
    tf.saved_model.save(module, str(path), {signatures.DISTILL: function})
    return path


def litert(folder, sidecar, network, clip):
    """Milliseconds a clip on LiteRT by variant and threads, beside MobileNet alone; and after the last frame.

    MobileNet alone is as TensorFlow's converter makes it in the same variant. It gets the same uint8 frames, which it
    has to convert, normalise and resize too; where the client half shows it every `coarse_stride`-th frame, so here.
    `mobilenet_small_floats_ms` is its time when the frames arrive already resized and normalised.
    """
    import keras
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from tsd_tf.client.distiller import Distiller
    from tsd_tf.contract import signatures
    from tsd_tf.data.preprocessing import to_network_input
    from tsd_tf.export import tflite

    size = network.selector.coarse_size
    seen = clip[:: network.selector.coarse_stride]
    small = np.asarray(to_network_input(keras.ops.image.resize(seen.astype("float32"), (size, size))))
    inputs = {"uint8": seen, "small_floats": small}
    paths = {name: _mobilenet_alone(network, clip.shape[1], folder, name) for name in inputs}
    rows = []
    for variant in sidecar.variants:
        alone = {
            name: tflite.convert(path, [signatures.DISTILL], variant.name, [inputs[name]])
            for name, path in paths.items()
        }
        for threads in (1, 2):
            runners = {
                name: Interpreter(model_content=contents, num_threads=threads).get_signature_runner(signatures.DISTILL)
                for name, contents in alone.items()
            }
            distiller = Distiller(folder / variant.file, threads)
            features = np.stack([distiller.encode_frame(frame) for frame in seen])
            ways = {
                "clip": in_turn.milliseconds(distiller.distill, clip),
                "mobilenet": in_turn.milliseconds(runners["uint8"], frames=seen[None]),
                "small_floats": in_turn.milliseconds(runners["small_floats"], frames=small[None]),
                "frame": in_turn.milliseconds(distiller.encode_frame, clip[-1]),
                "last": in_turn.milliseconds(distiller.distill_features, clip, features),
            }
            times = in_turn.measure(ways, FLAGS.repetitions)
            median = {name: statistics.median(values) for name, values in times.items()}
            rows.append(
                {
                    "variant": variant.name,
                    "threads": threads,
                    "megabytes": variant.num_bytes / 1e6,
                    "clip_ms": median["clip"],
                    "mobilenet_alone_ms": median["mobilenet"],
                    "added_to_mobilenet": in_turn.ratio(times, "clip", "mobilenet") - 1,
                    "mobilenet_small_floats_ms": median["small_floats"],
                    "added_to_mobilenet_small_floats": in_turn.ratio(times, "clip", "small_floats") - 1,
                    "tsd_block_and_distillation_ms": median["last"],
                    "streaming_frame_ms": median["frame"],
                    "streaming_after_last_frame_ms": median["frame"] + median["last"],
                }
            )
    return rows


def multiply_accumulates(network, frame_size):
    """Multiply-accumulates a clip in the parts of the exported client half, and the share added to MobileNet's."""
    from tsd_tf.efficiency import counting
    from tsd_tf.export.lite_tsd_block import LiteTSDBlock

    selector = network.selector
    size, shape = selector.coarse_size, selector.coarse_extractor.output_shape[1:]
    block = LiteTSDBlock(selector.tsd_block, shape)
    num_seen = len(range(0, selector.num_frames, selector.coarse_stride))
    counts = {
        "mobilenet": counting.multiply_accumulates(selector.coarse_extractor, (num_seen, size, size, 3)),
        "tsd_block": counting.multiply_accumulates(block, (selector.num_frames, *shape)),
        "distillation": selector.num_frames * selector.num_distilled_frames * frame_size**2 * 3,
    }
    return {**counts, "added_to_mobilenet": (counts["tsd_block"] + counts["distillation"]) / counts["mobilenet"]}


def count_bytes(folder, video):
    """Bytes of a video that travel, over all its clips: distilled frames, uniform frames, all frames; and its file's.

    Each codec codes at its default quality, which is in its key.
    """
    import numpy as np

    from tsd_tf.client import capture, clips
    from tsd_tf.client.distiller import Distiller
    from tsd_tf.evaluation.coding import Coding
    from tsd_tf.video import clip_coding
    from tsd_tf.video.isolated_decoder import IsolatedDecoder

    distiller = Distiller(folder / "client.tflite")
    model = distiller.model
    captured = capture.video_frames(video, model, IsolatedDecoder())
    sizes = collections.Counter()
    for _, clip in clips.sliding(captured, model.num_frames, model.num_frames):
        clip = np.stack(clip)
        distilled, matrix = distiller.distill(clip)
        uniform = clip[np.arange(model.num_distilled_frames) * model.num_frames // model.num_distilled_frames]
        for coding in map(Coding.parse, ("raw", "png", "jpeg", "h264")):
            sizes[str(coding)] += coding.encode(distilled, clip_coding.time_order(matrix)).num_bytes
            if coding.quality is not None:
                sizes[f"uniform_frames_{coding}"] += coding.encode(uniform, None).num_bytes
                sizes[f"all_frames_{coding}"] += coding.encode(clip, None).num_bytes
    return {**sizes, "video_file": os.path.getsize(video)}


def main(argv):
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    from tsd_tf.export import exporter, verification

    config, network, labels = networks.load(
        FLAGS.workdir, FLAGS.preset, coarse_width=FLAGS.coarse_width, coarse_stride=FLAGS.coarse_stride
    )
    if config.method != "tsd":
        raise UserError(
            f"only a run of I3D+TSD can be compared with MobileNet alone. Received: a run of {config.method}"
        )
    clips, representative = networks.clips(config, FLAGS.workdir)
    tolerances = verification.TOLERANCES
    if not FLAGS.workdir:  # features of random weights are next to nothing, and in int8 nothing
        anything = {field.name: math.inf for field in dataclasses.fields(tolerances.int8)}
        tolerances = dataclasses.replace(tolerances, int8=verification.Differences(**anything))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        sidecar, exported = exporter.export(
            network, config, labels, folder, clips, representative, tolerances=tolerances
        )
        found = {
            "machine": machine.describe(),
            "versions": machine.versions("tensorflow", "ai-edge-litert", "numpy"),
            "network": FLAGS.workdir or f"{FLAGS.preset}, random weights",
            "T": config.num_frames,
            "Ts": config.num_distilled_frames,
            "frame_size": config.crop_size,
            "coarse_width": config.coarse_width,
            "coarse_stride": config.coarse_stride,
            "export_differences": exported["client"],
            "multiply_accumulates": multiply_accumulates(network, config.crop_size),
        }
        if "litert" in FLAGS.parts:
            found["litert"] = litert(folder, sidecar, network, clips[0])
        if FLAGS.video and "bytes" in FLAGS.parts:
            found["bytes"] = count_bytes(folder, FLAGS.video)
    in_turn.write(FLAGS.output, found)


if __name__ == "__main__":
    command_line.run(main)
