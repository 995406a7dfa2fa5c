"""A trained network in Python: what it answers to videos, and why."""
