"""python -m tfrecords.verify --help says what this does."""

from tsd_tf.programs.verify import start

if __name__ == "__main__":
    start()
