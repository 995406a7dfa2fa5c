"""python -m tsd_tf.client --help says what this does."""

from tsd_tf.programs.client import start

if __name__ == "__main__":
    start()
