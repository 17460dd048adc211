"""Random numbers, by counting.

Block number ``n`` of stream ``k`` is a function of ``k`` and ``n`` alone: four 32-bit words, Philox-4x32-10. So
the same seed gives the same words eagerly and compiled, on every backend and with any number of threads.
Integers, uniform numbers and permutations are the same to the last bit everywhere; normal ones as far as a
backend's ``log``, ``sin`` and ``cos`` agree. A shorter draw is the beginning of a longer one.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NoReturn

from lamina.dtypes import DTypeLike
from lamina.other_names import RANDOM, of_module
from lamina.random.checks import ShapeLike
from lamina.random.generator import Generator
from lamina.tensor import Tensor

__all__ = [
    "Generator", "default_generator", "use_generator", "seed",
    "uniform", "normal", "integers", "bernoulli", "permutation",
]  # fmt: skip

_default = Generator()
_chosen: ContextVar[Generator | None] = ContextVar("lamina.random.generator", default=None)


def default_generator() -> Generator:
    """Return the generator that the functions of this module draw from."""
    return _chosen.get() or _default


@contextmanager
def use_generator(generator: Generator) -> Iterator[Generator]:
    """Draw from ``generator`` where none is named, in this thread and inside a ``with`` block.

    Examples
    --------
    >>> import lamina as la
    >>> with la.random.use_generator(la.random.Generator(3)) as g:
    ...     la.random.default_generator() is g
    True
    """
    token = _chosen.set(generator)
    try:
        yield generator
    finally:
        _chosen.reset(token)


def seed(n: int | None = None) -> None:
    """Begin the default generator's stream anew, so that what follows can be repeated.

    Parameters
    ----------
    n : int or None
        Any integer from 0; None takes one from the operating system, as at the start of the program.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.seed(0)
    >>> la.random.integers((4,), 0, 10)
    Tensor([3, 7, 9, 6], shape=[4], dtype=int64)
    """
    default_generator().seed(n)


def uniform(
    shape: ShapeLike, low: float = 0.0, high: float = 1.0, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return numbers drawn uniformly from ``[low, high)``.

    Parameters
    ----------
    shape : int or sequence of int
    low, high : float, default 0 and 1
        The range, as ``dtype`` holds its ends.
    dtype : DType, default float32
        float64 uses 53 random bits, float32 24; float16 and bfloat16 are rounded from float32.
    device : str, optional
        The default device when None.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When ``low`` lies above ``high``, or the range is not finite.
    ShapeError, DTypeError
        When the shape is negative or the type not a floating-point one.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.seed(0)
    >>> la.random.uniform((3,), -1.0, 1.0).shape
    (3,)
    """
    return default_generator().uniform(shape, low, high, dtype=dtype, device=device)


def normal(
    shape: ShapeLike, *, mean: float = 0.0, std: float = 1.0, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return numbers drawn from a normal distribution.

    ``mean + std * sqrt(-2 log u1) * cos(2 pi u2)``, and the same with ``sin``, of uniform ``u1, u2``
    (Box and Muller 1958). Nothing lies more than 6.8 standard deviations from the mean, 8.6 in float64.

    Parameters
    ----------
    shape : int or sequence of int
    mean, std : float, default 0 and 1
    dtype : DType, default float32
        float16 and bfloat16 are rounded from float32.
    device : str, optional
        The default device when None.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When ``std`` is negative, or one of the two is not finite.
    ShapeError, DTypeError
        When the shape is negative or the type not a floating-point one.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.normal((2, 3), std=0.1).shape
    (2, 3)
    """
    return default_generator().normal(shape, mean=mean, std=std, dtype=dtype, device=device)


def integers(
    shape: ShapeLike, low: int, high: int, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return integers drawn uniformly from ``low`` to ``high - 1``.

    A random number of 64 bits, or 128 for ranges beyond ``2**32``, times the length of the range, without its
    lower 64 or 128 bits. The probability of each integer is right to ``2**-64``.

    Parameters
    ----------
    shape : int or sequence of int
    low, high : int
        The range; ``high`` is excluded.
    dtype : DType, default int64
        An integer type that holds the range.
    device : str, optional
        The default device when None.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When the range is empty or does not fit the type.
    ShapeError, DTypeError
        When the shape is negative or the type not an integer one.

    Examples
    --------
    >>> import lamina as la
    >>> rolls = la.random.integers((100,), 1, 7)
    >>> bool(((rolls >= 1) & (rolls <= 6)).all())
    True
    """
    return default_generator().integers(shape, low, high, dtype=dtype, device=device)


def bernoulli(
    shape: ShapeLike, p: float | Tensor, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return truth values, each of which holds with probability ``p``.

    Parameters
    ----------
    shape : int or sequence of int
    p : float or Tensor
        A probability, to 24 bits; or a tensor of them that broadcasts to the shape (to 53 bits in float64).
        What a tensor holds is not looked at: below 0 means never, above 1 always, NaN never.
    dtype : DType, default bool
        Ones and zeros in another type.
    device : str, optional
        That of ``p`` where it is a tensor, else the default device.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When a number ``p`` lies outside [0, 1].
    ShapeError, DTypeError
        When a tensor ``p`` does not broadcast to the shape, or holds no floating-point numbers.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.bernoulli((2, 2), 1.0)
    Tensor([[ True,  True],
            [ True,  True]], shape=[2, 2], dtype=bool)
    """
    return default_generator().bernoulli(shape, p, dtype=dtype, device=device)


def permutation(n_or_tensor: int | Tensor, *, device: str | None = None) -> Tensor:
    """Return 0 to ``n - 1`` in random order, or the rows of a tensor in random order.

    The order is that of ``n`` random numbers of 64 bits.

    Parameters
    ----------
    n_or_tensor : int or Tensor
        How many; or a tensor, whose first axis is permuted.
    device : str, optional
        That of the tensor, or the default device for an int.

    Returns
    -------
    Tensor
        int64 of shape [n]; or of the tensor's shape and type.

    Raises
    ------
    ShapeError, DTypeError
        When ``n`` is negative, the tensor has no axis, or it is neither.

    Examples
    --------
    >>> import lamina as la
    >>> la.sort(la.random.permutation(5))
    Tensor([0, 1, 2, 3, 4], shape=[5], dtype=int64)
    """
    return default_generator().permutation(n_or_tensor, device=device)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise of_module("lamina.random", name, RANDOM)
