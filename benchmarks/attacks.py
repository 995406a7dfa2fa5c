"""Measures what good clients get from a server, or from a gateway before it, while strangers attack it.

    python -m benchmarks.attacks --model_dir=export/cloud
    python -m benchmarks.attacks --model_dir=export/cloud --front=gateway

starts the server, asks it from a few connections by gRPC and REST, and attacks it meanwhile in one way after the
other: names, message parts, JSON and pictures that cost much, bodies, heads and calls that never end, idle
connections, answers that nobody reads. It writes attacks.json: for each attack the right answers a second of the good
clients with and without it, taking turns (shares are medians of pairs), what those got who connected newly, the
slowest health check, and the server's memory before, at most meanwhile, and afterwards, its processes added up. The
attackers are a process of their own, which gives way to the others (--attacker_niceness) because here they share the
processor with who is attacked, unless they have cores of their own (--attacker_cores=1). All of it takes about eight
minutes.
"""

import base64
import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection, HTTPException

import grpc
import numpy as np
from absl import flags
from tqdm import tqdm

from benchmarks import attackers, in_turn
from benchmarks.load import Load
from tsd_tf.contract import messages
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine
from tsd_tf.video import codec

_HEALTH = "/grpc.health.v1.Health/Check"
_PAUSE = 0.25
_TOLERANCE = 1e-3

FLAGS = flags.FLAGS
flags.DEFINE_string("model_dir", "export/cloud", "An exported cloud half.")
flags.DEFINE_enum("front", "server", ["server", "gateway"], "What is attacked.")
flags.DEFINE_list("server_flags", [], "Further flags of what is attacked: --max_connections=2000,...")
flags.DEFINE_list("attacks", [], "Names of the attacks; all by default.")
flags.DEFINE_float("seconds", 4, "How long each turn takes.", lower_bound=0.1)
flags.DEFINE_integer("rounds", 3, "Turns with and without each attack.", lower_bound=1)
flags.DEFINE_integer("clients", 2, "Good clients of each protocol.", lower_bound=1)
flags.DEFINE_integer("attacker_niceness", 10, "How far the attackers' process gives way, 0 to 19.", 0, 19)
flags.DEFINE_list("attacker_cores", [], "Cores of the attackers alone; by default they share all with the others.")
flags.DEFINE_string(
    "source",
    "127.0.0.1",
    "The attackers' address, but for names, parts and pictures, whose calls come from 127.0.0.1 as good clients' do.",
)
flags.DEFINE_string("output", "attacks.json", "File to write.")


class _Program:
    """`with _Program(...) as program:` the server or gateway, until it is stopped: its `address` and `url`."""

    def __init__(self, module, *arguments):
        self._command = [sys.executable, "-m", module, *arguments]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        found = re.search(r"gRPC (\S+), REST (\S+)", line)
        if not found:
            self._process.terminate()
            raise UserError(f"it ended before it was ready: {self._process.communicate()[1][-1000:]}")
        self.address, self.url = found[1], found[2]
        # What it says is read at once: a full pipe would hold it up.
        self.said = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self._process.stderr), daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *exception):
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def megabytes(self):
        """The memory of it and its processes."""
        return sum(_megabytes(number) for number in (self._process.pid, *_children(self._process.pid)))


def _children(number):
    with contextlib.suppress(OSError):
        path = pathlib.Path(f"/proc/{number}/task/{number}/children")
        for child in path.read_text().split():
            yield child
            yield from _children(child)


def _megabytes(number):
    with contextlib.suppress(OSError, IndexError):
        status = pathlib.Path(f"/proc/{number}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return 0.0


class _Watch:
    """`with _Watch(...) as watch:` the server's memory, its health, and what newcomers get, in threads."""

    def __init__(self, program, health, newcomers):
        self._program, self._health, self._newcomers = program, health, newcomers
        self._over = threading.Event()
        self.peak, self.slowest, self.unhealthy = 0.0, 0.0, 0
        self.newcomers = collections.Counter()

    def __enter__(self):
        self._threads = [
            threading.Thread(target=self._each, args=(work, pause))
            for work, pause in ((self._weigh, 0.05), (self._check, 0.1), (self._come, 0.5))
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _each(self, work, pause):
        while not self._over.wait(pause):
            work()

    def _weigh(self):
        self.peak = max(self.peak, self._program.megabytes())

    def _check(self):
        began = time.perf_counter()
        try:
            self._health(b"", timeout=30)
        except grpc.RpcError:
            self.unhealthy += 1
        self.slowest = max(self.slowest, time.perf_counter() - began)

    def _come(self):
        for name, ask in self._newcomers.items():
            try:
                ask()
                self.newcomers[f"{name}_answered"] += 1
            except (grpc.RpcError, OSError, HTTPException, ValueError):
                self.newcomers[f"{name}_lost"] += 1


def _grpc_client(target, request, closing):
    """A function of a number: the probabilities that are the answer, by gRPC."""
    channel = closing.enter_context(grpc.insecure_channel(target.address, attackers.OPTIONS))
    predict = channel.unary_unary(messages.PREDICT)

    def ask(_):
        response = messages.PredictResponse.FromString(predict(request, timeout=60))
        return messages.read_tensor(response.outputs["probabilities"])

    return ask


def _rest_client(target, content, closing):
    """The same by REST, with the clip's frames as pictures."""
    connection = HTTPConnection(target.url.removeprefix("http://"), timeout=60)
    closing.callback(connection.close)

    def ask(_):
        try:
            connection.request("POST", attackers.PATH, content)
            answer = connection.getresponse()
            return np.array(json.loads(answer.read())["outputs"]["probabilities"])
        except Exception:
            connection.close()  # it connects anew
            raise

    return ask


def _shape(url):
    with urllib.request.urlopen(f"{url}/v1/models/tsd/metadata", timeout=60) as answer:
        found = json.load(answer)["metadata"]["signature_def"]["signature_def"]["serving_default"]
    return tuple(int(dim["size"]) for dim in found["inputs"]["frames"]["tensor_shape"]["dim"])[1:4]


def _measure(name, program, target, loads, watched):
    """One attack: a dict that JSON can hold."""
    shares, rates = {key: [] for key in loads}, {key: ([], []) for key in loads}
    before = program.megabytes()
    watches, outcome = [], collections.Counter()
    for _ in range(FLAGS.rounds):
        alone = _run(loads)
        context = multiprocessing.get_context("spawn")
        ready, stop, found = context.Event(), context.Event(), context.Queue()
        cores = set(map(int, FLAGS.attacker_cores))
        arguments = (name, target, FLAGS.attacker_niceness, cores, ready, stop, found)
        process = context.Process(target=attackers.attack, args=arguments, daemon=True)
        process.start()
        ready.wait(120)
        with _Watch(program, *watched) as watch:
            meanwhile = _run(loads)
        stop.set()
        outcome.update(found.get())
        process.join()
        watches.append(watch)
        for key in loads:
            shares[key].append(meanwhile[key] / alone[key])
            for rate, value in zip(rates[key], (alone[key], meanwhile[key]), strict=True):
                rate.append(value)
        time.sleep(2.0)  # what is left of it ends
    newcomers = collections.Counter()
    for watch in watches:
        newcomers.update(watch.newcomers)
    return {
        "what": (attackers.CALLS.get(name) or attackers.CONNECTIONS[name][-1][1]).__doc__.strip(),
        **{
            key: {
                "share": statistics.median(shares[key]),
                "shares": shares[key],
                "clips_per_second_alone": statistics.median(rates[key][0]),
                "clips_per_second_meanwhile": statistics.median(rates[key][1]),
            }
            for key in loads
        },
        "slowest_health_check_ms": 1e3 * max(watch.slowest for watch in watches),
        "failed_health_checks": sum(watch.unhealthy for watch in watches),
        "newcomers": dict(newcomers),
        "megabytes": {
            "before": before,
            "at_most": max(watch.peak for watch in watches),
            "after": program.megabytes(),
        },
        "attackers": dict(outcome),
    }


def _run(loads):
    """{name: right answers a second} of all loads at the same time."""
    found = {}
    threads = [
        threading.Thread(target=lambda key=key, load=load: found.update({key: load.run(FLAGS.seconds)}))
        for key, load in loads.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _clip(shape):
    """Frames of smooth colours, which JPEG leaves as they are but for a level or two."""
    ramp = np.linspace(40, 200, shape[1])[:, None, None]
    return np.broadcast_to(ramp + np.array([0, 20, 40]), (*shape, 3)).astype("uint8")


def main(argv):
    command_line.no_arguments(argv)
    names = [*attackers.CALLS, *attackers.CONNECTIONS]
    chosen = FLAGS.attacks or names
    if unknown := set(chosen) - set(names):
        raise UserError(f"--attacks must be of {', '.join(names)}. Received: {', '.join(unknown)}")
    if FLAGS.attacker_cores:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - set(map(int, FLAGS.attacker_cores)))
    arguments = [f"--model_dir={FLAGS.model_dir}", "--port=0", "--rest_port=0", *FLAGS.server_flags]
    if FLAGS.front == "gateway":
        arguments.append("--admin_port=0")
    module = {"server": "tsd_tf.serving", "gateway": "tsd_tf.gateway"}[FLAGS.front]
    with _Program(module, *arguments) as program, contextlib.ExitStack() as closing:
        target = attackers.Target(program.address, program.url, _shape(program.url), FLAGS.source)
        frames = _clip(target.shape)
        request = messages.predict_request_bytes("tsd", "serving_default", {"frames": frames[None]})
        jpegs = codec.encode(frames, "jpeg").inputs["frames_bytes"]
        clip = [[{"b64": base64.b64encode(picture).decode()} for picture in line] for line in jpegs]
        body = json.dumps({"signature_name": "jpeg", "inputs": clip}).encode()
        clients = {
            "grpc": [_grpc_client(target, request, closing) for _ in range(FLAGS.clients)],
            "rest": [_rest_client(target, body, closing) for _ in range(FLAGS.clients)],
        }
        expected = {key: np.stack([asks[0](0)]) for key, asks in clients.items()}

        def newcomer(client, content):
            def ask():
                with contextlib.ExitStack() as stack:
                    client(target, content, stack)(0)

            return ask

        newcomers = {"grpc": newcomer(_grpc_client, request), "rest": newcomer(_rest_client, body)}
        channel = closing.enter_context(grpc.insecure_channel(target.address, attackers.OPTIONS))
        watched = (channel.unary_unary(_HEALTH), newcomers)
        loads = {key: Load(asks, expected[key], _TOLERANCE) for key, asks in clients.items()}
        _run(loads)  # warm
        found = {}
        for name in tqdm(chosen, desc="attacks", unit="attack"):
            found[name] = _measure(name, program, target, loads, watched)
        summaries = {key: load.summary() for key, load in loads.items()}
    ours = [line.strip() for line in program.said if "tensorflow" not in line]
    in_turn.write(
        FLAGS.output,
        {
            "machine": machine.describe(),
            "versions": machine.versions("aiohttp", "grpcio", "numpy"),
            "front": FLAGS.front,
            "flags": FLAGS.server_flags,
            "clip": target.shape,
            "seconds_per_turn": FLAGS.seconds,
            "rounds": FLAGS.rounds,
            "attackers": {
                "niceness": FLAGS.attacker_niceness,
                "cores": FLAGS.attacker_cores,
                "address": FLAGS.source,
            },
            "attacks": found,
            "good_clients": summaries,
            "lines_on_stderr": len(ours),
            "last_lines_on_stderr": ours[-5:],
        },
    )


if __name__ == "__main__":
    command_line.run(main)
