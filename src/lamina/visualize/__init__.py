"""Pictures of training, models and what they compute.

Every function returns a matplotlib ``Figure`` of its own, made without a window and without pyplot's global state, or
a text. A figure is saved with ``figure.savefig("name.png")`` and shows itself in a notebook.
"""

from lamina.visualize.activations import activation
from lamina.visualize.boundary import decision_boundary
from lamina.visualize.broadcast import broadcasting, broadcasting_figure
from lamina.visualize.curves import training_curves
from lamina.visualize.graph import graph_dot, graph_mermaid, graph_svg
from lamina.visualize.histograms import gradient_histograms, weight_histograms
from lamina.visualize.losses import loss_curves
from lamina.visualize.surface import loss_surface

__all__ = [
    # training
    "training_curves", "decision_boundary",
    # functions
    "activation", "loss_curves", "loss_surface",
    # values
    "weight_histograms", "gradient_histograms",
    # graphs
    "graph_mermaid", "graph_dot", "graph_svg",
    # shapes
    "broadcasting", "broadcasting_figure",
]  # fmt: skip
