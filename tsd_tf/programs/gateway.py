"""The cloud's front door: TLS, tokens and limits, and clips that travel as short videos.

    python -m tsd_tf.gateway --model_dir=export/cloud
    python -m tsd_tf.gateway --backends=10.0.0.5:8500,10.0.0.6:8500 --host=0.0.0.0 \\
        --tls_cert=server.pem --tls_key=server.key --tokens=tokens.txt

answers gRPC on 127.0.0.1:8500 and REST on 127.0.0.1:8501 with what TensorFlow Serving, or the embedded server of
--model_dir, says to the frames; metrics and probes are on 127.0.0.1:8502. It prints one line when it is ready, and ends
on SIGTERM or Ctrl-C once its requests are answered.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.exposure import protection
from tsd_tf.gateway.limits import Limits
from tsd_tf.programs import command_line

if TYPE_CHECKING:
    from tsd_tf.gateway.gateway import Gateway

_DEFAULTS = Limits()
# Of decoded clips, to a server in the same process.
_EMBEDDED_MESSAGE_BYTES = 512 << 20

FLAGS = flags.FLAGS
flags.DEFINE_list("backends", [], "servers to ask: host:port[:rest_port],...")
flags.DEFINE_string("model_dir", None, "folder with one SavedModel per version, served by this process itself")
flags.DEFINE_string("model_name", MODEL_NAME, "the model that makes a server healthy, and its name with --model_dir")
flags.DEFINE_string("host", "127.0.0.1", "address to listen on")
flags.DEFINE_integer("port", 8500, "port of gRPC; 0 picks a free one", lower_bound=0, upper_bound=65535)
flags.DEFINE_integer("rest_port", 8501, "port of HTTP; 0 picks a free one", lower_bound=0, upper_bound=65535)
flags.DEFINE_string("admin_host", "127.0.0.1", "address of metrics and probes, which need no token")
flags.DEFINE_integer("admin_port", 8502, "port of metrics and probes", lower_bound=0, upper_bound=65535)
flags.DEFINE_string("tls_cert", None, "PEM file of the certificate and those that lead to its authority")
flags.DEFINE_string("tls_key", None, "PEM file of the certificate's key")
flags.DEFINE_string("client_ca", None, "PEM file of the authorities whose certificates clients must show")
flags.DEFINE_string("tokens", None, "file of the hashes of the tokens that clients must show")
flags.DEFINE_bool("behind_proxy", False, "listen without TLS and tokens, because a proxy does that part")
flags.DEFINE_string("backend_ca", None, "PEM file of the authority of the backends' gRPC; without it, no TLS there")
flags.DEFINE_string("access_log", None, "file to which a JSON object a request is added; - for standard output")
flags.DEFINE_integer("decoders", None, "processes that decode clips; one a core by default", lower_bound=1)
for _name, _help in (
    ("max_message_bytes", "largest message or body"),
    ("max_concurrent_requests", "most requests under way"),
    ("max_connections", "most connections of HTTP"),
):
    flags.DEFINE_integer(_name, getattr(_DEFAULTS, _name), _help, lower_bound=1)
for _name, _help, _lowest in (
    ("header_seconds", "time for a connection to begin its next request", 0.001),
    ("body_seconds", "time for a request to arrive", 0.001),
    ("backend_timeout", "seconds for a request whose caller sets no deadline", 0.001),
    ("health_seconds", "how often to look at each backend", 0.001),
    ("drain_seconds", "how long new requests are still taken after SIGTERM", 0.0),
    ("shutdown_grace", "seconds that requests then get to finish", 0.0),
):
    flags.DEFINE_float(_name, getattr(_DEFAULTS, _name), _help, lower_bound=_lowest)


def _limits() -> Limits:
    return Limits(**{field.name: getattr(FLAGS, field.name) for field in dataclasses.fields(Limits)})


def _gateway(backends: list[BackendAddress]) -> "Gateway":
    """The gateway that the flags describe."""
    import grpc

    from tsd_tf.gateway.certificates import Certificates
    from tsd_tf.gateway.gateway import Gateway
    from tsd_tf.gateway.tokens import Tokens

    certificates = Certificates(FLAGS.tls_cert, FLAGS.tls_key, FLAGS.client_ca) if FLAGS.tls_cert else None
    credentials = None
    if FLAGS.backend_ca:
        credentials = grpc.ssl_channel_credentials(pathlib.Path(FLAGS.backend_ca).read_bytes())
    return Gateway(
        backends,
        FLAGS.model_name,
        host=FLAGS.host,
        port=FLAGS.port,
        rest_port=FLAGS.rest_port,
        admin_host=FLAGS.admin_host,
        admin_port=FLAGS.admin_port,
        limits=_limits(),
        tokens=Tokens(FLAGS.tokens) if FLAGS.tokens else None,
        certificates=certificates,
        backend_credentials=credentials,
        access_log=FLAGS.access_log,
        decoding={"num_workers": FLAGS.decoders},
    )


@contextlib.asynccontextmanager
async def _embedded_server() -> AsyncIterator[list[BackendAddress]]:
    """Serves --model_dir on free ports of this machine, on the gateway's own event loop."""
    try:
        from tsd_tf.serving.limits import Limits as ServerLimits
        from tsd_tf.serving.server import Server
    except ModuleNotFoundError as error:
        raise UserError(
            f"--model_dir needs {error.name}, which is not installed: pip install 'tsd_tf[gateway,serve]'"
        ) from error

    server = Server(
        FLAGS.model_dir,
        FLAGS.model_name,
        port=0,
        rest_port=0,
        limits=ServerLimits(max_message_bytes=_EMBEDDED_MESSAGE_BYTES),
        poll_seconds=1.0,
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(server.serve(ready.set, stop))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if ready.is_set():
            yield [BackendAddress(server.host, server.port, server.rest_port or 0)]
    finally:
        waiting.cancel()
        stop.set()
        await task


async def _serve(said: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        backends = [BackendAddress.parse(text) for text in FLAGS.backends]
        if not backends:
            backends = await stack.enter_async_context(_embedded_server())
        gateway = _gateway(backends)
        await gateway.serve(lambda: print(_ready(gateway, backends, said), flush=True), stop)


def _ready(gateway: "Gateway", backends: list[BackendAddress], said: str) -> str:
    source = f"{FLAGS.model_dir} in this process" if FLAGS.model_dir else ", ".join(map(str, backends))
    return (
        f"gateway to {source}: gRPC {gateway.address}, REST {gateway.url} ({said}), metrics {gateway.admin_url}/metrics"
    )


@command_line.program(extra="gateway")
def start(argv: list[str]) -> None:
    """Answers requests until a signal ends it."""
    command_line.no_arguments(argv)
    if bool(FLAGS.backends) == bool(FLAGS.model_dir):
        raise UserError("expected one of --model_dir (served by this process) and --backends (host:port,...)")
    if bool(FLAGS.tls_cert) != bool(FLAGS.tls_key) or FLAGS.client_ca and not FLAGS.tls_cert:
        raise UserError("--tls_cert and --tls_key belong together, and --client_ca needs both")
    said = protection(
        FLAGS.host,
        tls=bool(FLAGS.tls_cert),
        tokens=bool(FLAGS.tokens),
        client_ca=bool(FLAGS.client_ca),
        behind_proxy=FLAGS.behind_proxy,
    )
    asyncio.run(_serve(said))


if __name__ == "__main__":
    start()
