"""Modules made of other modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lamina.dtypes import DTypeLike
from lamina.errors import DTypeError, ShapeError
from lamina.nn.activations import activation_layer
from lamina.nn.dropouts import Dropout
from lamina.nn.linear_layers import Linear
from lamina.nn.module import Module
from lamina.nn.module_lists import Listed

Layer = Callable[[Any], Any]


class Sequential(Listed[Layer]):
    """Layers applied one after another.

    ``Sequential(f, g)(x)`` is ``g(f(x))``. The layers are named by their positions: ``"0.weight"``.

    Parameters
    ----------
    *layers : Module or callable
        Of one argument each; a function such as ``la.tanh`` will do.

    Raises
    ------
    DTypeError
        When a layer cannot be called.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> model(la.zeros((4, 2))).shape
    (4, 1)
    >>> model[0]
    Linear(in_features=2, out_features=8, bias=True)
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__(layers)

    def __call__(self, x: Any) -> Any:
        """Return the output of the last layer."""
        for layer in self.layers:
            x = layer(x)
        return x

    def _checked(self, member: Any) -> Layer:
        return _callable(member)

    def _of(self, members: list[Layer]) -> Sequential:
        return Sequential(*members)


def _callable(layer: Any) -> Layer:
    if isinstance(layer, type):
        raise DTypeError(f"Sequential: {layer.__name__} is a class; make a layer of it, as in {layer.__name__}(...)")
    if not callable(layer):
        hint = "; write Sequential(*layers)" if isinstance(layer, list | tuple) else ""
        if isinstance(layer, Mapping):
            hint = (
                "; layers are named by their positions here, and by their names as attributes of a class of one's own"
            )
        raise DTypeError(f"Sequential: expected modules or functions, got {type(layer).__name__}{hint}")
    return layer  # type: ignore[no-any-return]


class MLP(Sequential):
    """A multilayer perceptron: linear layers with an activation, and dropout, between them.

    It takes ``x`` of shape [..., inputs] to a tensor of shape [..., outputs].
    Its layers are named as those of `Sequential`: ``"0.weight"``, ``"0.bias"``, ``"2.weight"`` and so on.

    Parameters
    ----------
    inputs : int
        Number of input features.
    hidden : int or sequence of int
        Width of each hidden layer; an empty sequence gives a linear model.
    outputs : int
        Number of output features.
    activation : str, class or callable, default "relu"
        A name such as ``"gelu"``, a class of layers such as ``nn.GELU``, or a function or layer to use everywhere,
        such as ``la.tanh`` or ``nn.LeakyReLU(0.2)``.
    dropout : float, default 0.0
        Probability with which an activation is set to zero in training, behind every hidden layer.
    dtype : DType, default float32
        Of the parameters.

    Raises
    ------
    ShapeError
        When a width is not a positive integer.
    DataError
        When the activation is unknown or the probability is not in [0, 1].

    Examples
    --------
    >>> from lamina import nn
    >>> nn.MLP(2, [8, 4], 1, activation="tanh")
    MLP(
      (0): Linear(in_features=2, out_features=8, bias=True)
      (1): Tanh()
      (2): Linear(in_features=8, out_features=4, bias=True)
      (3): Tanh()
      (4): Linear(in_features=4, out_features=1, bias=True)
    )
    """

    def __init__(
        self,
        inputs: int,
        hidden: int | Sequence[int],
        outputs: int,
        activation: str | type[Module] | Layer = "relu",
        dropout: float = 0.0,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        if isinstance(hidden, str) or not isinstance(hidden, int | Sequence):
            raise ShapeError(f"MLP: hidden must be a width or a sequence of widths, got {hidden!r}")
        widths = [inputs, *([hidden] if isinstance(hidden, int) else hidden)]
        layers: list[Layer] = []
        for before, after in pairwise(widths):
            layers += [Linear(before, after, dtype=dtype), activation_layer(activation)]
            if dropout != 0.0:
                layers.append(Dropout(dropout))
        super().__init__(*layers, Linear(widths[-1], outputs, dtype=dtype))
