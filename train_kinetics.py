"""python train_kinetics.py --help says what this does."""

from tsd_tf.programs.train_kinetics import start

if __name__ == "__main__":
    start()
