"""Dropout."""

from __future__ import annotations

from lamina import random
from lamina.errors import DataError
from lamina.functions.operands import floating
from lamina.nn.module import Module
from lamina.tensor import Tensor


class Dropout(Module):
    """Set elements to zero at random in training; the identity in evaluation.

    ``y = x * m / (1 - p)`` where each element of ``m`` is 0 with probability ``p`` and 1 otherwise, so that the
    expectation of ``y`` is ``x``. The numbers come from the default generator of `lamina.random`.

    Parameters
    ----------
    p : float, default 0.5
        Probability with which an element is set to zero, in [0, 1].

    Raises
    ------
    DataError
        When ``p`` is not in [0, 1].

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.Dropout(0.5)
    >>> layer.eval()(la.ones(3))
    Tensor([1., 1., 1.], shape=[3], dtype=float32)

    Source: N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
    2014, section 4; the division in training is theirs in section 10.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise DataError(f"Dropout: p is the probability of zeroing an element, from 0 to 1, got {p!r}")
        self.p = p

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with elements set to zero, in its shape."""
        if not self.training or self.p == 0.0:
            return x
        x = floating("Dropout", x)
        if self.p == 1.0:
            return x * 0.0
        kept = random.bernoulli(x.shape, 1.0 - self.p, dtype=x.dtype, device=x.device)
        return x * (kept * (1.0 / (1.0 - self.p)))

    def extra_repr(self) -> str:
        return f"p={self.p}"
