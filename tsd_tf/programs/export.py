"""Exports both halves of a trained run: the cloud half for TensorFlow Serving, the client half for LiteRT.

    python -m tsd_tf.export --workdir=runs/kinetics400/tsd_T40_Ts10 --output_dir=export

writes export/cloud/<version>/ and export/client/<version>/ (SavedModels), export/client.tflite with its variants,
export/labels.txt and export/client.json, and fails if one of them differs from the Keras network. It takes about 15
seconds at small size, and 30 seconds at T = 40, 224 x 224 on two cores.
"""

from absl import flags, logging

from tsd_tf.programs import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string("workdir", None, "the run to export (default: the newest under runs/)")
flags.DEFINE_string("output_dir", "export", "folder to write to; another export there is a new version")
flags.DEFINE_string("data_dir", None, "folder of shards on whose clips to check the export (default: the run's)")
flags.DEFINE_integer("check_clips", 8, "clips to check on; as many others give int8 its ranges", lower_bound=1)
flags.DEFINE_list("variants", ["float32", "float16", "int8"], "TFLite files to write; float32 must be among them")


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Exports the run that the flags name."""
    command_line.no_arguments(argv)
    logging.set_verbosity(logging.WARNING)
    from tsd_tf import work_directory
    from tsd_tf.contract.errors import UserError
    from tsd_tf.export import exporter

    unknown = [name for name in FLAGS.variants if name not in exporter.VARIANTS]
    if unknown or "float32" not in FLAGS.variants:
        raise UserError(
            f"--variants must be float32 and any of {', '.join(exporter.VARIANTS[1:])}. "
            f"Received: --variants={','.join(FLAGS.variants)}"
        )
    run = work_directory.WorkDirectory(FLAGS.workdir) if FLAGS.workdir else work_directory.latest("runs")
    config, labels, network = run.config(), run.labels(), run.load_network()
    data_dir = FLAGS.data_dir or config.data_dir
    clips, source = exporter.clips_to_check(config, data_dir, FLAGS.check_clips)
    representative, calibration = exporter.representative_clips(config, data_dir, FLAGS.check_clips)
    sidecar, report = exporter.export(network, config, labels, FLAGS.output_dir, clips, representative, FLAGS.variants)
    print(
        f"exported {run.path} as version {sidecar.version} of {FLAGS.output_dir}, "
        f"checked on {len(clips)} clips: {source}"
    )
    if "int8" in FLAGS.variants:
        print(f"int8 has its ranges from {len(representative)} other clips: {calibration}")
    print(f"cloud: probabilities differ by at most {report['cloud']['probabilities']:.1e}")
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
