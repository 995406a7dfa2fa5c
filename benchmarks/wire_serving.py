"""The gateway before a server, against the server alone: latency, clips a second, and answers lost or wrong."""

import concurrent.futures
import contextlib
import hashlib
import pathlib
import statistics

import numpy as np

from benchmarks import in_turn, load
from benchmarks.authority import Authority
from benchmarks.server_process import running
from tsd_tf.client.credentials import Credentials
from tsd_tf.client.grpc_connection import GrpcConnection
from tsd_tf.client.retries import Retries
from tsd_tf.contract import signatures
from tsd_tf.video import codec

_TOKEN = "of-the-benchmark"
# What travels, and by which way the same work reaches the server without a gateway.
WAYS = {"gateway_jpeg": ("jpeg", "server_jpeg"), "gateway_h264": ("h264", "server_raw")}
_ROUNDS = 4


@contextlib.contextmanager
def _server_and_gateway(cloud_dir, folder):
    """(address of the server, address of the gateway before it, Credentials for the gateway)."""
    authority = Authority("benchmark")
    certificate, key = authority.write(folder)
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "tokens.txt").write_text(f"benchmark {hashlib.sha256(_TOKEN.encode()).hexdigest()}\n")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            running("tsd_tf.serving", f"--model_dir={cloud_dir}", "--port=0", "--rest_port=0", "--precision=float32")
        ).address
        gateway = stack.enter_context(
            running(
                "tsd_tf.gateway",
                f"--backends={server}",
                *("--port=0", "--rest_port=0", "--admin_port=0"),
                f"--tls_cert={certificate}",
                f"--tls_key={key}",
                f"--tokens={folder / 'tokens.txt'}",
            )
        ).address
        yield server, gateway, Credentials(str(folder / "ca.pem"), token=_TOKEN)


def measure(cloud_dir, folder, frames, num_clients, seconds, repetitions):
    """Both protocols of the wire through the gateway, with TLS and tokens, and the server alone without.

    Args:
        cloud_dir: the exported cloud half.
        folder: for certificates.
        frames: uint8 distilled frames (n, T_s, H, W, 3), which the network tells apart.
        num_clients: at a time.
        seconds: how long they ask through the gateway, for each of WAYS.
        repetitions: of the latency.

    Returns:
        A dict that JSON can hold.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(str(next(pathlib.Path(cloud_dir).iterdir()))).signatures
    encoded = {name: [codec.encode(clip, name) for clip in frames] for name in ("jpeg", "h264")}
    decoded = np.stack([codec.decode_inputs(clip.inputs, frames.shape[1:4])[0] for clip in encoded["h264"]])
    encoded["raw"] = [codec.encode(clip, "raw") for clip in decoded]

    def answers(clips):
        return np.concatenate(
            [
                loaded[clip.signature](**{name: tf.constant(value) for name, value in clip.inputs.items()})[
                    signatures.PROBABILITIES
                ].numpy()
                for clip in clips
            ]
        )

    expected = {"jpeg": answers(encoded["jpeg"]), "raw": answers(encoded["raw"])}
    expected["h264"] = expected["raw"]
    found = {"clients": num_clients, "seconds": seconds}
    with _server_and_gateway(cloud_dir, pathlib.Path(folder)) as (server, gateway, secured):

        def connect(way):
            through_gateway = way.startswith("gateway")
            address = f"grpcs://{gateway}" if through_gateway else server
            credentials = secured if through_gateway else None
            return GrpcConnection(address, timeout=600.0, retries=Retries(0), credentials=credentials)

        def asking(way):
            """A function of a connection of its own: number of a clip -> probabilities."""
            connection, clips = connect(way), encoded[way.partition("_")[2]]
            closing.callback(connection.close)
            return lambda clip: connection.classify(*clips[clip]).probabilities

        with contextlib.ExitStack() as closing:
            ways = {way: asking(way) for pair in WAYS.items() for way in (pair[0], pair[1][1])}
            latency = in_turn.measure(
                {way: in_turn.milliseconds(ask, 0) for way, ask in ways.items()}, repetitions, warm_up=2
            )
            found["latency_ms"] = {way: statistics.median(values) for way, values in latency.items()}
            for way, (name, alone) in WAYS.items():
                tolerance = load.tolerance(expected[name])
                loads = {
                    kind: load.Load([asking(kind) for _ in range(num_clients)], expected[name], tolerance)
                    for kind in (way, alone)
                }
                for each in loads.values():
                    with concurrent.futures.ThreadPoolExecutor(num_clients) as threads:
                        list(threads.map(lambda ask: ask(0), each.ask))
                rates = in_turn.measure(
                    {kind: lambda each=each: each.run(seconds / _ROUNDS) for kind, each in loads.items()},
                    _ROUNDS,
                    warm_up=0,
                )
                found[way] = {
                    **{kind: each.summary() for kind, each in loads.items()},
                    "overhead": 1 - in_turn.ratio(rates, way, alone),
                }
    return found
