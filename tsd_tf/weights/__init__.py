"""Pretrained weights, loaded by name."""
