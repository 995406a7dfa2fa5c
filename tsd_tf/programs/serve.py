"""Serves the cloud half with TensorFlow Serving's protocol, for a laptop and for tests.

    python -m tsd_tf.serving --model_dir=export/cloud

answers gRPC on 127.0.0.1:8500 and REST on 127.0.0.1:8501, prints one line when it is ready, loads new versions as they
appear in the folder, and ends on SIGTERM or Ctrl-C once its requests are answered. In production TensorFlow Serving
takes its place: deploy/.
"""

from absl import flags

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.signatures import MODEL_NAME
from tsd_tf.programs import command_line, engine_flags, limit_flags, service
from tsd_tf.serving.limits import Limits

_DEFAULTS = Limits()

FLAGS = flags.FLAGS
flags.DEFINE_string("model_dir", "export/cloud", "folder with one SavedModel per version")
flags.DEFINE_string("model_name", MODEL_NAME, "the model's name in requests")
flags.DEFINE_string("host", "127.0.0.1", service.HOST_HELP)
flags.DEFINE_integer("port", 8500, "port of gRPC; 0 picks a free one", lower_bound=0, upper_bound=65535)
flags.DEFINE_integer("rest_port", 8501, "port of REST; 0 picks a free one", lower_bound=0, upper_bound=65535)
flags.DEFINE_list("version_labels", [], "versions to serve beside the newest, by label: stable:1,canary:2")
flags.DEFINE_float("poll_seconds", 1.0, "how often to look for a new version; 0 for never", lower_bound=0)
engine_flags.define()
limit_flags.define(_DEFAULTS)
flags.DEFINE_integer("max_batch_size", _DEFAULTS.max_batch_size, "most clips in a request or batch", lower_bound=1)
flags.DEFINE_integer("max_queue", _DEFAULTS.max_queue, "most clips that wait", lower_bound=1)
flags.DEFINE_integer("num_batch_threads", _DEFAULTS.num_batch_threads, "batches at the same time", lower_bound=1)
flags.DEFINE_integer(
    "batch_timeout_micros", 0, "how long a request waits for others while the model is idle", lower_bound=0
)


def _labels(entries: list[str]) -> dict[str, int]:
    labels = {}
    for entry in entries:
        label, _, version = entry.rpartition(":")
        if not label or not version.isdecimal():
            raise UserError(f"--version_labels must be label:version,... Received: --version_labels={entry}")
        labels[label] = int(version)
    return labels


@command_line.program(extra="serve")
def start(argv: list[str]) -> None:
    """Serves until a signal ends it."""
    command_line.no_arguments(argv)
    labels = _labels(FLAGS.version_labels)
    from tsd_tf.serving.server import Server

    limits = Limits(
        **limit_flags.values(),
        max_batch_size=FLAGS.max_batch_size,
        max_queue=FLAGS.max_queue,
        num_batch_threads=FLAGS.num_batch_threads,
        batch_timeout=FLAGS.batch_timeout_micros / 1e6,
    )
    server = Server(
        FLAGS.model_dir,
        FLAGS.model_name,
        host=FLAGS.host,
        port=FLAGS.port,
        rest_port=FLAGS.rest_port,
        labels=labels,
        limits=limits,
        poll_seconds=FLAGS.poll_seconds,
        engine=FLAGS.engine,
        precision=FLAGS.precision,
    )

    def started() -> None:
        print(
            f"serving {FLAGS.model_name} from {FLAGS.model_dir}: gRPC {server.address}, REST {server.url}"
            f"{service.reach(FLAGS.host)}",
            flush=True,
        )

    service.run(lambda stop: server.serve(started, stop))


if __name__ == "__main__":
    start()
