"""Measures the cloud half: latency and clips a second by engine, precision and batch, in this process and served.

    python -m benchmarks.serving
    python -m benchmarks.serving --workdir=runs/sample/tsd_T20_Ts5 --ways=tensorflow:float32,openvino:int8

writes serving.json. Everything is measured side by side in one run: what is compared takes turns, so that a machine
that slows down slows all alike, and ratios are medians of pairs. Without --workdir the weights are random. Times do not
depend on the weights, but how far answers are off does, so that is reported of trained runs alone. Ways that this
machine lacks are left out. benchmarks.wire measures the gateway.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import statistics
import tempfile
import time

import grpc
from absl import flags, logging

from benchmarks import in_turn, load, networks, server_process
from tsd_tf.contract import messages
from tsd_tf.contract.errors import UserError
from tsd_tf.engines import kinds
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_FIRST = "tensorflow:float32"  # with which the others are compared
_WAYS = (_FIRST, "tensorflow:bfloat16", "openvino:float32", "openvino:bfloat16", "openvino:int8")
_ROUNDS = 4  # of the comparison at saturation
_OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "A trained run (default: a network with random weights).")
flags.DEFINE_enum("preset", "kinetics400", ["kinetics400", "sample"], "The network if --workdir is not given.")
flags.DEFINE_list("ways", list(_WAYS), "Engines and precisions to measure, beside tensorflow:float32.")
flags.DEFINE_list("batches", ["1", "2", "4", "8"], "Clips a request.")
flags.DEFINE_string("output", "serving.json", "File to write.")
flags.DEFINE_integer("repetitions", 10, "Measurements of each latency; the median counts.", lower_bound=1)
flags.DEFINE_integer("clients", 64, "Clients at a time.", lower_bound=1)
flags.DEFINE_float("seconds", 30, "How long they ask, for each way, in all rounds together.", lower_bound=0.1)


def _ways():
    """The ways to measure, and {way: why it is left out}."""
    import importlib.util

    from tsd_tf.engines import choice

    asked = list(dict.fromkeys((_FIRST, *FLAGS.ways)))
    left_out = {}
    for way, parts in [(way, _parts(way)) for way in asked]:
        try:
            choice.check(*parts)
            if parts[0] == "openvino" and not importlib.util.find_spec("nncf"):
                raise UserError("openvino and nncf are not installed")
        except UserError as error:
            left_out[way] = str(error)
    return [way for way in asked if way not in left_out], left_out


def _parts(way):
    engine, colon, precision = way.partition(":")
    if not colon or precision == kinds.AUTO:
        raise UserError(f"--ways expects engine:precision,... as in {_WAYS[-1]}. Received: --ways={way}")
    return engine, precision


class _Client:
    """A connection of its own to a server.

    Args:
        address: "host:port".
    """

    def __init__(self, address):
        self._channel = grpc.insecure_channel(address, _OPTIONS)
        self._predict = self._channel.unary_unary(messages.PREDICT)

    def ask(self, frames):
        """The probabilities of clips."""
        return self.send(_request(frames))

    def send(self, request):
        """The probabilities that are the answer to a message."""
        response = messages.PredictResponse.FromString(self._predict(request, timeout=600.0))
        return messages.read_tensor(response.outputs["probabilities"])

    def close(self):
        self._channel.close()


def _request(frames):
    return messages.predict_request_bytes("tsd", "serving_default", {"frames": frames})


def by_batch(engines, clients, frames, batches):
    """Milliseconds and clips a second of one request after the other, by way and batch.

    Args:
        engines, clients: the same network in this process and behind a server, by way.
        frames: uint8 distilled frames (n, T_s, H, W, 3).
        batches: clips a request.
    """
    import numpy as np

    rows = []
    for batch in batches:
        joined = np.resize(frames, (batch, *frames.shape[1:]))
        ways = {}
        for way, engine in engines.items():
            ways[way, "in_process"] = in_turn.milliseconds(engine.call, "serving_default", {"frames": joined})
            ways[way, "server"] = in_turn.milliseconds(clients[way].ask, joined)
        times = in_turn.measure(ways, FLAGS.repetitions, warm_up=2)
        for way in engines:
            row = {"batch": batch, "way": way}
            for place in ("in_process", "server"):
                milliseconds = statistics.median(times[way, place])
                row[f"{place}_ms"] = milliseconds
                row[f"{place}_clips_per_second"] = 1e3 * batch / milliseconds
                row[f"{place}_times_{_FIRST}"] = in_turn.ratio(times, (_FIRST, place), (way, place))
            pairs = zip(times[way, "server"], times[way, "in_process"], strict=True)
            row["server_adds_ms"] = statistics.median(served - called for served, called in pairs)
            rows.append(row)
    return rows


def saturated(engines, servers, connect, frames, batch):
    """FLAGS.clients at a time, each with a clip a request, by way; in turn with the same work in this process.

    In this process, as many threads as the server has call the model with full batches. The clients take a part of the
    processor themselves. What the server takes more than the model is in `server_cpu_overhead`.

    Args:
        engines, servers: by way.
        connect: a function: way -> a _Client of its own.
        frames: uint8 distilled frames (n, T_s, H, W, 3), which the network tells apart.
        batch: the most clips that a server joins.
    """
    import numpy as np

    from tsd_tf.serving.limits import Limits

    seconds = FLAGS.seconds / _ROUNDS
    full = {"frames": np.resize(frames, (batch, *frames.shape[1:]))}
    requests = [_request(clip[None]) for clip in frames]
    loads, cpu = {}, {(way, place): [] for way in engines for place in ("in_process", "server")}
    for way, engine in engines.items():
        expected = np.concatenate(
            [engine.call("serving_default", {"frames": clip[None]})["probabilities"] for clip in frames]
        )
        asks = [_asking(connect(way), requests) for _ in range(FLAGS.clients)]
        loads[way] = load.Load(asks, expected, load.tolerance(expected))
        with concurrent.futures.ThreadPoolExecutor(FLAGS.clients) as threads:
            list(threads.map(lambda ask: ask(0), asks))

    def served(way):
        before, answers = servers[way].cpu_seconds(), len(loads[way].milliseconds)
        rate = loads[way].run(seconds)
        cpu[way, "server"].append((servers[way].cpu_seconds() - before) / (len(loads[way].milliseconds) - answers))
        return rate

    def called(way):
        began, computed = time.perf_counter(), time.process_time()

        def call():
            count = 0
            while time.perf_counter() < began + seconds:
                engines[way].call("serving_default", full)
                count += batch
            return count

        with concurrent.futures.ThreadPoolExecutor() as threads:
            counts = [threads.submit(call) for _ in range(Limits().num_batch_threads)]
            count = sum(future.result() for future in counts)
        cpu[way, "in_process"].append((time.process_time() - computed) / count)
        return count / (time.perf_counter() - began)

    ways = {}
    for way in engines:
        ways[way, "in_process"] = lambda way=way: called(way)
        ways[way, "server"] = lambda way=way: served(way)
    rates = in_turn.measure(ways, _ROUNDS, warm_up=0)
    return [
        {
            "way": way,
            **loads[way].summary(),
            "seconds": FLAGS.seconds,
            "in_process_clips_per_second": statistics.median(rates[way, "in_process"]),
            "server_overhead": 1 - in_turn.ratio(rates, (way, "server"), (way, "in_process")),
            "server_cpu_seconds_per_clip": statistics.median(cpu[way, "server"]),
            "server_cpu_overhead": in_turn.ratio(cpu, (way, "server"), (way, "in_process")) - 1,
            f"server_times_{_FIRST}": in_turn.ratio(rates, (way, "server"), (_FIRST, "server")),
        }
        for way in engines
    ]


def _asking(client, requests):
    return lambda clip: client.send(requests[clip])[0]


def _measure(folder, ways, frames, batches):
    from tsd_tf.engines import choice

    with contextlib.ExitStack() as stack:
        engines, servers = {}, {}
        for way in ways:
            engine, precision = _parts(way)
            engines[way] = choice.load(folder / "cloud/1", engine, precision)
            arguments = [f"--model_dir={folder}/cloud", "--port=0", "--rest_port=0", f"--max_batch_size={max(batches)}"]
            command = ["tsd_tf.serving", *arguments, f"--engine={engine}", f"--precision={precision}"]
            servers[way] = stack.enter_context(server_process.running(*command))

        def connect(way):
            client = _Client(servers[way].address)
            stack.callback(client.close)
            return client

        rows = by_batch(engines, {way: connect(way) for way in ways}, frames, batches)
        return rows, saturated(engines, servers, connect, frames, max(batches))


def main(argv):
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    import numpy as np

    from tsd_tf.export import exporter
    from tsd_tf.video.limits import keep_freed_memory

    keep_freed_memory()  # as the programs of client and server do
    try:
        batches = [int(batch) for batch in FLAGS.batches]
    except ValueError:
        batches = []
    if not batches or min(batches) < 1:
        raise UserError(f"--batches expects clips a request, as in 1,4. Received: --batches={','.join(FLAGS.batches)}")
    ways, left_out = _ways()
    config, network, labels = networks.load(FLAGS.workdir, FLAGS.preset)
    clips, representative = networks.clips(config, FLAGS.workdir)
    options = {"engine": "tensorflow"}
    if any(way.startswith("openvino") for way in ways):
        options = {"engine": "openvino", "precision": "int8"}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        _, exported = exporter.export(
            network, config, labels, folder, clips, representative, variants=["float32"], **options
        )
        draw = np.random.default_rng(0)
        # Clips of one colour each, with noise: a network of random weights tells them apart.
        shape = (4, config.num_distilled_frames, config.crop_size, config.crop_size, 3)
        frames = ((draw.integers(0, 256, (4, 1, 1, 1, 3)) + draw.integers(0, 256, shape)) // 2).astype("uint8")
        by_way, at_saturation = _measure(folder, ways, frames, batches)
    in_turn.write(
        FLAGS.output,
        {
            "machine": machine.describe(),
            "versions": machine.versions("tensorflow", "openvino", "nncf", "numpy", "grpcio"),
            "network": FLAGS.workdir or f"{FLAGS.preset}, random weights",
            "Ts": config.num_distilled_frames,
            "frame_size": config.crop_size,
            "left_out": left_out,
            "export_differences": exported["cloud"] if FLAGS.workdir else None,
            "by_batch": by_way,
            "saturated": at_saturation,
        },
    )


if __name__ == "__main__":
    command_line.run(main)
