"""Recurrent cells: one step of a recurrence, with its weights."""

from __future__ import annotations

import math
from typing import ClassVar

from lamina.dtypes import DTypeLike
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.operands import tensor
from lamina.functions.products import matmul
from lamina.nn.init import uniform
from lamina.nn.module import Module
from lamina.nn.recurrent_steps import State, Step, elman_step, gru_step, lstm_step
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.primitives.broadcasting import reshape
from lamina.primitives.contraction import transposed
from lamina.primitives.elementwise import maximum, tanh
from lamina.tensor import Tensor
from lamina.variable import Variable


def nonlinear_step(owner: str, nonlinearity: str) -> Step:
    """Return the step of an Elman network with an activation by name."""
    if nonlinearity == "tanh":
        return elman_step(tanh)
    if nonlinearity == "relu":
        return elman_step(lambda x: maximum(x, x._scalar(0.0)))
    raise DataError(f'{owner}: nonlinearity must be "tanh" or "relu", got {nonlinearity!r}')


class Cell(Module):
    """The base of the cells: their parameters, and how a state is advanced."""

    _gates: ClassVar[int]
    _states: ClassVar[int] = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: DTypeLike | None = None) -> None:
        name = type(self).__name__
        self.input_size = positive_count(name, "input_size", input_size)
        self.hidden_size = positive_count(name, "hidden_size", hidden_size)
        wanted = parameter_dtype(name, dtype)
        bound = 1.0 / math.sqrt(self.hidden_size)
        rows = self._gates * self.hidden_size

        def made(*shape: int) -> Tensor:
            return uniform(-bound, bound)(shape, dtype=wanted)

        self.weight_ih = Variable(made(rows, self.input_size), "weight_ih")
        self.weight_hh = Variable(made(rows, self.hidden_size), "weight_hh")
        self.bias_ih = Variable(made(rows), "bias_ih") if bias else None
        self.bias_hh = Variable(made(rows), "bias_hh") if bias else None

    def _next(self, x: Tensor, state: State | None) -> State:
        name = type(self).__name__
        x = tensor(name, x)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: expected an input of shape [{self.input_size}] or [batch, {self.input_size}], "
                f"got {list(x.shape)}"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        if state is None:
            state = (self.weight_hh._full(shape, 0),) * self._states
        for each in state:
            if tensor(name, each).shape != shape:
                raise ShapeError(f"{name}: expected a state of shape {list(shape)}, got {list(each.shape)}")
            if each.dtype is not self.weight_hh.dtype:
                raise DTypeError(
                    f"{name}: the state is {each.dtype.name}, the weights are {self.weight_hh.dtype.name}; cast it"
                )
        if x.ndim == 2:
            return self._advanced(x, state)
        rows = tuple(reshape(each, shape=(1, self.hidden_size)) for each in state)
        after = self._advanced(reshape(x, shape=(1, self.input_size)), rows)
        return tuple(reshape(each, shape=shape) for each in after)

    def _advanced(self, x: Tensor, state: State) -> State:
        def product(h: Tensor) -> Tensor:
            y = matmul(h, transposed(self.weight_hh))
            return y if self.bias_hh is None else y + self.bias_hh

        x = matmul(x, transposed(self.weight_ih))
        return self._step(x if self.bias_ih is None else x + self.bias_ih, state, product)

    @property
    def _step(self) -> Step:
        raise NotImplementedError

    def extra_repr(self) -> str:
        bias = "" if self.bias_ih is not None else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(Cell):
    """A step of a simple recurrent network.

    ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``

    Parameters
    ----------
    input_size : int
        Length of the last axis of the input.
    hidden_size : int
        Length of the state.
    bias : bool, default True
        Whether there are ``b_ih`` and ``b_hh``.
    nonlinearity : {"tanh", "relu"}, default "tanh"
    dtype : DType, default float32
        Of the parameters, which are uniform in ``±1/sqrt(hidden_size)`` at first, as in PyTorch.

    Attributes
    ----------
    weight_ih : Variable of shape [hidden_size, input_size]
    weight_hh : Variable of shape [hidden_size, hidden_size]
    bias_ih, bias_hh : Variable of shape [hidden_size], or None

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> cell = nn.RNNCell(3, 4)
    >>> h = cell(la.ones((2, 3)))
    >>> cell(la.ones((2, 3)), h).shape
    (2, 4)

    Source: J. L. Elman, "Finding structure in time", Cognitive Science 14, 1990.
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, dtype=dtype)
        nonlinear_step("RNNCell", nonlinearity)
        self.nonlinearity = nonlinearity

    @property
    def _step(self) -> Step:
        return nonlinear_step("RNNCell", self.nonlinearity)

    def __call__(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state, [batch, hidden_size], for ``x`` of shape [batch, input_size]; or both without a batch.

        ``hx`` is the state before, zeros where it is not given.
        """
        return self._next(x, None if hx is None else (hx,))[0]


class GRUCell(Cell):
    """A step of a gated recurrent unit.

    ``r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)``, ``z`` likewise,
    ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``, ``h' = (1 - z) n + z h``

    Parameters
    ----------
    input_size, hidden_size, bias, dtype
        As in `RNNCell`.

    Attributes
    ----------
    weight_ih : Variable of shape [3 * hidden_size, input_size]
        The rows of ``r``, ``z`` and ``n``.
    weight_hh : Variable of shape [3 * hidden_size, hidden_size]
    bias_ih, bias_hh : Variable of shape [3 * hidden_size], or None

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.GRUCell(3, 4)(la.ones((2, 3))).shape
    (2, 4)

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, section 2.3;
    with ``r`` after the product, as in PyTorch.
    """

    _gates = 3

    @property
    def _step(self) -> Step:
        return gru_step

    def __call__(self, x: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next state, [batch, hidden_size], for ``x`` of shape [batch, input_size]; or both without a batch.

        ``hx`` is the state before, zeros where it is not given.
        """
        return self._next(x, None if hx is None else (hx,))[0]


class LSTMCell(Cell):
    """A step of a long short-term memory.

    ``i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)``, ``f`` and ``o`` likewise, ``g`` likewise with tanh,
    ``c' = f c + i g``, ``h' = o tanh(c')``

    Parameters
    ----------
    input_size, bias, dtype
        As in `RNNCell`.
    hidden_size : int
        Length of ``h`` and ``c``.

    Attributes
    ----------
    weight_ih : Variable of shape [4 * hidden_size, input_size]
        The rows of ``i``, ``f``, ``g`` and ``o``.
    weight_hh : Variable of shape [4 * hidden_size, hidden_size]
    bias_ih, bias_hh : Variable of shape [4 * hidden_size], or None

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> cell = nn.LSTMCell(3, 4)
    >>> h, c = cell(la.ones((2, 3)))
    >>> h, c = cell(la.ones((2, 3)), (h, c))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, with the forget gate
    of F. Gers et al., 2000.
    """

    _gates = 4
    _states = 2

    @property
    def _step(self) -> Step:
        return lstm_step

    def __call__(self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return the next ``(h, c)``, [batch, hidden_size] each, for ``x`` of shape [batch, input_size]; or no batch.

        ``hx`` is the pair before, zeros where it is not given.
        """
        h, c = self._next(x, None if hx is None else pair("LSTMCell", hx))
        return h, c


def pair(owner: str, hx: object) -> tuple[Tensor, Tensor]:
    """Return the two parts of the state of a long short-term memory."""
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        raise DTypeError(f"{owner}: the state is a pair (h, c), got {type(hx).__name__}")
    return hx[0], hx[1]
