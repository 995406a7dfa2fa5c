"""python -m tfrecords.build_ucf101 --help says what this does."""

from tsd_tf.programs.build_ucf101 import start

if __name__ == "__main__":
    start()
