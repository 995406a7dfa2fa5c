"""python -m tsd_tf.evaluation.report --help says what this does."""

from tsd_tf.programs.report import start

if __name__ == "__main__":
    start()
