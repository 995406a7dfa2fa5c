"""python -m tsd_tf.export --help says what this does."""

from tsd_tf.programs.export import start

if __name__ == "__main__":
    start()
