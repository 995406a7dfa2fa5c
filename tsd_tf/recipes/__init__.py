"""Recipes: the files that say how a run is trained, and the presets, which are such files."""

from tsd_tf.recipes.recipe import Recipe

__all__ = ["Recipe"]
