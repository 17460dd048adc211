"""What ONNX's recurrent operators mean here: loops over the steps of sequences [steps, batch, features].

Source: ONNX operator schemas, https://onnx.ai/onnx/operators/onnx__LSTM.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina as la
from lamina.dtypes import int64
from lamina.errors import DataError
from lamina.exchange.onnx.reading.calls import REHEARSING, Function
from lamina.tensor import Tensor

State = tuple[Tensor, ...]
Activation = Callable[[Tensor], Tensor]
# From the part of the input, the state and the parameters of a direction to the next state.
Step = Callable[[Tensor, State, "Direction"], State]

_ACTIVATIONS: dict[str, Activation] = {
    "Sigmoid": la.sigmoid,
    "Tanh": la.tanh,
    "Relu": la.relu,
    "Softsign": la.softsign,
    "Softplus": la.softplus,
}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@dataclass(frozen=True)
class Direction:
    """The parameters of one direction: recurrent weights, their bias, peepholes, and the activations."""

    weights: Tensor
    bias: Tensor
    peepholes: tuple[Tensor, ...]
    activations: tuple[Activation, ...]

    def product(self, h: Tensor) -> Tensor:
        """Return ``R h + b``."""
        return h @ self.weights.T + self.bias


@dataclass(frozen=True)
class Settings:
    """The attributes that all three operators have."""

    gates: int
    defaults: tuple[str, ...]
    activations: tuple[str, ...] | None
    direction: str
    hidden_size: int | None
    layout: int
    clip: float | None

    def functions(self) -> tuple[tuple[Activation, ...], ...]:
        """Return the activations of every direction."""
        if self.clip is not None:
            raise DataError("clipping inside of the steps is not supported")
        if self.direction not in _DIRECTIONS:
            raise DataError(f"there is no direction {self.direction!r}; there are {', '.join(_DIRECTIONS)}")
        count, each = len(_DIRECTIONS[self.direction]), len(self.defaults)
        names = self.defaults * count if self.activations is None else self.activations
        if len(names) != each * count or not all(name in _ACTIVATIONS for name in names):
            raise DataError(f"the activations {list(names)} are not supported; {each} of {', '.join(_ACTIVATIONS)}")
        found = [_ACTIVATIONS[name] for name in names]
        return tuple(tuple(found[at : at + each]) for at in range(0, len(found), each))


# --- steps ------------------------------------------------------------------------------------------------


def _pieces(x: Tensor, count: int) -> list[Tensor]:
    size = x.shape[-1] // count
    return [x[..., at * size : (at + 1) * size] for at in range(count)]


def _rnn_step(x: Tensor, state: State, direction: Direction) -> State:
    (function,) = direction.activations
    return (function(x + direction.product(state[0])),)


def _gru_step(x: Tensor, state: State, direction: Direction) -> State:
    """The reset gate comes before the product with the recurrent weights."""
    ((h,), (gate, function)) = state, direction.activations
    size = h.shape[-1]
    weights, bias = direction.weights, direction.bias
    both = x[..., : 2 * size] + h @ weights[: 2 * size].T + bias[: 2 * size]
    z, r = _pieces(gate(both), 2)
    n = function(x[..., 2 * size :] + (r * h) @ weights[2 * size :].T + bias[2 * size :])
    return (n + z * (h - n),)


def _gru_step_after(x: Tensor, state: State, direction: Direction) -> State:
    """The reset gate comes after the product, as in PyTorch."""
    ((h,), (gate, function)) = state, direction.activations
    (xz, xr, xn), (hz, hr, hn) = _pieces(x, 3), _pieces(direction.product(h), 3)
    n = function(xn + gate(xr + hr) * hn)
    return (n + gate(xz + hz) * (h - n),)


def _lstm_step(x: Tensor, state: State, direction: Direction) -> State:
    (h, c), (gate, function, last) = state, direction.activations
    i, o, f, g = _pieces(x + direction.product(h), 4)
    pi, po, pf = direction.peepholes or (None, None, None)
    i, f = (each if p is None else each + p * c for each, p in ((i, pi), (f, pf)))
    c = gate(f) * c + gate(i) * function(g)
    return gate(o if po is None else o + po * c) * last(c), c


# --- the loop ---------------------------------------------------------------------------------------------


def _run(
    settings: Settings, step: Step, x: Tensor, w: Tensor, r: Tensor, b: Tensor | None, lengths: Tensor | None,
    first: tuple[Tensor | None, ...], peepholes: Tensor | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Return all hidden states [steps, directions, batch, size], and the last states [directions, batch, size]."""
    functions = settings.functions()
    _check(settings, x, w, r, len(functions))
    if settings.layout:
        x = la.permute_dims(x, (1, 0, 2))
        first = tuple(None if each is None else la.permute_dims(each, (1, 0, 2)) for each in first)
    (steps, batch, _), size = x.shape, r.shape[2]
    inside = None
    if lengths is not None:
        times = lengths._constant(np.arange(steps)[:, None, None], int64)
        inside = times < lengths.astype(int64).reshape((1, batch, 1))
    outputs, lasts = [], []
    for at, backwards in enumerate(_DIRECTIONS[settings.direction]):
        both = x._full((2 * settings.gates * size,), 0) if b is None else b[at]
        half = settings.gates * size
        direction = Direction(
            r[at], both[half:], () if peepholes is None else tuple(_pieces(peepholes[at], 3)), functions[at]
        )
        begin = tuple(x._full((batch, size), 0) if each is None else each[at] for each in first)
        y, last = _loop(step, direction, x @ w[at].T + both[:half], begin, inside, backwards)
        outputs.append(y)
        lasts.append(last)
    y = la.stack(outputs, axis=1)
    states = [la.stack(each) for each in zip(*lasts, strict=True)]
    if settings.layout:
        y, states = la.permute_dims(y, (2, 0, 1, 3)), [la.permute_dims(each, (1, 0, 2)) for each in states]
    return y, *states


def _loop(
    step: Step, direction: Direction, x: Tensor, begin: State, inside: Tensor | None, backwards: bool
) -> tuple[Tensor, State]:
    def advanced(state: State, now: tuple[Tensor, Tensor | None]) -> tuple[State, Tensor]:
        part, there = now
        after = step(part, state, direction)
        if there is None:
            return after, after[0]
        # A sequence that has ended, or not begun on the way back, keeps its state.
        kept = tuple(la.where(there, new, old) for new, old in zip(after, state, strict=True))
        return kept, la.where(there, after[0], 0.0)

    if REHEARSING.get():
        # Only shapes are wanted: those of one step are those of all.
        state, y = advanced(begin, (x[0], None if inside is None else inside[0]))
        return la.broadcast_to(y, (x.shape[0], *y.shape)), state
    if inside is None:
        state, ys = la.scan(lambda state, part: advanced(state, (part, None)), begin, x, reverse=backwards)
    else:
        state, ys = la.scan(advanced, begin, (x, inside), reverse=backwards)
    return ys, state


def _check(settings: Settings, x: Tensor, w: Tensor, r: Tensor, directions: int) -> None:
    if x.ndim != 3 or w.ndim != 3 or r.ndim != 3 or x.shape[1 if settings.layout else 0] == 0:
        raise DataError(f"expected sequences [steps, batch, features] of at least one step, got {list(x.shape)}")
    size = r.shape[2]
    rows = settings.gates * size
    if settings.hidden_size not in (None, size) or w.shape != (directions, rows, x.shape[2]):
        raise DataError(f"weights of shapes {list(w.shape)} and {list(r.shape)} do not fit {list(x.shape)}")
    if r.shape != (directions, rows, size):
        raise DataError(f"recurrent weights of shape {list(r.shape)} are not [{directions}, {rows}, {size}]")


def _rnn(
    x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, lengths: Tensor | None = None, h: Tensor | None = None,
    /, *, activations: tuple[str, ...] | None = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int | None = None, layout: int = 0,
) -> Any:  # fmt: skip
    settings = Settings(1, ("Tanh",), activations, direction, hidden_size, layout, clip)
    return _run(settings, _rnn_step, x, w, r, b, lengths, (h,))


def _gru(
    x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, lengths: Tensor | None = None, h: Tensor | None = None,
    /, *, activations: tuple[str, ...] | None = None, clip: float | None = None, direction: str = "forward",
    hidden_size: int | None = None, layout: int = 0, linear_before_reset: int = 0,
) -> Any:  # fmt: skip
    settings = Settings(3, ("Sigmoid", "Tanh"), activations, direction, hidden_size, layout, clip)
    return _run(settings, _gru_step_after if linear_before_reset else _gru_step, x, w, r, b, lengths, (h,))


def _lstm(
    x: Tensor, w: Tensor, r: Tensor, b: Tensor | None = None, lengths: Tensor | None = None, h: Tensor | None = None,
    c: Tensor | None = None, peepholes: Tensor | None = None, /, *, activations: tuple[str, ...] | None = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int | None = None, input_forget: int = 0,
    layout: int = 0,
) -> Any:  # fmt: skip
    if input_forget:
        raise DataError("coupled input and forget gates are not supported")
    settings = Settings(4, ("Sigmoid", "Tanh", "Tanh"), activations, direction, hidden_size, layout, clip)
    return _run(settings, _lstm_step, x, w, r, b, lengths, (h, c), peepholes)


RECURRENT: dict[str, Function] = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}
