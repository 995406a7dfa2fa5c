"""The two halves of a trained network, written apart: SavedModels and TFLite."""
