"""Measures the wire: bytes at equal quality, times of codecs, and the gateway before a server.

    python -m benchmarks.wire --video=one.mp4,two.mp4
    python -m benchmarks.wire --video=one.mp4 --workdir=runs/kinetics400/tsd_T40_Ts10

Distilled frames are compared with the whole clip through the same codec, from which a server would distil the same
frames: bytes that travel, at the same PSNR of the frames that the main network gets. P is that of the trained run
--workdir, or made of Gaussian windows, as trained ones often look. Then come milliseconds to encode and decode, and the
gateway with TLS and tokens before the embedded server against the server alone: latency, and clips a second with many
clients. Without --workdir the network has random weights. Ten minutes on two cores; JSON, side by side.
"""

import pathlib
import tempfile

from absl import flags, logging

from benchmarks import in_turn, networks
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line
from tsd_tf.reporting import machine

_SHORT_SIDE = 256  # Kinetics'

FLAGS = flags.FLAGS
flags.DEFINE_list("video", [], "videos of which clips are taken")
flags.DEFINE_string("workdir", None, "a trained run: its T, T_s, frame size, P and network")
flags.DEFINE_list("parts", ["bytes", "times", "serving"], "what to measure")
flags.DEFINE_integer("T", 40, "frames of a clip", lower_bound=1, upper_bound=256)
flags.DEFINE_integer("Ts", 10, "distilled frames", lower_bound=1)
flags.DEFINE_integer("frame_size", 224, "pixels of the square frames", lower_bound=16)
flags.DEFINE_integer("num_clips", 3, "clips of a video, evenly spread", lower_bound=1)
flags.DEFINE_list("codecs", ["h264", "hevc", "av1", "vp9", "webp", "jpeg"], "codecs; jpeg is always among them")
flags.DEFINE_enum("preset", "kinetics400", ["kinetics400", "sample"], "the network behind the gateway")
flags.DEFINE_string("output", "wire.json", "file to write")
flags.DEFINE_integer("repetitions", 10, "measurements of each latency; the median counts", lower_bound=1)
flags.DEFINE_integer("clients", 64, "clients at a time", lower_bound=1)
flags.DEFINE_float("seconds", 60, "how long they ask, for each of JPEG and H.264", lower_bound=0.1)


def _matrix_of(draw):
    """(function: clip -> P, {T, Ts, frame_size, short_side})."""
    import numpy as np

    from benchmarks import wire_bytes

    if not FLAGS.workdir:
        sizes = {name: getattr(FLAGS, name) for name in ("T", "Ts", "frame_size")}
        sizes["short_side"] = max(_SHORT_SIDE, FLAGS.frame_size)
        return lambda clip: wire_bytes.windows(len(clip), FLAGS.Ts, draw), sizes
    from tsd_tf.data.preprocessing import to_network_input

    config, network, _ = networks.load(FLAGS.workdir, FLAGS.preset)
    sizes = {"T": config.num_frames, "Ts": config.num_distilled_frames, "frame_size": config.crop_size}
    sizes["short_side"] = config.short_side
    return lambda clip: np.asarray(network.transformation_matrix(to_network_input(clip[None])))[0], sizes


def _serving(folder):
    """The gateway before the server."""
    from benchmarks import wire_serving
    from tsd_tf.export import exporter

    config, network, labels = networks.load(FLAGS.workdir, FLAGS.preset)
    clips, representative = networks.clips(config, FLAGS.workdir)
    exporter.export(network, config, labels, folder / "export", clips, representative, ["float32"])
    frames = clips[:, : config.num_distilled_frames]
    arguments = FLAGS.clients, FLAGS.seconds, FLAGS.repetitions
    return wire_serving.measure(folder / "export/cloud", folder, frames, *arguments)


def main(argv):
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    import numpy as np

    from benchmarks import wire_bytes

    unknown = set(FLAGS.codecs) - set(wire_bytes.QUALITIES)
    if unknown:
        raise UserError(f"--codecs expects some of {', '.join(wire_bytes.QUALITIES)}; received {', '.join(unknown)}")
    codecs = list(dict.fromkeys([*FLAGS.codecs, "jpeg"]))
    found = {
        "machine": machine.describe(),
        "versions": machine.versions("av", "opencv-python-headless", "numpy", "tensorflow", "grpcio"),
    }
    if {"bytes", "times"} & set(FLAGS.parts):
        if not FLAGS.video:
            raise UserError("the parts bytes and times need --video=FILE,...")
        if FLAGS.Ts > FLAGS.T:
            raise UserError(f"--Ts must be at most --T. Received: --T={FLAGS.T} --Ts={FLAGS.Ts}")
        matrix_of, sizes = _matrix_of(np.random.default_rng(0))
        found |= sizes
        clips = wire_bytes.clips_of(FLAGS.video, sizes["T"], sizes["frame_size"], sizes["short_side"], FLAGS.num_clips)
    if "bytes" in FLAGS.parts:
        found["bytes"] = wire_bytes.compare(clips, matrix_of, codecs)
    if "times" in FLAGS.parts:
        clip = clips[0][1]
        found["times"] = wire_bytes.times(clip, matrix_of(clip), codecs, FLAGS.repetitions)
    if "serving" in FLAGS.parts:
        with tempfile.TemporaryDirectory() as folder:
            found["serving"] = {"network": FLAGS.workdir or FLAGS.preset, **_serving(pathlib.Path(folder))}
    in_turn.write(FLAGS.output, found)


if __name__ == "__main__":
    command_line.run(main)
