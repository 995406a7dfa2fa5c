"""Trained models that ship with the package: each a folder as tsd_tf.export writes it, with its card in README.md."""

import pathlib

# Twelve actions of a rendered person. Its videos are laid out as tsd_tf.building.sample_videos does.
ACTIONS = pathlib.Path(__file__).parent / "actions"

VIDEOS_DIR = "videos"  # a few that it was tested on
FACTS_FILE = "model.json"  # what the card states: data, configurations, accuracy


def overlapping(num_frames: int) -> int:
    """The stride, in frames, at which these models are shown: with half of a clip in the next one, none misses a short
    action that lies across the end of a clip.

    Args:
        num_frames: T.
    """
    return max(1, num_frames // 2)
