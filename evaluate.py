"""python evaluate.py --help says what this does."""

from tsd_tf.programs.evaluate import start

if __name__ == "__main__":
    start()
