"""The paper's Q-clip evaluation."""
