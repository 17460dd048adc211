"""Checkpoints: the whole state of a training in files, from which it goes on as if it had never stopped."""

from lamina.training.checkpointing.folder import Checkpoints
from lamina.training.checkpointing.parts import Part

__all__ = ["Checkpoints", "Part"]
