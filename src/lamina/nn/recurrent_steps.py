"""One step of each kind of recurrence: from the state before to the state after.

Each takes the part that comes from the input, with the biases, as ``x``, the state as a tuple of tensors, and the
product with the recurrent weights as a function of the hidden state. Gates lie side by side, in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.primitives.elementwise import sigmoid, tanh
from lamina.primitives.shaping import pieces

if TYPE_CHECKING:
    from lamina.tensor import Tensor

State = tuple["Tensor", ...]
Product = Callable[["Tensor"], "Tensor"]
Step = Callable[["Tensor", State, Product], State]


def elman_step(activation: Callable[[Tensor], Tensor]) -> Step:
    """Return the step ``h' = activation(x + W h)``."""

    def step(x: Tensor, state: State, product: Product) -> State:
        (h,) = state
        return (activation(x + product(h)),)

    return step


def gru_step(x: Tensor, state: State, product: Product) -> State:
    """Return ``h' = n + z (h - n)`` with ``n = tanh(x_n + r (W h)_n)`` and gates ``r``, ``z``."""
    (h,) = state
    size = h.shape[-1]
    axis = x.ndim - 1
    gates, candidate = pieces(x, axis, (2 * size, size))
    gates_of_h, candidate_of_h = pieces(product(h), axis, (2 * size, size))
    r, z = pieces(sigmoid(gates + gates_of_h), axis, (size, size))
    n = tanh(candidate + r * candidate_of_h)
    return (n + z * (h - n),)


def lstm_step(x: Tensor, state: State, product: Product) -> State:
    """Return ``c' = f c + i g`` and ``h' = o tanh(c')`` with gates ``i``, ``f``, ``o`` and the candidate ``g``."""
    h, c = state
    size = c.shape[-1]
    i, f, g, o = pieces(x + product(h), x.ndim - 1, (size,) * 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def projected(step: Step, projection: Product) -> Step:
    """Return a step whose hidden state is projected to fewer numbers."""

    def projecting(x: Tensor, state: State, product: Product) -> State:
        h, *rest = step(x, state, product)
        return projection(h), *rest

    return projecting
