"""python train_ucf101.py --help says what this does."""

from tsd_tf.programs.train_ucf101 import start

if __name__ == "__main__":
    start()
