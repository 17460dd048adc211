"""The search for good settings of a training."""
