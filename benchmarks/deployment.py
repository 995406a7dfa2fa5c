"""Measures the deployed parts: LiteRT, the cloud half in this process and behind the server, and bytes on the wire.

    python -m benchmarks.deployment --video=video.mp4
    python -m benchmarks.deployment --workdir=runs/sample/tsd_T20_Ts5 --video=data/sample/videos/test/0.mp4

Everything is measured side by side in one run and written as JSON. Things that are compared take turns, so that a
machine that slows down slows both. Without --workdir the weights are random. Times do not depend on the weights, but
the bytes of distilled frames do (P of an untrained client averages the clip).
"""

import collections
import concurrent.futures
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags, logging
from tqdm import tqdm

from benchmarks import in_turn, networks
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine
from tsd_tf.serving.limits import Limits

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_BATCHES = (1, 2, 4, 8)
_ROUNDS = 6  # rounds of the comparison at saturation

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "A trained run (default: a network with random weights).")
flags.DEFINE_enum("preset", "kinetics400", ["kinetics400", "sample"], "The network if --workdir is not given.")
flags.DEFINE_list("parts", ["litert", "cloud", "bytes"], "What to measure; bytes needs --video.")
flags.DEFINE_string("video", None, "A video whose bytes are counted.")
flags.DEFINE_string("output", "deployment.json", "File to write.")
flags.DEFINE_integer("repetitions", 10, "Measurements of each latency; the median counts.", lower_bound=1)
flags.DEFINE_integer("clients", 64, "Clients at a time.", lower_bound=1)
flags.DEFINE_float("seconds", 60, "How long they ask, in all rounds together.", lower_bound=1)


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
    spec = tf.TensorSpec((1, selector.num_frames, edge, edge, 3), dtype, signatures.FRAMES)
    function = tf.function(encode, autograph=False).get_concrete_function(spec)
    module = tf.Module()
    module.weights = [variable.value for variable in selector.coarse_extractor.weights]
    path = folder / f"mobilenet_{kind}"
    tf.saved_model.save(module, str(path), {signatures.DISTILL: function})
    return path


def litert(folder, sidecar, network, clip):
    """Milliseconds a clip on LiteRT by variant and threads, beside MobileNet alone; and after the last frame.

    MobileNet alone is as TensorFlow's converter makes it in the same variant. It gets the same uint8 frames, which it
    has to convert, normalise and resize too. `mobilenet_small_floats_ms` is its time when the frames arrive already
    resized and normalised.
    """
    import keras
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from tsd_tf.client.distiller import Distiller
    from tsd_tf.contract import signatures
    from tsd_tf.data.preprocessing import to_network_input
    from tsd_tf.export import tflite

    size = network.selector.coarse_size
    small = np.asarray(to_network_input(keras.ops.image.resize(clip.astype("float32"), (size, size))))
    inputs = {"uint8": clip, "small_floats": small}
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
            features = np.stack([distiller.encode_frame(frame) for frame in clip])
            ways = {
                "clip": in_turn.milliseconds(distiller.distill, clip),
                "mobilenet": in_turn.milliseconds(runners["uint8"], frames=clip[None]),
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
    counts = {
        "mobilenet": counting.multiply_accumulates(selector.coarse_extractor, (selector.num_frames, size, size, 3)),
        "tsd_block": counting.multiply_accumulates(block, (selector.num_frames, *shape)),
        "distillation": selector.num_frames * selector.num_distilled_frames * frame_size**2 * 3,
    }
    return {**counts, "added_to_mobilenet": (counts["tsd_block"] + counts["distillation"]) / counts["mobilenet"]}


class _Server:
    """`python -m tsd_tf.serving` on the exported cloud half, in a process of its own."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "tsd_tf.serving", f"--model_dir={folder}/cloud", "--port=0", "--rest_port=0"]
        self._process = subprocess.Popen(
            [*command, f"--max_batch_size={_BATCHES[-1]}"], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        line = self._process.stdout.readline()
        found = re.search(r"gRPC (\S+),", line)
        if not found:
            raise UserError(f"the server ended before it was ready: {line}")
        self._address = found[1]
        return self

    def __exit__(self, *exception):
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()

    def connect(self):
        """(function: frames -> logits, channel)."""
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        channel = grpc.insecure_channel(
            self._address,
            [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)],
        )
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

        def ask(frames):
            request = predict_pb2.PredictRequest(output_filter=["logits"])
            request.model_spec.name = "tsd"
            request.inputs["frames"].CopyFrom(tf.make_tensor_proto(frames))
            return tf.make_ndarray(stub.Predict(request, timeout=600).outputs["logits"])

        return ask, channel

    def cpu_seconds(self):
        """CPU seconds of the server so far."""
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def by_batch(classify, ask, frames):
    """Latency and clips a second by batch size, one request after the other, in this process and by the server."""
    import numpy as np

    rows = []
    for batch in _BATCHES:
        clips = np.resize(frames, (batch, *frames.shape[1:]))
        ways = {"in_process": in_turn.milliseconds(classify, clips), "server": in_turn.milliseconds(ask, clips)}
        times = in_turn.measure(ways, FLAGS.repetitions)
        row = {"batch": batch}
        for name, values in times.items():
            milliseconds = statistics.median(values)
            row[f"{name}_ms"] = milliseconds
            row[f"{name}_clips_per_second"] = 1e3 * batch / milliseconds
        rows.append({**row, "server_overhead": 1 - 1 / in_turn.ratio(times, "server", "in_process")})
    return rows


def saturated(server, classify, frames, logits):
    """FLAGS.clients at a time for FLAGS.seconds, in rounds with the same work in this process between them.

    An answer is wrong if its logits are nearer to another clip's, or further from its own clip's than a tenth of the
    distance between the two nearest clips. In this process, as many threads as the server has call the model with full
    batches.
    """
    import numpy as np

    distances = np.abs(logits[:, None] - logits[None]).max(axis=2)
    tolerance = distances[~np.eye(len(logits), dtype=bool)].min() / 10
    if tolerance < 1e-4:
        raise UserError("the clips' logits are too close to each other to tell a wrong answer from a right one")
    connections = [server.connect() for _ in range(FLAGS.clients)]
    batch = np.resize(frames, (_BATCHES[-1], *frames.shape[1:]))
    seconds = FLAGS.seconds / _ROUNDS
    times, lost, wrong, ratios, rates, cpu = [], [], [], [], [], []

    def ask_for(index, end):
        ask, count = connections[index][0], 0
        while (start := time.perf_counter()) < end:
            clip = (index + count) % len(frames)
            count += 1
            try:
                # Written so that NaN counts as wrong.
                if not np.abs(ask(frames[clip : clip + 1])[0] - logits[clip]).max() <= tolerance:
                    wrong.append(clip)
            except Exception as error:
                lost.append(str(error))
            times.append(1e3 * (time.perf_counter() - start))
        return count

    def call_for(end):
        count = 0
        while time.perf_counter() < end:
            classify(batch)
            count += len(batch)
        return count

    def rate(function, arguments, clock):
        began, computed = time.perf_counter(), clock()
        with concurrent.futures.ThreadPoolExecutor(len(arguments)) as threads:
            count = sum(threads.map(lambda one: function(*one, began + seconds), arguments))
        return count / (time.perf_counter() - began), (clock() - computed) / count

    for ask, _ in connections:
        ask(frames[:1])
    for _ in tqdm(range(_ROUNDS), desc="saturation"):
        served, served_cpu = rate(ask_for, [(index,) for index in range(FLAGS.clients)], server.cpu_seconds)
        called, called_cpu = rate(call_for, [()] * Limits().num_batch_threads, time.process_time)
        rates.append((served, called))
        ratios.append(served / called)
        cpu.append((served_cpu, called_cpu))
    for _, channel in connections:
        channel.close()
    times.sort()
    return {
        "clients": FLAGS.clients,
        "seconds": FLAGS.seconds,
        "answers": len(times),
        "lost": len(lost),
        "errors": lost[:3],
        "wrong": len(wrong),
        "median_ms": statistics.median(times),
        "p99_ms": times[int(0.99 * len(times))],
        "server_clips_per_second": statistics.median(served for served, _ in rates),
        "in_process_clips_per_second": statistics.median(called for _, called in rates),
        "server_overhead": 1 - statistics.median(ratios),
        "server_cpu_seconds_per_clip": statistics.median(served for served, _ in cpu),
        "in_process_cpu_seconds_per_clip": statistics.median(called for _, called in cpu),
        "server_cpu_overhead": 1 - 1 / statistics.median(served / called for served, called in cpu),
    }


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


def cloud(folder, frames):
    """The cloud half on distilled frames uint8 (n, T_s, H, W, 3), in this process and behind the server."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "cloud/1")).signatures["serving_default"]

    def classify(clips):
        return loaded(frames=tf.constant(clips))["logits"].numpy()

    with _Server(folder) as server:
        ask, channel = server.connect()
        rows = by_batch(classify, ask, frames)
        channel.close()
        return rows, saturated(server, classify, frames, classify(frames))


def main(argv):
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    import numpy as np

    from tsd_tf.export import exporter

    config, network, labels = networks.load(FLAGS.workdir, FLAGS.preset)
    if config.method != "tsd":
        raise UserError(
            f"only a run of I3D+TSD can be compared with MobileNet alone. Received: a run of {config.method}"
        )
    draw = np.random.default_rng(0)
    shape = (4, config.num_frames, config.crop_size // 16, config.crop_size // 16, 3)
    noise = draw.integers(0, 256, shape, "uint8").repeat(16, 2).repeat(16, 3)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        sidecar, exported = exporter.export(network, config, labels, folder, noise[:1], noise[1:2])
        found = {
            "machine": machine.describe(),
            "versions": machine.versions("tensorflow", "ai-edge-litert", "numpy"),
            "network": FLAGS.workdir or f"{FLAGS.preset}, random weights",
            "T": config.num_frames,
            "Ts": config.num_distilled_frames,
            "frame_size": config.crop_size,
            "export_differences": exported["client"],
            "multiply_accumulates": multiply_accumulates(network, config.crop_size),
        }
        if "litert" in FLAGS.parts:
            found["litert"] = litert(folder, sidecar, network, noise[0])
        if "cloud" in FLAGS.parts:
            # Clips of one colour each, with noise: from noise alone an untrained client distils the same grey for all.
            colours = draw.integers(0, 256, (4, 1, 1, 1, 3))
            frames = (colours + noise[:, : config.num_distilled_frames]) // 2
            found["cloud_by_batch"], found["cloud_saturated"] = cloud(folder, frames.astype("uint8"))
        if FLAGS.video and "bytes" in FLAGS.parts:
            found["bytes"] = count_bytes(folder, FLAGS.video)
    in_turn.write(FLAGS.output, found)


if __name__ == "__main__":
    command_line.run(main)
