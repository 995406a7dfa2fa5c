"""python -m tsd_tf.efficiency --help says what this does."""

from tsd_tf.programs.efficiency import start

if __name__ == "__main__":
    start()
