"""python -m tsd_tf.serving --help says what this does."""

from tsd_tf.programs.serve import start

if __name__ == "__main__":
    start()
