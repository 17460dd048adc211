"""The nonlinearities of neural networks, each stable for large inputs of either sign."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, Never

from lamina.errors import DataError
from lamina.functions.comparisons import clip, where
from lamina.functions.elementwise import abs, exp, expm1, log1p
from lamina.functions.operands import floating, numeric, one_axis
from lamina.other_names import unexpected
from lamina.primitives import elementwise as rows, reductions
from lamina.primitives.broadcasting import sum_
from lamina.primitives.composite import Composite

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def relu(x: Tensor, /) -> Tensor:
    """Return ``max(x, 0)``; its derivative at zero is zero (V. Nair, G. E. Hinton, ICML 2010).

    Examples
    --------
    >>> import lamina as la
    >>> la.relu(la.asarray([-1.0, 2.0]))
    Tensor([0., 2.], shape=[2], dtype=float32)
    """
    return rows.relu(numeric("relu", x))


def leaky_relu(x: Tensor, /, negative_slope: float = 0.01) -> Tensor:
    """Return ``x`` where positive and ``negative_slope * x`` elsewhere (A. L. Maas et al., 2013)."""
    x = floating("leaky_relu", x)
    return where(x > 0, x, x * negative_slope)


def elu(x: Tensor, /, alpha: float = 1.0) -> Tensor:
    """Return ``x`` where positive and ``alpha * (exp(x) - 1)`` elsewhere (D.-A. Clevert et al., ICLR 2016)."""
    x = floating("elu", x)
    positive = x > 0
    return where(positive, x, alpha * expm1(where(positive, 0.0, x)))


def celu(x: Tensor, /, alpha: float = 1.0) -> Tensor:
    """Return ``x`` where positive and ``alpha * (exp(x / alpha) - 1)`` elsewhere: an ELU with a derivative everywhere.

    Parameters
    ----------
    x : Tensor
    alpha : float, default 1.0

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    DataError
        When ``alpha`` is zero.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.celu(la.asarray([-2.0, 3.0]), 2.0)
    Tensor([-1.2642,  3.    ], shape=[2], dtype=float32)

    Source: J. T. Barron, "Continuously differentiable exponential linear units", 2017, equation 2.
    """
    if alpha == 0.0:
        raise DataError("celu: alpha is divided by and must not be zero")
    x = floating("celu", x)
    positive = x > 0
    return where(positive, x, alpha * expm1(where(positive, 0.0, x) / alpha))


SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def selu(x: Tensor, /) -> Tensor:
    """Return the scaled ELU that keeps mean 0 and variance 1 (G. Klambauer et al., NeurIPS 2017, eq. 2)."""
    return SELU_SCALE * elu(x, SELU_ALPHA)


def _normal(x: Tensor) -> Tensor:
    """Return the normal distribution function."""
    return 0.5 * (1.0 + rows.erf(x * math.sqrt(0.5)))


def _gelu_derivative(x: Tensor) -> Tensor:
    """Return the normal distribution function of ``x`` plus ``x`` times its density."""
    scaled = x * math.sqrt(0.5)
    return _normal(x) + x * (rows.exp(-(scaled * scaled)) * (1.0 / math.sqrt(2.0 * math.pi)))


_GELU = Composite("gelu", lambda x: x * _normal(x), lambda g, y, x: rows.multiply_no_nan(g, _gelu_derivative(x)))


def gelu(x: Tensor, /, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """Return ``x`` times the normal distribution function of ``x`` (D. Hendrycks, K. Gimpel, 2016).

    Parameters
    ----------
    x : Tensor
    approximate : {"none", "tanh"}
        ``"none"`` is ``x/2 * (1 + erf(x/sqrt(2)))``; ``"tanh"`` is
        ``x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x**3)))``.
    """
    x = floating("gelu", x)
    if approximate == "none":
        return _GELU(x)
    if approximate == "tanh":
        # Beyond 10 the tanh is 1 to the last bit, and a cube could overflow.
        near = clip(x, -10.0, 10.0)
        return 0.5 * x * (1.0 + rows.tanh(math.sqrt(2.0 / math.pi) * (near + 0.044715 * (near * near * near))))
    raise DataError(f'gelu: approximate must be "none" or "tanh", got {approximate!r}')


def sigmoid(x: Tensor, /) -> Tensor:
    """Return ``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import lamina as la
    >>> la.sigmoid(la.asarray([0.0, 100.0]))
    Tensor([0.5, 1. ], shape=[2], dtype=float32)
    """
    return rows.sigmoid(floating("sigmoid", x))


def _silu_derivative(x: Tensor) -> Tensor:
    y = rows.sigmoid(x)
    return y * (1.0 + x * (1.0 - y))


def _mish_derivative(x: Tensor) -> Tensor:
    y = rows.tanh(softplus(x))
    return y + x * ((1.0 - y * y) * rows.sigmoid(x))


# With rules of their own, since the cotangent times x, which a rule by rule takes, overflows in float16.
_SILU = Composite("silu", lambda x: x * rows.sigmoid(x), lambda g, y, x: rows.multiply_no_nan(g, _silu_derivative(x)))
_MISH = Composite(
    "mish", lambda x: x * rows.tanh(softplus(x)), lambda g, y, x: rows.multiply_no_nan(g, _mish_derivative(x))
)


def silu(x: Tensor, /) -> Tensor:
    """Return ``x * sigmoid(x)``, also called swish (S. Elfwing et al., 2018)."""
    return _SILU(floating("silu", x))


def softplus(x: Tensor, /, beta: float = 1.0) -> Tensor:
    """Return ``log(1 + exp(beta * x)) / beta``."""
    x = floating("softplus", x)
    scaled = x * beta if beta != 1.0 else x
    # The larger of 0 and x comes out of the logarithm, so that exp cannot overflow.
    ordered = scaled > 0
    low = log1p(exp(where(ordered, -scaled, scaled)))
    return where(ordered, x, 0.0) + (low / beta if beta != 1.0 else low)


def mish(x: Tensor, /) -> Tensor:
    """Return ``x * tanh(softplus(x))`` (D. Misra, BMVC 2020)."""
    return _MISH(floating("mish", x))


def softsign(x: Tensor, /) -> Tensor:
    """Return ``x / (1 + |x|)``."""
    x = floating("softsign", x)
    return x / (1.0 + abs(x))


def logsigmoid(x: Tensor, /) -> Tensor:
    """Return ``log(sigmoid(x))``, finite where the sigmoid underflows.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.logsigmoid(la.asarray([0.0, -100.0]))
    Tensor([  -0.6931, -100.    ], shape=[2], dtype=float32)
    """
    return -softplus(-floating("logsigmoid", x))


def _shifted(x: Tensor, axis: int) -> Tensor:
    """Return ``x`` less its largest element along ``axis``, so that no exponential overflows."""
    return x - reductions.max_(x._untracked, axes=(axis,), keepdims=True)


def softmax(x: Tensor, /, axis: int = -1, **elsewhere: Never) -> Tensor:
    """Return ``exp(x) / sum(exp(x))`` along ``axis``: positive numbers that add up to one.

    Examples
    --------
    >>> import lamina as la
    >>> la.softmax(la.asarray([1000.0, 1000.0]))
    Tensor([0.5, 0.5], shape=[2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("softmax", elsewhere)
    x = floating("softmax", x)
    at = one_axis("softmax", axis, x.ndim)
    if x.size == 0:
        return x._snapshot
    return _SOFTMAX(x, axis=at)


def _softmax(x: Tensor, *, axis: int) -> Tensor:
    powers = rows.exp(_shifted(x, axis))
    return powers / sum_(powers, axes=(axis,), keepdims=True)


def softmax_rule(g: Tensor, y: Tensor, x: Tensor, *, axis: int) -> Tensor:
    """Return ``g y - y sum(g y)``: nothing but the result is needed again."""
    weighted = rows.multiply_no_nan(g, y)
    return weighted - rows.multiply_no_nan(sum_(weighted, axes=(axis,), keepdims=True), y)


_SOFTMAX = Composite("softmax", _softmax, softmax_rule)


def softmin(x: Tensor, /, axis: int = -1) -> Tensor:
    """Return ``softmax(-x)`` along ``axis``: the smallest element has the largest share.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.softmin(la.asarray([1000.0, 0.0]))
    Tensor([0., 1.], shape=[2], dtype=float32)
    """
    return softmax(-floating("softmin", x), axis)


def log_softmax(x: Tensor, /, axis: int = -1, **elsewhere: Never) -> Tensor:
    """Return ``x - log(sum(exp(x)))`` along ``axis``: the logarithm of softmax, finite where that underflows.

    Examples
    --------
    >>> import lamina as la
    >>> la.log_softmax(la.asarray([0.0, -1000.0]))
    Tensor([    0., -1000.], shape=[2], dtype=float32)
    """
    if elsewhere:
        raise unexpected("log_softmax", elsewhere)
    x = floating("log_softmax", x)
    at = one_axis("log_softmax", axis, x.ndim)
    if x.size == 0:
        return x._snapshot
    shifted = _shifted(x, at)
    return shifted - rows.log(sum_(rows.exp(shifted), axes=(at,), keepdims=True))
