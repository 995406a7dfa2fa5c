"""The cloud's front door: TLS, tokens and limits, and clips that travel as short videos.

    python -m tsd_tf.gateway --model_dir=export/cloud
    python -m tsd_tf.gateway --backends=10.0.0.5:8500,10.0.0.6:8500 --host=0.0.0.0 \\
        --tls_cert=server.pem --tls_key=server.key --tokens=tokens.txt

answers gRPC on 127.0.0.1:8500 and REST on 127.0.0.1:8501 with what TensorFlow Serving, or the embedded server of
--model_dir, says to the frames; metrics and probes are on 127.0.0.1:8502. It prints one line when it is ready, and ends
on SIGTERM or Ctrl-C once its requests are answered.

    python -m tsd_tf.gateway --model_dir=export/cloud --page

serves the client as a web page as well, at / of REST: a browser with a camera is a client (docs/web.md).
"""

import asyncio
import dataclasses
import pathlib
from typing import TYPE_CHECKING

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.exposure import protection
from tsd_tf.gateway.limits import Limits
from tsd_tf.programs import command_line, engine_flags, limit_flags, service

if TYPE_CHECKING:
    from tsd_tf.gateway.gateway import Gateway
    from tsd_tf.gateway.page_site import PageSite

_DEFAULTS = Limits()
# Of decoded clips, to a server in the same process.
_EMBEDDED_MESSAGE_BYTES = 512 << 20
_EMBEDDED_GRACE = 1.0  # seconds; by then the gateway has answered

FLAGS = flags.FLAGS
flags.DEFINE_list("backends", [], "servers to ask: host:port[:rest_port],...")
flags.DEFINE_string("model_dir", None, "folder with one SavedModel per version, served by this process itself")
engine_flags.define("with --model_dir: ")
flags.DEFINE_string("model_name", MODEL_NAME, "the model that makes a server healthy, and its name with --model_dir")
flags.DEFINE_string("host", "127.0.0.1", service.HOST_HELP)
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
flags.DEFINE_integer("max_clips", 16, "most clips in a request with coded clips", lower_bound=1)
flags.DEFINE_integer("max_clip_bytes", 16 << 20, "most bytes of the coded clips in a request", lower_bound=1)
flags.DEFINE_integer("max_decoding_queue", 64, "most requests that wait to be decoded", lower_bound=1)
flags.DEFINE_float("decoding_seconds", 10.0, "time to decode the clips of a request", lower_bound=0.001)
flags.DEFINE_integer("decoding_memory", 512 << 20, "bytes that a process may take to decode a request", lower_bound=1)
flags.DEFINE_bool("page", False, "serve the web page, the client for browsers, at / of HTTP")
flags.DEFINE_string(
    "page_client",
    None,
    "with --page: the export whose client half the page runs (default: that of --model_dir; with --backends the model "
    "that ships)",
)
flags.DEFINE_string(
    "page_samples", None, "with --page: folder of videos to choose from (default: `videos` beside the client half)"
)
flags.DEFINE_bool("page_isolation", True, "with --page: have browsers isolate it, without which it gets one thread")
limit_flags.define(_DEFAULTS)
for _name, _help, _lowest in (
    ("backend_timeout", "seconds for a request whose caller sets no deadline", 0.001),
    ("health_seconds", "how often to look at each backend", 0.001),
    ("drain_seconds", "how long new requests are still taken after SIGTERM", 0.0),
):
    flags.DEFINE_float(_name, getattr(_DEFAULTS, _name), _help, lower_bound=_lowest)


def _limits() -> Limits:
    return Limits(**{field.name: getattr(FLAGS, field.name) for field in dataclasses.fields(Limits)})


def _page() -> "PageSite | None":
    """The web page that the flags describe."""
    if not FLAGS.page:
        return None
    from tsd_tf import models
    from tsd_tf.gateway.page_site import PageSite

    export = pathlib.Path(FLAGS.model_dir).absolute().parent if FLAGS.model_dir else models.ACTIONS
    client = pathlib.Path(FLAGS.page_client or export)
    samples = client / models.VIDEOS_DIR
    return PageSite(
        client, FLAGS.page_samples or (samples if samples.is_dir() else None), is_isolated=FLAGS.page_isolation
    )


def _gateway(backends: list[BackendAddress], page: "PageSite | None") -> "Gateway":
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
        decoding={
            "num_workers": FLAGS.decoders,
            "seconds": FLAGS.decoding_seconds,
            "max_memory": FLAGS.decoding_memory,
            "max_clips": FLAGS.max_clips,
            "max_bytes": FLAGS.max_clip_bytes,
            "max_waiting": FLAGS.max_decoding_queue,
        },
        page=page,
    )


async def _serve(said: str, stop: asyncio.Event) -> None:
    backends = [BackendAddress.parse(text) for text in FLAGS.backends]
    page = _page()
    if backends:
        await _answer(backends, page, said, stop)
        return
    from tsd_tf.serving.limits import Limits as ServerLimits
    from tsd_tf.serving.server import Server

    # The server of --model_dir, where nobody but this user finds it.
    with service.temporary_folder("tsd-gateway-") as folder:
        host = f"unix:{folder}"
        server = Server(
            FLAGS.model_dir,
            FLAGS.model_name,
            host=host,
            # The gateway is its only client, and has bounds of its own.
            limits=ServerLimits(
                max_message_bytes=_EMBEDDED_MESSAGE_BYTES,
                max_request_bytes=8 * _EMBEDDED_MESSAGE_BYTES,
                max_json_values=FLAGS.max_json_values,
                shutdown_grace=_EMBEDDED_GRACE,
            ),
            poll_seconds=1.0,
            engine=FLAGS.engine,
            precision=FLAGS.precision,
        )
        ready, end = asyncio.Event(), asyncio.Event()
        serving = asyncio.ensure_future(server.serve(ready.set, end))
        waiting = [asyncio.ensure_future(event.wait()) for event in (ready, stop)]
        try:
            await asyncio.wait({serving, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            if ready.is_set():
                await _answer([BackendAddress.parse(host)], page, said, stop)
        finally:
            for task in waiting:
                task.cancel()
            end.set()
            await serving


async def _answer(backends: list[BackendAddress], page: "PageSite | None", said: str, stop: asyncio.Event) -> None:
    gateway = _gateway(backends, page)
    source = f"{FLAGS.model_dir} in this process" if FLAGS.model_dir else ", ".join(map(str, backends))

    def started() -> None:
        print(
            f"gateway to {source}: gRPC {gateway.address}, REST {gateway.url} ({said}{service.reach(FLAGS.host)}), "
            f"metrics {gateway.admin_url}/metrics{f', page {gateway.url}/' if page else ''}",
            flush=True,
        )

    await gateway.serve(started, stop)


@command_line.program(extra="gateway")
def start(argv: list[str]) -> None:
    """Answers requests until a signal ends it."""
    command_line.no_arguments(argv)
    if bool(FLAGS.backends) == bool(FLAGS.model_dir):
        raise UserError("expected one of --model_dir (served by this process) and --backends (host:port,...)")
    if bool(FLAGS.tls_cert) != bool(FLAGS.tls_key) or FLAGS.client_ca and not FLAGS.tls_cert:
        raise UserError("--tls_cert and --tls_key belong together, and --client_ca needs both")
    if not FLAGS.page and (FLAGS.page_client or FLAGS.page_samples or not FLAGS.page_isolation):
        raise UserError("--page_client, --page_samples and --page_isolation are for use with --page")
    said = protection(
        FLAGS.host,
        tls=bool(FLAGS.tls_cert),
        tokens=bool(FLAGS.tokens),
        client_ca=bool(FLAGS.client_ca),
        behind_proxy=FLAGS.behind_proxy,
    )
    if FLAGS.model_dir:
        try:
            import tsd_tf.serving.server  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(
                f"--model_dir needs {error.name}, which is not installed: pip install 'tsd_tf[gateway,serve]'"
            ) from error
    service.run(lambda stop: _serve(said, stop))


if __name__ == "__main__":
    start()
