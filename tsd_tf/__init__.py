"""Temporal Sequence Distillation: few-frame action recognition, split between client and cloud."""

__version__ = "0.1.0"
