"""From a Python function to a graph: it runs once on tensors without values, and what it does to them is noted."""
