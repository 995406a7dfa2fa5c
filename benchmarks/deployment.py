"""Measures what is deployed: LiteRT, the cloud half in this process and behind the server, and bytes on the wire.

    python benchmarks/deployment.py --preset=kinetics400 --output=deployment.json
    python benchmarks/deployment.py --workdir=runs/sample/tsd_T20_Ts5 --video=data/sample/videos/test/0.mp4

Everything is measured side by side in one run, about five minutes, and written as JSON. With --preset the weights are
random: times do not depend on them, the bytes of distilled frames do (P of an untrained client averages the clip).
"""

import concurrent.futures
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags, logging

from tsd_tf import command_line

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "A trained run; without one, a network with random weights.")
flags.DEFINE_enum("preset", "kinetics400", ["kinetics400", "sample"], "The network without --workdir.")
flags.DEFINE_string("video", None, "A video whose bytes are counted.")
flags.DEFINE_string("output", "deployment.json", "File to write.")
flags.DEFINE_integer("repetitions", 10, "Measurements of each latency; the median counts.", lower_bound=1)
flags.DEFINE_integer("clients", 64, "Clients at a time.", lower_bound=1)
flags.DEFINE_float("seconds", 60, "How long they ask.", lower_bound=1)


def _network():
    import keras

    from tsd_tf import config as configurations
    from tsd_tf.network_builder import build_network
    from tsd_tf.work_directory import WorkDirectory

    if FLAGS.workdir:
        run = WorkDirectory(FLAGS.workdir)
        return run.config(), run.load_network(), run.labels()
    config = getattr(configurations, FLAGS.preset)()
    keras.utils.set_random_seed(0)
    return config, build_network(config), [f"class {index}" for index in range(config.num_classes)]


def _milliseconds(function):
    """Median of the repetitions after a warm-up."""
    function()
    times = []
    for _ in range(FLAGS.repetitions):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _mobilenet_alone(network):
    """The coarse extractor on T small frames as a TFLite file's bytes: what the client half costs at least."""
    import tensorflow as tf

    selector = network.selector
    size = selector.coarse_size
    spec = tf.TensorSpec((selector.num_frames, size, size, 3), tf.float32)
    function = tf.function(lambda frames: selector.coarse_extractor(frames, training=False), autograph=False)
    module = tf.Module()
    module.weights = [variable.value for variable in selector.coarse_extractor.weights]
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=function.get_concrete_function(spec))
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def litert(folder, sidecar, network, clip):
    """Milliseconds of a clip on LiteRT by variant and threads, beside MobileNet alone; and after the last frame."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from tsd_tf.client.distiller import Distiller

    alone = _mobilenet_alone(network)
    size = network.selector.coarse_size
    frames = np.random.default_rng(0).uniform(-1, 1, (len(clip), size, size, 3)).astype("float32")
    rows = []
    for threads in (1, 2):
        interpreter = Interpreter(model_content=alone, num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frames)
        mobilenet = _milliseconds(interpreter.invoke)
        for variant in sidecar.variants:
            distiller = Distiller(folder / variant.file, threads)
            features = np.stack([distiller.encode_frame(frame) for frame in clip])
            whole = _milliseconds(lambda distiller=distiller: distiller.distill(clip))
            encode = _milliseconds(lambda distiller=distiller: distiller.encode_frame(clip[-1]))
            last = _milliseconds(
                lambda distiller=distiller, features=features: distiller.distill_features(clip, features)
            )
            rows.append(
                {
                    "variant": variant.name,
                    "threads": threads,
                    "megabytes": variant.num_bytes / 1e6,
                    "clip_ms": whole,
                    "mobilenet_alone_ms": mobilenet,
                    "added_to_mobilenet": whole / mobilenet - 1,
                    "streaming_frame_ms": encode,
                    "streaming_after_last_frame_ms": encode + last,
                }
            )
    return rows


def in_process(folder, frames):
    """Milliseconds and clips a second of the cloud half by batch size, called from this process."""
    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / "cloud/1"))
    classify = loaded.signatures["serving_default"]
    rows = []
    for batch in (1, 2, 4, 8):
        clips = tf.constant(np.repeat(frames[:1], batch, 0))
        milliseconds = _milliseconds(lambda clips=clips: classify(frames=clips)["probabilities"].numpy())
        rows.append({"batch": batch, "milliseconds": milliseconds, "clips_per_second": 1e3 * batch / milliseconds})
    expected = np.concatenate([classify(frames=clip[None])["probabilities"].numpy() for clip in frames])
    return rows, expected


def through_server(folder, frames, expected, clients, seconds):
    """Many clients that each ask for one clip after the other: latency, clips a second, lost and wrong answers."""
    import numpy as np

    from tsd_tf.client.grpc_connection import GrpcConnection
    from tsd_tf.errors import UserError

    command = [sys.executable, "-m", "tsd_tf.serving", f"--model_dir={folder}/cloud", "--port=0", "--rest_port=0"]
    with subprocess.Popen([*command, "--max_batch_size=8"], stdout=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"gRPC (\S+),", process.stdout.readline())[1]

            def ask(index):
                connection = GrpcConnection(address, timeout=600)
                times, lost, wrong = [], 0, 0
                connection.classify("serving_default", "frames", frames[:1])
                end = time.perf_counter() + seconds
                while (start := time.perf_counter()) < end:
                    clip = (index + len(times)) % len(frames)
                    try:
                        answer = connection.classify("serving_default", "frames", frames[clip : clip + 1])
                        wrong += bool(np.abs(answer.probabilities - expected[clip]).max() > 1e-3)
                    except UserError:
                        lost += 1
                    times.append(1e3 * (time.perf_counter() - start))
                connection.close()
                return times, lost, wrong

            with concurrent.futures.ThreadPoolExecutor(clients) as threads:
                start = time.perf_counter()
                results = list(threads.map(ask, range(clients)))
                elapsed = time.perf_counter() - start
        finally:
            process.terminate()
    times = sorted(milliseconds for part, _, _ in results for milliseconds in part)
    return {
        "clients": clients,
        "seconds": elapsed,
        "answers": len(times),
        "lost": sum(lost for _, lost, _ in results),
        "wrong": sum(wrong for _, _, wrong in results),
        # The first request of every client is work too.
        "clips_per_second": (len(times) + clients) / elapsed,
        "median_ms": statistics.median(times),
        "p99_ms": times[int(0.99 * len(times))],
    }


def count_bytes(folder, video):
    """Bytes of a video as distilled frames by codec, as uniform frames, and as the file; averaged over its clips."""
    import numpy as np

    from tsd_tf.client import capture, clips, codec
    from tsd_tf.client.distiller import Distiller

    distiller = Distiller(folder / "client.tflite")
    model = distiller.model
    captured = capture.frames(
        capture.open_video(video),
        frames_per_second=model.frames_per_second,
        short_side=model.short_side,
        frame_size=model.frame_size,
    )
    sizes = dict.fromkeys(("raw", "png", "jpeg_90", "uniform_frames_jpeg_90", "all_frames_jpeg_90"), 0)
    for _, clip in clips.sliding(captured, model.num_frames, model.num_frames):
        distilled, _ = distiller.distill(np.stack(clip))
        for name in ("raw", "png"):
            sizes[name] += codec.encode(distilled, name)[3]
        sizes["jpeg_90"] += codec.encode(distilled, "jpeg", 90)[3]
        pictures = [len(codec.encode_picture(frame, "jpeg", 90)) for frame in clip]
        uniform = np.arange(model.num_distilled_frames) * model.num_frames // model.num_distilled_frames
        sizes["uniform_frames_jpeg_90"] += sum(pictures[index] for index in uniform)
        sizes["all_frames_jpeg_90"] += sum(pictures)
    return {**sizes, "video_file": os.path.getsize(video)}


def main(argv):
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    import numpy as np

    from tsd_tf.client.distiller import Distiller
    from tsd_tf.export import exporter

    config, network, labels = _network()
    shape = (4, config.num_frames, config.crop_size // 16, config.crop_size // 16, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, "uint8").repeat(16, 2).repeat(16, 3)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        sidecar, _ = exporter.export(network, config, labels, folder, noise[:1])
        report = {
            "machine": {"cpus": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()},
            "network": FLAGS.workdir or f"{FLAGS.preset}, random weights",
            "T": config.num_frames,
            "Ts": config.num_distilled_frames,
            "frame_size": config.crop_size,
            "litert": litert(folder, sidecar, network, noise[0]),
        }
        distiller = Distiller(folder / "client.tflite")
        frames = np.stack([distiller.distill(clip)[0] for clip in noise])
        report["cloud_in_process"], expected = in_process(folder, frames)
        report["cloud_one_client"] = through_server(folder, frames, expected, 1, FLAGS.seconds / 6)
        report["cloud_saturated"] = through_server(folder, frames, expected, FLAGS.clients, FLAGS.seconds)
        best = max(row["clips_per_second"] for row in report["cloud_in_process"])
        report["server_overhead_at_saturation"] = 1 - report["cloud_saturated"]["clips_per_second"] / best
        if FLAGS.video:
            report["bytes"] = count_bytes(folder, FLAGS.video)
    output = pathlib.Path(FLAGS.output)
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    aside.write_text(json.dumps(report, indent=2) + "\n")
    aside.replace(output)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    command_line.run(main)
