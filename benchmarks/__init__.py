"""Lamina beside its peers: `python -m benchmarks` measures a training step of each in one run."""
