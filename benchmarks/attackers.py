"""Who attacks a server in benchmarks.attacks: what they send, and the process that sends it."""

import base64
import collections
import contextlib
import json
import os
import selectors
import threading
import time

import grpc
import numpy as np

from benchmarks import strangers
from tsd_tf.contract import messages

PATH = "/v1/models/tsd:predict"
OPTIONS = [  # of the channels of gRPC
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
]
_NAME_BYTES, _PARTS_BYTES, _BODY_BYTES, _BOMB_BYTES = 30 << 20, 30 << 20, 60 << 20, 512 << 20
_HALF_BYTES, _OF_BYTES = 1 << 20, 60 << 20  # of a call that never ends
_NUMBERS = 3_999_000  # which a server takes that takes four million values
_CONNECTS_AT_ONCE = 10  # in a fiftieth of a second


class Target:
    """What is attacked.

    Args:
        address, url: of gRPC and REST.
        shape: (T_s, H, W) of the clips that it takes.
        source: the attackers' address, but for that of `predict`.
    """

    def __init__(self, address, url, shape, source):
        self.address, self.url, self.shape, self.source = address, url, shape, source

    def predict(self, request, timeout=60.0):
        """The status of a call of Predict with these bytes, on a connection of its own."""
        with grpc.insecure_channel(self.address, OPTIONS) as channel:
            return channel.unary_unary(messages.PREDICT).future(request, timeout=timeout).code().name

    def post(self, body):
        """The status of a POST of this body, on a connection of its own."""
        try:
            with strangers.connect(self.url, self.source, timeout=60.0) as connection:
                connection.sendall(strangers.http_head(PATH, b"Content-Length: %d" % len(body)))
                with contextlib.suppress(OSError):  # it may be refused before all of it is sent
                    connection.sendall(body)
                return connection.recv(65536).split(b" ")[1].decode()
        except (OSError, IndexError) as error:
            return type(error).__name__


# Attacks: functions of a Target that give functions without arguments, each of which a thread calls again and again and
# which return a status.


def names(target):
    """A model's name of thirty million bytes."""
    request = messages.PredictRequest()
    request.model_spec.name = "x" * _NAME_BYTES
    content = request.SerializeToString()
    return [lambda: target.predict(content)]


def parts(target):
    """A message of millions of inputs."""
    content = strangers.many_inputs(_PARTS_BYTES)
    return [lambda: target.predict(content)]


def lists(target):
    """A body of sixty million bytes of empty lists."""
    body = strangers.json_body(b"[]", _BODY_BYTES)
    return [lambda: target.post(body)]


def objects(target):
    """Three bodies of empty objects at a time."""
    body = strangers.json_body(b"{}", _BODY_BYTES)
    return [lambda: target.post(body)] * 3


def numbers(target):
    """Two bodies at a time of as many numbers as there may be, which are no clip."""
    body = strangers.json_body(b"1", 2 * _NUMBERS)
    return [lambda: target.post(body)] * 2


def pictures(target):
    """Two clips at a time of small PNGs that inflate to half a gigabyte each, asked for with two seconds' patience."""
    bomb = strangers.png(target.shape[1], _BOMB_BYTES)
    clip = np.empty((1, target.shape[0]), object)
    clip[:] = bomb
    content = messages.predict_request_bytes("tsd", "jpeg", {"frames_bytes": clip})
    return [lambda: target.predict(content, 2.0)] * 2


def json_pictures(target):
    """The same by REST."""
    bomb = base64.b64encode(strangers.png(target.shape[1], _BOMB_BYTES)).decode()
    clip = [{"b64": bomb}] * target.shape[0]
    body = json.dumps({"signature_name": "jpeg", "instances": [clip]}).encode()
    return [lambda: target.post(body)] * 2


# Attacks: numbers of connections, and functions of a Target that open one and leave it in the middle of something.


def body(target):
    """A body of which a byte comes."""
    connection = strangers.connect(target.url, target.source)
    connection.sendall(strangers.http_head(PATH, b"Content-Length: 1000000") + b"{")
    return connection


def head(target):
    """A head that does not end."""
    connection = strangers.connect(target.url, target.source)
    connection.sendall(strangers.http_head(PATH, b"X: y")[:-4])
    return connection


def call(target):
    """A call of gRPC with a message of which a part comes."""
    half = strangers.HalfCall(target.address, target.source)
    half.send(half.begin(), _HALF_BYTES, of=_OF_BYTES)
    return half.socket


def idle_rest(target):
    """Nothing at all, to REST."""
    return strangers.connect(target.url, target.source)


def idle_grpc(target):
    """Nothing at all, to gRPC."""
    return strangers.connect(target.address, target.source)


def unread(target):
    """Requests whose answers nobody reads."""
    connection = strangers.connect(target.url, target.source, timeout=0.2, window=4096)
    with contextlib.suppress(TimeoutError):
        connection.sendall(b"GET /v1/models/tsd/metadata HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
    return connection


CALLS = {attack.__name__: attack for attack in (names, parts, lists, objects, numbers, pictures, json_pictures)}
CONNECTIONS = {
    "half_bodies": [(512, body)],
    "half_heads": [(512, head)],
    "half_calls": [(512, call)],
    "idle": [(1138, idle_rest), (1138, idle_grpc)],
    "unread": [(32, unread)],
}


def attack(name, target, niceness, cores, ready, stop, found):
    """What the attackers' process does: attacks until `stop` is set, and puts into `found` what came of it.

    Args:
        name: of the attack.
        target: a Target.
        niceness: of the process.
        cores: numbers of those that it runs on; none for all.
        ready, stop: events; `ready` is set when the attack is at its full strength.
        found: a queue.
    """
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # if the benchmark runs in real time
    if cores:
        os.sched_setaffinity(0, cores)
    os.nice(niceness)
    counts = collections.Counter()
    if name in CALLS:
        calls = CALLS[name](target)
        threads = [threading.Thread(target=_again, args=(call, stop, counts), daemon=True) for call in calls]
    else:
        threads = [
            threading.Thread(target=_keep, args=(number, begin, target, stop, counts), daemon=True)
            for number, begin in CONNECTIONS[name]
        ]
    for thread in threads:
        thread.start()
    if name in CONNECTIONS:
        _until_steady(counts)
    ready.set()
    stop.wait()
    for thread in threads:
        thread.join(5)
    found.put(dict(counts))


def _again(call, stop, counts):
    while not stop.is_set():
        counts[call()] += 1


def _keep(number, begin, target, stop, counts):
    """Keeps so many connections open, and opens others for those that are ended."""
    with selectors.DefaultSelector() as selector:
        while not stop.is_set():
            for _ in range(min(_CONNECTS_AT_ONCE, number - len(selector.get_map()))):
                try:
                    connection = begin(target)
                except OSError as error:
                    counts[type(error).__name__] += 1
                    break
                counts["opened"] += 1
                selector.register(connection, selectors.EVENT_READ)
            time.sleep(0.02)
            for key, _ in selector.select(0):
                try:
                    is_open = begin is unread or key.fileobj.recv(65536)
                except OSError:
                    is_open = False
                if not is_open:
                    counts["ended"] += 1
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()


def _until_steady(counts):
    """Returns when there are as many connections as there can be."""
    before, end = -1, time.monotonic() + 30
    while time.monotonic() < end and counts["opened"] - counts["ended"] > before:
        before = counts["opened"] - counts["ended"]
        time.sleep(0.5)
