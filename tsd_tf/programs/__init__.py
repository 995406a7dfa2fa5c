"""Every main; the scripts at the top level and the console commands call them."""
