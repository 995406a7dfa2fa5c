"""python -m tfrecords.build_custom --help says what this does."""

from tsd_tf.programs.build_custom import start

if __name__ == "__main__":
    start()
