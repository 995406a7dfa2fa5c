"""The mains of training and evaluation; the scripts at the top level and the console commands call them."""
