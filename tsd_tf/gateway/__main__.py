"""python -m tsd_tf.gateway --help says what this does."""

from tsd_tf.programs.gateway import start

if __name__ == "__main__":
    start()
