"""Trained runs: the folder a training leaves behind, its configuration, and what its model answers."""
