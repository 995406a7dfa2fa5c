"""A camera, a client and a server for a long time, while all that can go wrong does.

    python -m benchmarks.soak --minutes=30
    python -m benchmarks.soak --minutes=5 --export_dir=export

The client watches a stream that drops, is refused and stalls; the server is told to stop, killed, frozen and flooded,
and started again. Afterwards every frame is accounted for: it is in a clip that was answered, in one that was reported
lost, or in a gap that was reported; and the memory of client, decoder and server is compared over time. Without
--export_dir a network of the sample preset with random weights is exported, which takes half a minute. JSON. The exit
code is 1 if something was lost without a word, a process failed, or memory grew. It needs Linux, which tells how much
memory processes take.
"""

import collections
import contextlib
import json
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from absl import flags, logging

from benchmarks import in_turn, networks, stream_accounts
from benchmarks.faulty_stream import FaultyStream
from benchmarks.memory_samples import MemorySamples
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.retries import Retries
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

_RETRY_FOR, _TIMEOUT, _STALL = 25, 6, 5  # seconds; short, so that clips are given up as well
_FLOOD = 24  # who ask at the same time; the server lets a few wait
_QUEUE = 4
_LARGEST_GROWTH = 0.1  # of memory, from the second quarter of a run to the last
_UNDER_WAY = 4  # clips that the last signal may cut off
_LONG_ENOUGH = 120.0  # seconds; growth in less says nothing

FLAGS = flags.FLAGS
flags.DEFINE_float("minutes", 30, "how long to go on", lower_bound=0.1)
flags.DEFINE_string("export_dir", None, "an export, in place of one with random weights")
flags.DEFINE_float("quiet_seconds", 15, "between two faults, at random up to twice as long", lower_bound=0)
flags.DEFINE_integer("seed", 0, "of the order of the faults")
flags.DEFINE_string("output", "soak.json", "file to write")


class _Server:
    """The server's process, which comes and goes."""

    def __init__(self, export_dir, samples):
        self._export_dir, self._samples = export_dir, samples
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self._port = held.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"
        self.starts = 0
        self.process = None

    def start(self):
        program = [sys.executable, "-m", "tsd_tf.serving", f"--model_dir={self._export_dir / signatures.CLOUD_DIR}"]
        limits = [f"--max_queue={_QUEUE}", f"--max_batch_size={_QUEUE}"]
        ports = [f"--port={self._port}", "--rest_port=0"]
        self.process = subprocess.Popen([*program, *limits, *ports], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not re.search(r"gRPC \S+,", line):
            raise UserError(f"the server ended before it was ready: {line}")
        self.starts += 1
        self._samples.watched[self.process.pid] = f"server {self.starts}"

    def end(self, number=signal.SIGTERM):
        self._samples.watched.pop(self.process.pid, None)
        self.process.send_signal(number)
        self.process.wait()
        self.process.stdout.close()

    def restart(self):
        self.end()
        self.start()

    def be_killed(self):
        self.end(signal.SIGKILL)
        self.start()

    def be_away_for_too_long(self):
        self.end()
        time.sleep(_RETRY_FOR + 5)
        self.start()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(_TIMEOUT + 4)
        self.process.send_signal(signal.SIGCONT)

    def be_flooded(self, shape, seconds=10.0):
        """Many ask at the same time; returns how many were answered and refused."""
        end = time.monotonic() + seconds
        found = collections.Counter()

        def ask():
            connection = GrpcConnection(self.address, retries=Retries(0), timeout=_TIMEOUT)
            frames = {signatures.FRAMES: np.zeros((1, *shape, 3), np.uint8)}
            while time.monotonic() < end:
                try:
                    connection.classify(signatures.SERVING_DEFAULT, frames)
                    found["answered"] += 1
                except UserError:
                    found["refused"] += 1
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(_FLOOD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return dict(found)


class _Client:
    """The client's process, and what it says."""

    def __init__(self, export_dir, camera, server):
        command = [sys.executable, "-m", "tsd_tf.client", f"--model={export_dir / 'client.tflite'}", "--json"]
        settings = [f"--retry_for={_RETRY_FOR}", f"--timeout={_TIMEOUT}", f"--stall_seconds={_STALL}", "--codec=jpeg"]
        self.events, self.notes = [], []
        self.process = subprocess.Popen(
            [*command, *settings, f"--camera={camera}", f"--server={server}", "--num_threads=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.events, json.loads), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.notes, str.strip), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines, parse):
        for line in stream:
            lines.append(parse(line))

    def end(self):
        """(exit code, seconds that it took)"""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=30)
        seconds = time.monotonic() - began
        self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode, seconds


def _faults(server, stream, shape):
    """{name: what brings it about and returns when it is over}."""

    def then_wait(seconds, fault, *arguments, **named):
        def both():
            fault(*arguments, **named)
            time.sleep(seconds)

        return both

    return {
        "stream drops": then_wait(0, stream.drop),
        "server restarts": server.restart,
        "stream is reset and refused for 5 s": then_wait(5, stream.drop, 5, reset=True),
        "server is killed": server.be_killed,
        f"stream stalls for {2 * _STALL} s": then_wait(2 * _STALL, stream.stall, 2 * _STALL),
        f"{_FLOOD} others ask for 10 s": lambda: server.be_flooded(shape),
        f"server freezes for {_TIMEOUT + 4} s": server.freeze,
        f"stream stalls for {_STALL / 2:g} s": then_wait(_STALL / 2, stream.stall, _STALL / 2),
        f"server is away for more than {_RETRY_FOR + 5} s": server.be_away_for_too_long,
    }


def _bring_about(faults, client, end):
    """One fault after the other until the time is over; all once in their order, then at random."""
    draw, happened, waiting = random.Random(FLAGS.seed), [], list(faults)
    began = time.monotonic()
    while True:
        pause = FLAGS.quiet_seconds * draw.uniform(0.5, 1.5)
        if time.monotonic() + pause >= end:
            time.sleep(max(0.0, end - time.monotonic()))
            return happened
        time.sleep(pause)
        if client.process.poll() is not None:
            return happened
        if not waiting:
            waiting = draw.sample(list(faults), len(faults))
        name = waiting.pop(0)
        at = time.monotonic()
        found = faults[name]()
        happened.append(
            {"at": round(at - began, 1), "what": name, "seconds": round(time.monotonic() - at, 1)}
            | ({"found": found} if found else {})
        )


def _soak(export_dir):
    model = signatures.ClientModel.from_json((export_dir / signatures.SIDECAR_FILE).read_text())
    shape = model.num_distilled_frames, model.frame_size, model.frame_size
    rate = model.frames_per_second
    with MemorySamples(0.5) as samples, FaultyStream(max(64, model.frame_size), round(rate)) as stream:
        server = _Server(export_dir, samples)
        server.start()
        client = _Client(export_dir, stream.url, server.address)
        try:
            samples.watched[client.process.pid] = "client"
            while not client.events and client.process.poll() is None:
                time.sleep(0.05)
            began = time.monotonic()
            happened = _bring_about(_faults(server, stream, shape), client, began + 60 * FLAGS.minutes)
            _wait_until(client, round((time.monotonic() - began) * rate), model.num_frames, rate)
            seconds = time.monotonic() - began
            samples.watched.pop(client.process.pid)
            code, seconds_to_end = client.end()
        finally:
            client.process.kill()
            server.end()
    summary = client.events.pop()["summary"] if client.events and "summary" in client.events[-1] else None
    accounts = stream_accounts.account(client.events, model.num_frames, rate)
    return {
        "seconds": round(seconds, 1),
        "faults": happened,
        "frames_due": round(seconds * rate),
        "accounts": accounts,
        "summary": summary,
        "latency_s": _latency(client.events),
        "exit_code": code,
        "seconds_to_end": round(seconds_to_end, 2),
        "server_starts": server.starts,
        "stream_connections": stream.num_connections,
        "notes": dict(collections.Counter(re.sub(r"[\d.]+", "#", note.partition(":")[0]) for note in client.notes)),
        "tracebacks": sum("Traceback" in note for note in client.notes),
        "memory": samples.summary(),
    }


def _wait_until(client, frames, num_frames, rate):
    """Until the client has said what became of so many frames, or should have."""
    deadline = time.monotonic() + _RETRY_FOR + _TIMEOUT + _STALL
    while time.monotonic() < deadline and client.process.poll() is None:
        found = stream_accounts.account(list(client.events), num_frames, rate)
        if found["frames_in_clips"] + found["frames_lost"] >= frames:
            return
        time.sleep(0.2)


def _latency(events):
    seconds = sorted(event["seconds"]["send"] for event in events if "seconds" in event)
    return {"median": seconds[len(seconds) // 2], "largest": seconds[-1]} if seconds else None


def _complaints(found):
    """What is not as it should be, in words."""
    accounts, summary = found["accounts"], found["summary"]
    complaints = [f"{accounts[name]} {name}" for name in ("unaccounted", "repeated") if accounts[name]]
    if summary is None:
        complaints.append("no summary")
    else:
        complaints += [
            f"{summary[name]} clips {name} by the summary, {accounts[name]} by the lines"
            for name in ("answered", "lost")
            if not accounts[name] <= summary[name] <= accounts[name] + _UNDER_WAY
        ]
        under_way = summary["clips"] - summary["answered"] - summary["lost"]
        if under_way > _UNDER_WAY:
            complaints.append(f"{under_way} clips were under way at the end")
    if found["exit_code"] != 128 + signal.SIGTERM:
        complaints.append(f"the client's exit code {found['exit_code']}")
    if found["tracebacks"]:
        complaints.append("tracebacks")
    return complaints + [
        f"{of['name']} grew by {of['growth']:.1%} in {of['seconds']:.0f} s"
        for of in found["memory"]
        if of["growth"] > _LARGEST_GROWTH and of["seconds"] > _LONG_ENOUGH
    ]


def main(argv):
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        export_dir = pathlib.Path(FLAGS.export_dir or folder)
        if not FLAGS.export_dir:
            from tsd_tf.export import exporter

            config, network, labels = networks.load(None, "sample")
            shape = (2, config.num_frames, config.crop_size, config.crop_size, 3)
            clips = np.random.default_rng(0).integers(0, 256, shape, "uint8")
            exporter.export(network, config, labels, export_dir, clips[:1], clips[1:], variants=("float32",))
        found = _soak(export_dir)
    complaints = _complaints(found)
    in_turn.write(FLAGS.output, {"machine": machine.describe(), **found, "complaints": complaints})
    return 1 if complaints else 0


if __name__ == "__main__":
    command_line.run(main)
