"""The mains of training and evaluation; the scripts at the top level and the console commands call them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
