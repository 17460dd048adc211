"""RNN, GRU and LSTM: recurrent layers with PyTorch's names, settings and parameters."""

from __future__ import annotations

from typing import Any

from lamina.dtypes import DTypeLike
from lamina.nn.packed_sequences import Lengths
from lamina.nn.recurrent import Recurrent
from lamina.nn.recurrent_cells import nonlinear_step, pair
from lamina.nn.recurrent_steps import Step, gru_step, lstm_step
from lamina.tensor import Tensor


class _OfOneState(Recurrent):
    """Recurrent layers whose state is one tensor."""

    def __call__(self, x: Any, hx: Tensor | None = None, *, lengths: Lengths | None = None) -> tuple[Any, Tensor]:
        """Return the outputs and the last state.

        Parameters
        ----------
        x : Tensor of shape [time, batch, input_size], or PackedSequence
            Or [batch, time, input_size] with ``batch_first``; [time, input_size] without a batch.
        hx : Tensor, optional
            The first state, [layers * directions, batch, size]; zeros by default.
        lengths : sequence of int or Tensor, shape [batch], optional
            Of each sequence, the rest of which is padding: it is not run over, and its outputs are zero. A tensor
            may be traced, so that one compiled function serves all lengths.

        Returns
        -------
        output : Tensor of shape [time, batch, directions * size], or PackedSequence
            The hidden state of the last layer after each step.
        h : Tensor
            After the last step of each sequence, like ``hx``.
        """
        output, (h,) = self._run(x, None if hx is None else (hx,), lengths)
        return output, h


class RNN(_OfOneState):
    """A simple recurrent network over whole sequences.

    ``h[t] = tanh(W_ih x[t] + b_ih + W_hh h[t-1] + b_hh)``

    Parameters
    ----------
    input_size : int
        Length of the last axis of the input.
    hidden_size : int
        Length of the hidden state.
    num_layers : int, default 1
        Each layer but the first runs over the outputs of the one before.
    nonlinearity : {"tanh", "relu"}, default "tanh"
    bias : bool, default True
        Whether there are ``b_ih`` and ``b_hh``.
    batch_first : bool, default False
        Whether input and output are [batch, time, size] instead of [time, batch, size]. States are not meant.
    dropout : float, default 0.0
        Probability with which outputs of layers but the last are set to zero in training.
    bidirectional : bool, default False
        Whether each layer runs in both directions, with weights of their own; outputs lie side by side.
    dtype : DType, default float32
        Of the parameters, which are uniform in ``±1/sqrt(hidden_size)`` at first, as in PyTorch.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l0_reverse, ... : Variable of shape [hidden_size, input_size]
        For layer 0, its other direction, and so on.
    weight_hh_l0, ... : Variable of shape [hidden_size, hidden_size]
    bias_ih_l0, bias_hh_l0, ... : Variable of shape [hidden_size]

    Raises
    ------
    ShapeError, DTypeError, DataError
        When a setting, an input, a state or lengths do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.RNN(3, 4, num_layers=2, batch_first=True)
    >>> output, h = layer(la.ones((5, 7, 3)))
    >>> output.shape, h.shape
    ((5, 7, 4), (2, 5, 4))

    Source: J. L. Elman, "Finding structure in time", Cognitive Science 14, 1990.
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        nonlinear_step("RNN", nonlinearity)
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype=dtype)

    @property
    def _step(self) -> Step:
        return nonlinear_step("RNN", self.nonlinearity)


class GRU(_OfOneState):
    """Gated recurrent units over whole sequences: `GRUCell` at each step.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        As in `RNN`.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l0_reverse, ... : Variable of shape [3 * hidden_size, input_size]
        For layer 0, its other direction, and so on: the rows of ``r``, ``z`` and ``n``.
    weight_hh_l0, ... : Variable of shape [3 * hidden_size, hidden_size]
    bias_ih_l0, bias_hh_l0, ... : Variable of shape [3 * hidden_size]

    Raises
    ------
    ShapeError, DTypeError, DataError
        When a setting, an input, a state or lengths do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.GRU(3, 4, bidirectional=True)
    >>> output, h = layer(la.ones((7, 5, 3)), lengths=[7, 2, 3, 1, 4])
    >>> output.shape, h.shape
    ((7, 5, 8), (2, 5, 4))

    Source: K. Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, section 2.3.
    """

    _gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype=dtype)

    @property
    def _step(self) -> Step:
        return gru_step


class LSTM(Recurrent):
    """Long short-term memory over whole sequences: `LSTMCell` at each step.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        As in `RNN`.
    proj_size : int, default 0
        If positive, ``h`` is ``W_hr`` times what it would be, and so long; ``c`` stays as it is.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l0_reverse, ... : Variable of shape [4 * hidden_size, input_size]
        For layer 0, its other direction, and so on: the rows of ``i``, ``f``, ``g`` and ``o``.
    weight_hh_l0, ... : Variable of shape [4 * hidden_size, proj_size or hidden_size]
    bias_ih_l0, bias_hh_l0, ... : Variable of shape [4 * hidden_size]
    weight_hr_l0, ... : Variable of shape [proj_size, hidden_size]
        If there is a projection.

    Raises
    ------
    ShapeError, DTypeError, DataError
        When a setting, an input, a state or lengths do not fit.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.LSTM(3, 4, num_layers=2, proj_size=2)
    >>> output, (h, c) = layer(la.ones((7, 5, 3)))
    >>> output.shape, h.shape, c.shape
    ((7, 5, 2), (2, 5, 2), (2, 5, 4))

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; the projection is of
    H. Sak et al., 2014, section 2.
    """

    _gates = 4
    _states = 2

    @property
    def _step(self) -> Step:
        return lstm_step

    def __call__(
        self, x: Any, hx: tuple[Tensor, Tensor] | None = None, *, lengths: Lengths | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Return the outputs and the last state, which is a pair ``(h, c)`` as ``hx`` is; the rest is as for `RNN`."""
        output, (h, c) = self._run(x, None if hx is None else pair("LSTM", hx), lengths)
        return output, (h, c)
