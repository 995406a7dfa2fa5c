"""Stages, schedules and the training loop."""
