"""Measures what joining requests costs and what it brings: the embedded server's batcher without a network.

    python -m benchmarks.batching --model_dir=export/cloud

writes batching.json: what one clip alone takes longer than a call of the model, and clips a second and milliseconds a
clip by number of clients, beside threads that call the model with full batches all the time, and beside a batcher that
waits for company while the model is idle. What is compared takes turns, so that a machine that slows down slows all
alike; ratios are medians of pairs. It takes half a minute and a start of TensorFlow. benchmarks.serving measures the
same with gRPC around it.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import statistics
import threading
import time

from absl import flags

from benchmarks import in_turn
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_ROUNDS = 4

FLAGS = flags.FLAGS
flags.DEFINE_string("model_dir", "export/cloud", "An exported cloud half; its newest version is measured.")
flags.DEFINE_list("clients", ["1", "2", "8", "64"], "Clients at a time, each with a clip a request.")
flags.DEFINE_float("seconds", 2, "How long they ask, each way and number, in all rounds together.", lower_bound=0.1)
flags.DEFINE_float("fixed_wait", 10, "Milliseconds that the other batcher waits for company.", lower_bound=0)
flags.DEFINE_integer("repetitions", 30, "Measurements of a clip alone.", lower_bound=1)
flags.DEFINE_string("output", "batching.json", "File to write.")


class _Batching:
    """`with _Batching(function, limits) as batching:` a batcher on an event loop of its own.

    Args:
        function: what it calls.
        limits: of batches.
    """

    def __init__(self, function, limits):
        self._function, self._limits = function, limits
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        from tsd_tf.serving.batcher import Batcher
        from tsd_tf.serving.metrics import Metrics

        self._thread.start()
        self._batcher = Batcher(self._limits, Metrics())
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._batcher.close()
        self._loop.close()

    def ask(self, inputs):
        """One request."""
        return asyncio.run_coroutine_threadsafe(self._batcher.run(self._function, inputs, 1), self._loop).result()

    def load(self, inputs, clients, seconds):
        """Milliseconds of each request of clients who ask again and again."""
        return asyncio.run_coroutine_threadsafe(self._load(inputs, clients, seconds), self._loop).result()

    async def _load(self, inputs, clients, seconds):
        milliseconds, end = [], time.perf_counter() + seconds

        async def ask():
            while (began := time.perf_counter()) < end:
                await self._batcher.run(self._function, inputs, 1)
                milliseconds.append(1e3 * (time.perf_counter() - began))

        await asyncio.gather(*(ask() for _ in range(clients)))
        return milliseconds


def alone(function, inputs, repetitions):
    """One clip at a time: milliseconds of a call, of a request, and of their difference.

    Args:
        function: {name: array} -> {name: array}, with the clips in the first axis.
        inputs: of one clip.
        repetitions: of both, in turn.
    """
    from tsd_tf.serving.limits import Limits

    with _Batching(function, Limits()) as batching:
        ways = {"call": in_turn.milliseconds(function, inputs), "request": in_turn.milliseconds(batching.ask, inputs)}
        times = in_turn.measure(ways, repetitions, warm_up=3)
    differences = [request - call for request, call in zip(times["request"], times["call"], strict=True)]
    return {
        "call_ms": statistics.median(times["call"]),
        "request_ms": statistics.median(times["request"]),
        "added_ms": statistics.median(differences),
    }


def by_clients(function, inputs, clients, seconds, fixed_wait):
    """Clips a second and milliseconds a request, as told in the module's docstring.

    Args:
        function, inputs: see `alone`.
        clients: their numbers.
        seconds: for each way and number.
        fixed_wait: seconds that the other batcher waits.

    Returns:
        A list of dicts that JSON can hold, one for each number of clients.
    """
    import numpy as np

    from tsd_tf.serving.limits import Limits

    limits = {"adaptive": Limits(), "fixed_wait": Limits(batch_timeout=fixed_wait)}
    threads, size = Limits().num_batch_threads, Limits().max_batch_size
    full = {name: np.repeat(array, size, 0) for name, array in inputs.items()}
    rows = []
    with contextlib.ExitStack() as stack:
        batching = {name: stack.enter_context(_Batching(function, each)) for name, each in limits.items()}
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(threads))
        for number in clients:
            found = {name: [] for name in limits}
            cpu = {name: [] for name in (*limits, "full_batches")}

            def asked(name, number=number, found=found, cpu=cpu):
                began, computed = time.perf_counter(), time.process_time()
                milliseconds = batching[name].load(inputs, number, seconds / _ROUNDS)
                found[name].extend(milliseconds)
                cpu[name].append(1e3 * (time.process_time() - computed) / len(milliseconds))
                return len(milliseconds) / (time.perf_counter() - began)

            def called(cpu=cpu):
                began, computed = time.perf_counter(), time.process_time()

                def call():
                    count = 0
                    while time.perf_counter() < began + seconds / _ROUNDS:
                        function(full)
                        count += size
                    return count

                count = sum(future.result() for future in [pool.submit(call) for _ in range(threads)])
                cpu["full_batches"].append(1e3 * (time.process_time() - computed) / count)
                return count / (time.perf_counter() - began)

            ways = {name: lambda name=name: asked(name) for name in limits}
            rates = in_turn.measure({**ways, "full_batches": called}, _ROUNDS)
            row = {
                "clients": number,
                "full_batches": {
                    "clips_per_second": statistics.median(rates["full_batches"]),
                    "cpu_ms_per_clip": statistics.median(cpu["full_batches"]),
                },
            }
            for name, milliseconds in found.items():
                row[name] = {
                    "clips_per_second": statistics.median(rates[name]),
                    "cpu_ms_per_clip": statistics.median(cpu[name]),
                    "below_full_batches": 1 - in_turn.ratio(rates, name, "full_batches"),
                    "cpu_above_full_batches": in_turn.ratio(cpu, name, "full_batches") - 1,
                    "median_ms": statistics.median(milliseconds),
                    "p99_ms": sorted(milliseconds)[int(0.99 * len(milliseconds))],
                }
            rows.append(row)
    return rows


def main(argv):
    command_line.no_arguments(argv)
    import numpy as np

    from tsd_tf.contract.signatures import SERVING_DEFAULT
    from tsd_tf.serving.model_folder import ModelFolder
    from tsd_tf.serving.servable import Servable

    versions = ModelFolder(FLAGS.model_dir).versions()
    servable = Servable(max(versions), versions[max(versions)])
    function = servable.function(SERVING_DEFAULT)
    draw, inputs = np.random.default_rng(0), {}
    for name, info in servable.signature_defs[SERVING_DEFAULT].inputs.items():
        inputs[name] = draw.integers(0, 256, (1, *(dim.size for dim in info.tensor_shape.dim[1:])), "uint8")
    in_turn.write(
        FLAGS.output,
        {
            "machine": machine.describe(),
            "versions": machine.versions("tensorflow", "numpy"),
            "inputs": {name: list(array.shape) for name, array in inputs.items()},
            "fixed_wait_ms": FLAGS.fixed_wait,
            "alone": alone(function, inputs, FLAGS.repetitions),
            "by_clients": by_clients(
                function, inputs, [int(number) for number in FLAGS.clients], FLAGS.seconds, FLAGS.fixed_wait / 1e3
            ),
        },
    )


if __name__ == "__main__":
    command_line.run(main)
