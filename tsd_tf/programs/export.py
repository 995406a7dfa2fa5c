"""Exports both halves of a trained run: the cloud half for TensorFlow Serving, the client half for LiteRT.

    python -m tsd_tf.export --workdir=runs/kinetics400/tsd_T40_Ts10 --output_dir=export

writes export/cloud/<version>/ and export/client/<version>/ (SavedModels), export/client.tflite with its variants,
export/labels.txt and export/client.json, and fails if one of them differs from the Keras network. It takes about 15
seconds at small size, and a minute at T = 40, 224 x 224 on two cores. With --engine=openvino the cloud half is written
for OpenVINO as well, with --precision=int8 in int8.
"""

from absl import flags

from tsd_tf.engines import kinds
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "the run to export (default: the newest under runs/)")
flags.DEFINE_string("output_dir", "export", "folder to write to; another export there is a new version")
flags.DEFINE_string("data_dir", None, "folder of shards on whose clips to check the export (default: the run's)")
flags.DEFINE_list("videos", [], "video files on whose clips to check the export, in place of shards")
flags.DEFINE_integer("check_clips", 8, "clips to check on", lower_bound=1)
flags.DEFINE_integer("representative_clips", 32, "other clips, which give int8 its ranges", lower_bound=1)
flags.DEFINE_enum(
    "engine",
    kinds.ENGINES[0],
    kinds.ENGINES,
    "what the cloud half is written for: tensorflow, or openvino, an extra, as well",
)
flags.DEFINE_enum(
    "precision",
    kinds.AUTO,
    [kinds.AUTO, *kinds.PRECISIONS],
    "what the cloud half is checked in by --engine beside float32: bfloat16, int8 (openvino alone, for which it is "
    "written), or float32 for nothing else; auto measures bfloat16 where a server's auto may be it, and forbids "
    "nothing",
)
flags.DEFINE_list("variants", ["float32", "float16", "int8"], "TFLite files to write; float32 must be among them")


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Exports the run that the flags name."""
    command_line.no_arguments(argv)
    from tsd_tf import work_directory
    from tsd_tf.contract.errors import UserError
    from tsd_tf.export import exporter, real_clips

    unknown = [name for name in FLAGS.variants if name not in exporter.VARIANTS]
    if unknown or "float32" not in FLAGS.variants:
        raise UserError(
            f"--variants must be float32 and any of {', '.join(exporter.VARIANTS[1:])}. "
            f"Received: --variants={','.join(FLAGS.variants)}"
        )
    run = work_directory.WorkDirectory(FLAGS.workdir) if FLAGS.workdir else work_directory.latest("runs")
    config, labels, network = run.config(), run.labels(), run.load_network()
    data_dir = FLAGS.data_dir or config.data_dir
    num_checked, count = FLAGS.check_clips, FLAGS.representative_clips
    if FLAGS.videos:
        clips, representative = real_clips.clips_of_videos(config, FLAGS.videos, num_checked, count)
        source = calibration = ", ".join(FLAGS.videos)
    else:
        clips, source = real_clips.clips_to_check(config, data_dir, num_checked)
        representative, calibration = clips[:0], ""
        if "int8" in (*FLAGS.variants, FLAGS.precision):
            representative, calibration = real_clips.representative_clips(config, data_dir, count, num_checked)
    sidecar, report = exporter.export(
        network,
        config,
        labels,
        FLAGS.output_dir,
        clips,
        representative,
        FLAGS.variants,
        engine=FLAGS.engine,
        precision=FLAGS.precision,
    )
    print(
        f"exported {run.path} as version {sidecar.version} of {FLAGS.output_dir}, "
        f"checked on {len(clips)} clips: {source}"
    )
    if "int8" in (*FLAGS.variants, FLAGS.precision):
        print(f"int8 has its ranges from {len(representative)} other clips: {calibration}")
    for engine, precisions in report["cloud"].items():
        for precision, differences in precisions.items():
            print(
                f"cloud, {precision} by {engine}: probabilities differ by at most {differences['probabilities']:.1e}; "
                f"top-1 agrees on {differences['top1_agreement']:.0%}"
            )
    for variant in sidecar.variants:
        print(
            f"{variant.file}: {variant.num_bytes / 1e6:.2f} MB, "
            f"P differs by at most {variant.transformation_matrix_difference:.1e}, "
            f"Y by {variant.distilled_frames_difference:.0f} of 255 "
            f"(mean {variant.distilled_frames_mean_difference:.1e}), "
            f"probabilities by {variant.probabilities_difference:.1e}; top-1 agrees on {variant.top1_agreement:.0%}"
        )


if __name__ == "__main__":
    start()
