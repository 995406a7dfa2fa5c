"""Converts one of DeepMind's I3D checkpoints to Keras weights.

    python -m tsd_tf.programs.convert_i3d --i3d_checkpoint=checkpoints/rgb_imagenet/model.ckpt --output=i3d.weights.h5

takes seconds, and works for rgb_imagenet, rgb_scratch and rgb_scratch_kin600 of github.com/deepmind/kinetics-i3d.
Give the file to train_kinetics.py as --main_network_weights.
"""

from absl import flags

from tsd_tf.programs import command_line

FLAGS = flags.FLAGS

flags.DEFINE_string("i3d_checkpoint", None, "path of the checkpoint before '.index'", required=True)
flags.DEFINE_string("output", None, "file to write, its name ending in .weights.h5", required=True)


@command_line.program(extra="train", backends=("tensorflow",))
def start(argv: list[str]) -> None:
    """Converts what the flags say."""
    command_line.no_arguments(argv)
    from tsd_tf.weights import deepmind_i3d

    num_classes = deepmind_i3d.convert(FLAGS.i3d_checkpoint, FLAGS.output)
    print(f"Wrote {FLAGS.output}: InceptionI3D of {num_classes} classes")


if __name__ == "__main__":
    start()
