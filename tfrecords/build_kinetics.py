"""python -m tfrecords.build_kinetics --help says what this does."""

from tsd_tf.programs.build_kinetics import start

if __name__ == "__main__":
    start()
