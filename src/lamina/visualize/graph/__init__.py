"""The computation graph as a picture: Mermaid and DOT for others to draw, SVG drawn here."""

from __future__ import annotations

from typing import Any

from lamina.nn.module import Module
from lamina.visualize.graph import dot, mermaid, svg
from lamina.visualize.graph.recording import graph_of

__all__ = ["graph_dot", "graph_mermaid", "graph_svg"]


def graph_mermaid(what: Any, *example_inputs: Any, model: Module | None = None) -> str:
    """Return a computation graph in the language of Mermaid, which GitHub and many editors draw.

    Parameters
    ----------
    what : Tensor, Module or callable
        A tensor, whose recorded graph is drawn: what gradients flow through. Or a model or function, which runs once on
        the example inputs: everything that its results are computed from is drawn, in a box for each layer that is
        called, and in one for each reverse sweep.
    *example_inputs : Tensor, array or nested sequence
        Arguments for the function.
    model : Module, optional
        From which variables have their names, as in ``"encoder.0.weight"``; without it those of the layers that are
        called, or their own.

    Returns
    -------
    str

    Raises
    ------
    TracingError
        When a tensor has no recorded graph, or inside of a compiled function.
    DataError
        When the function returns no tensor.
    DTypeError
        When ``what`` is no tensor and cannot be called.

    Notes
    -----
    A function's side effects happen: a training step trains. Numbers stand beside the operation that uses them.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.visualize import graph_mermaid
    >>> w = la.variable([1.0, 2.0], name="w")
    >>> print(graph_mermaid(lambda x: (x * w).sum(), la.ones(2)))
    flowchart TD
      v0["x<br/>float32[2]"]:::input
      v1["w<br/>float32[2]"]:::variable
      v2["multiply<br/>float32[2]"]:::operation
      v3["sum axis 0<br/>float32[]"]:::operation
      v4["output<br/>float32[]"]:::output
      v0 --> v2
      v1 --> v2
      v2 --> v3
      v3 --> v4
      classDef input fill:#DBEAFE,stroke:#2563EB,color:#111827
      classDef variable fill:#DCFCE7,stroke:#15803D,color:#111827
      classDef operation fill:#FFFFFF,stroke:#6B7280,color:#111827
      classDef output fill:#FFEDD5,stroke:#C2410C,color:#111827
    """
    return mermaid.written(graph_of("graph_mermaid", what, example_inputs, model))


def graph_dot(what: Any, *example_inputs: Any, model: Module | None = None) -> str:
    """Return a computation graph in DOT, the language of Graphviz.

    Parameters
    ----------
    what, *example_inputs, model
        As for `graph_mermaid`.

    Returns
    -------
    str

    Raises
    ------
    TracingError, DataError, DTypeError
        As for `graph_mermaid`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.visualize import graph_dot
    >>> w = la.variable([1.0, 2.0], name="w")
    >>> print(graph_dot((w * w).sum()).splitlines()[3])
      v0 [label="w\\nfloat32[2]", fillcolor="#DCFCE7", color="#15803D"];
    """
    return dot.written(graph_of("graph_dot", what, example_inputs, model))


def graph_svg(what: Any, *example_inputs: Any, model: Module | None = None) -> str:
    """Return a computation graph as an SVG picture, which every browser shows; no other program is needed.

    Parameters
    ----------
    what, *example_inputs, model
        As for `graph_mermaid`.

    Returns
    -------
    str
        To be written to a file, or shown in a notebook by ``IPython.display.SVG``.

    Raises
    ------
    TracingError, DataError, DTypeError
        As for `graph_mermaid`.

    Notes
    -----
    Laid out in layers from above, as by K. Sugiyama, S. Tagawa and M. Toda, "Methods for Visual Understanding of
    Hierarchical System Structures", IEEE Transactions on Systems, Man and Cybernetics 11, 1981; the boxes of layers
    are laid out first, each as a picture of its own.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> from lamina.visualize import graph_svg
    >>> picture = graph_svg(nn.MLP(2, 4, 1), la.ones((3, 2)))
    >>> picture[:4], "0.weight" in picture
    ('<svg', True)
    """
    return svg.written(graph_of("graph_svg", what, example_inputs, model))
