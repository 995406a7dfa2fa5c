"""Fine-tunes a network from Kinetics on one split of UCF101 (Section 4.2, Training TSD on UCF101).

    python train_ucf101.py --T=40 --Ts=10 --split=1

reads data/ucf101/split1/train-*, starts from runs/kinetics400/tsd_T40_Ts10 (all but the last layer, whose rate is ten
times that of the others), and writes its checkpoints to runs/ucf101/split1_tsd_T40_Ts10.
python -m tfrecords.build_ucf101 makes the shards; evaluate.py tests the result.
"""

import dataclasses
import pathlib
import re

from absl import flags

from tsd_tf.config import PUBLISHED, kinetics400
from tsd_tf.programs import command_line, run_flags

FLAGS = flags.FLAGS

run_flags.define(["ucf101", *(f"{name}_ucf101" for name in PUBLISHED)])
flags.DEFINE_integer(
    "split", None, "which of UCF101's three train/test splits (default: that of --data_dir or --config, or 1)", 1, 3
)
flags.DEFINE_string(
    "kinetics_workdir", None, "the run to start from (default: that of the same method, T and T_s on Kinetics-400)"
)


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Trains what the flags say."""
    command_line.no_arguments(argv)
    config = run_flags.config_from_flags()
    if FLAGS.data_dir is None and FLAGS.split is not None:
        data_dir = pathlib.PurePath(config.data_dir).with_name(f"split{FLAGS.split}")
        config = dataclasses.replace(config, data_dir=str(data_dir))
    if run_flags.is_only_printed(config):
        return
    of_folder = re.fullmatch(r"split([123])", pathlib.PurePath(config.data_dir).name)
    split = FLAGS.split or (of_folder[1] if of_folder else 1)
    workdir = run_flags.workdir_from_flags(config, f"split{split}_")
    source = FLAGS.kinetics_workdir or pathlib.Path(FLAGS.runs_dir, kinetics400().dataset, config.run_name)

    from tsd_tf.training import recipe

    with run_flags.training(config, workdir) as options:
        recipe.fine_tune(config, workdir, source, **options)


if __name__ == "__main__":
    start()
