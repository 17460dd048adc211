"""Nonlinearities made of pieces: lines between limits, and what is cut out around zero.

At a corner the derivative is that of the constant piece, as in PyTorch. What is NaN stays NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import DataError
from lamina.functions.comparisons import where
from lamina.functions.elementwise import abs, tanh
from lamina.functions.operands import floating

if TYPE_CHECKING:
    from lamina.tensor import Tensor


def _limited(x: Tensor, low: float, high: float) -> Tensor:
    return where(x <= low, low, where(x >= high, high, x))


def hardtanh(x: Tensor, /, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Return ``x`` limited to [min_val, max_val], with a derivative of zero at both ends.

    ``min(max(x, min_val), max_val)``

    Parameters
    ----------
    x : Tensor
    min_val, max_val : float, default -1.0 and 1.0

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    DataError
        When ``max_val`` is not above ``min_val``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.hardtanh(la.asarray([-2.0, 0.5, 2.0]))
    Tensor([-1. ,  0.5,  1. ], shape=[3], dtype=float32)

    Source: R. Collobert, "Large scale machine learning", thesis, Paris 6, 2004.
    """
    if not min_val < max_val:
        raise DataError(f"hardtanh: max_val must lie above min_val, got {max_val} and {min_val}")
    return _limited(floating("hardtanh", x), min_val, max_val)


def relu6(x: Tensor, /) -> Tensor:
    """Return ``min(max(x, 0), 6)``, with a derivative of zero at both ends.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.relu6(la.asarray([-1.0, 2.0, 8.0]))
    Tensor([0., 2., 6.], shape=[3], dtype=float32)

    Source: A. Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    return _limited(floating("relu6", x), 0.0, 6.0)


def hardsigmoid(x: Tensor, /) -> Tensor:
    """Return ``x/6 + 1/2`` limited to [0, 1], with a derivative of zero at both ends.

    Examples
    --------
    >>> import lamina as la
    >>> la.hardsigmoid(la.asarray([-4.0, 0.0, 3.0]))
    Tensor([0. , 0.5, 1. ], shape=[3], dtype=float32)

    Source: M. Courbariaux, Y. Bengio, J.-P. David, "BinaryConnect", NIPS 2015 (with another slope); A. Howard et al.,
    "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    return _limited(floating("hardsigmoid", x) / 6.0 + 0.5, 0.0, 1.0)


def hardswish(x: Tensor, /) -> Tensor:
    """Return ``x * hardsigmoid(x)``: zero up to -3, ``x`` from 3 on, and ``x (x + 3) / 6`` between.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.hardswish(la.asarray([-4.0, 1.5, 4.0]))
    Tensor([0.   , 1.125, 4.   ], shape=[3], dtype=float32)

    Source: A. Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """
    x = floating("hardswish", x)
    return where(x <= -3.0, 0.0, where(x >= 3.0, x, x * ((x + 3.0) / 6.0)))


def hardshrink(x: Tensor, /, lambd: float = 0.5) -> Tensor:
    """Return ``x`` where ``|x| > lambd`` and zero elsewhere.

    Parameters
    ----------
    x : Tensor
    lambd : float, default 0.5

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Raises
    ------
    DataError
        When ``lambd`` is negative.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.hardshrink(la.asarray([-2.0, 0.5, 0.75]))
    Tensor([-2.  ,  0.  ,  0.75], shape=[3], dtype=float32)

    Source: D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.
    """
    x = _shrunk("hardshrink", x, lambd)
    return where(abs(x) <= lambd, 0.0, x)


def softshrink(x: Tensor, /, lambd: float = 0.5) -> Tensor:
    """Return ``x`` moved towards zero by ``lambd``, and zero where it is nearer than that.

    ``sign(x) max(|x| - lambd, 0)``. Parameters and errors are those of `hardshrink`.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.softshrink(la.asarray([-2.0, 0.5, 0.75]))
    Tensor([-1.5 ,  0.  ,  0.25], shape=[3], dtype=float32)

    Source: D. L. Donoho, I. M. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81, 1994.
    """
    x = _shrunk("softshrink", x, lambd)
    return where(abs(x) <= lambd, 0.0, where(x > 0.0, x - lambd, x + lambd))


def _shrunk(name: str, x: Tensor, lambd: float) -> Tensor:
    if not lambd >= 0.0:
        raise DataError(f"{name}: lambd must not be negative, got {lambd}")
    return floating(name, x)


def tanhshrink(x: Tensor, /) -> Tensor:
    """Return ``x - tanh(x)``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.tanhshrink(la.asarray([0.0, 20.0]))
    Tensor([ 0., 19.], shape=[2], dtype=float32)
    """
    x = floating("tanhshrink", x)
    return x - tanh(x)


def threshold(x: Tensor, /, threshold: float, value: float) -> Tensor:
    """Return ``x`` where it lies above ``threshold`` and ``value`` elsewhere.

    Parameters
    ----------
    x : Tensor
    threshold, value : float

    Returns
    -------
    Tensor
        In the shape of ``x``.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.threshold(la.asarray([0.0, 0.1, 2.0]), 0.1, -1.0)
    Tensor([-1., -1.,  2.], shape=[3], dtype=float32)
    """
    x = floating("threshold", x)
    return where(x <= threshold, value, x)
