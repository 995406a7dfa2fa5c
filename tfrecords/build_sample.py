"""python -m tfrecords.build_sample --help says what this does."""

from tsd_tf.programs.build_sample import start

if __name__ == "__main__":
    start()
