"""Initialisers with a pattern: identities, identities of convolutions, and few elements that are not zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina import random
from lamina.dtypes import DEFAULT_FLOAT, DTypeLike, python_number
from lamina.errors import DataError, ShapeError
from lamina.functions.comparisons import where
from lamina.functions.creation import asarray
from lamina.functions.searching import argsort
from lamina.tensor import Tensor


@dataclass(frozen=True)
class Eye:
    """One on the diagonal of a matrix, zero elsewhere."""

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        _check_matrix("eye", shape)
        return asarray(np.eye(shape[0], shape[1]), dtype=dtype or DEFAULT_FLOAT)


@dataclass(frozen=True)
class Dirac:
    """A convolution that gives its inputs, in each group as many of them as there are outputs."""

    groups: int

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        if not 3 <= len(shape) <= 5:
            raise ShapeError(
                f"init.dirac: expected the shape of a convolution's weight, three to five axes, got {list(shape)}"
            )
        if shape[0] % self.groups:
            raise ShapeError(f"init.dirac: {shape[0]} outputs cannot be divided into {self.groups} groups")
        of_group, values = shape[0] // self.groups, np.zeros(shape)
        centre = tuple(size // 2 for size in shape[2:])
        for group in range(self.groups):
            for channel in range(min(of_group, shape[1])):
                values[(group * of_group + channel, channel, *centre)] = 1.0
        return asarray(values, dtype=dtype or DEFAULT_FLOAT)


@dataclass(frozen=True)
class Sparse:
    """Normal with mean 0, and in each column a share of elements, rounded up, that are zero."""

    sparsity: float
    std: float

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        _check_matrix("sparse", shape)
        values = random.normal(shape, std=self.std, dtype=dtype)
        # The places of each column in the order of numbers drawn for them: the first ones become zero.
        places = argsort(argsort(random.uniform(shape, dtype="float64"), axis=0), axis=0)
        return where(places < math.ceil(self.sparsity * shape[0]), values._full((), 0.0), values)


def eye() -> Eye:
    """Return the initialiser that gives ones on the diagonal of a matrix: a linear layer that keeps its inputs.

    Examples
    --------
    >>> from lamina import nn
    >>> nn.init.eye()((2, 3))
    Tensor([[1., 0., 0.], [0., 1., 0.]], shape=[2, 3], dtype=float32)
    """
    return Eye()


def dirac(groups: int = 1) -> Dirac:
    """Return the initialiser of a convolution that gives its inputs, as many as it has outputs.

    Parameters
    ----------
    groups : int, default 1
        Those of the convolution: each keeps its own inputs.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.conv1d(la.asarray([[[1.0, 2.0, 3.0]]]), nn.init.dirac()((1, 1, 3)), padding=1)
    Tensor([[[1., 2., 3.]]], shape=[1, 1, 3], dtype=float32)

    Source: S. Zagoruyko, N. Komodakis, "DiracNets", 2017, section 3.
    """
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise DataError(f"init.dirac: groups is {groups!r}; it is a whole number from 1")
    return Dirac(groups)


def sparse(sparsity: float = 0.9, std: float = 0.01) -> Sparse:
    """Return an initialiser of matrices in each of whose columns a share of elements is zero, the others normal.

    Source: J. Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5.

    Parameters
    ----------
    sparsity : float, default 0.9
        The share of zeros, from 0 to 1.
    std : float, default 0.01
        The standard deviation of the others.
    """
    for name, value, most in (("sparsity", sparsity, 1.0), ("std", std, math.inf)):
        number: Any = python_number(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0.0 <= number <= most:
            raise DataError(f"init.sparse: {name} is {value!r}; it is a number from 0{'' if most > 1 else ' to 1'}")
    return Sparse(float(sparsity), float(std))


def _check_matrix(name: str, shape: Sequence[int]) -> None:
    if len(shape) != 2:
        raise ShapeError(f"init.{name}: expected the shape of a matrix, two axes, got {list(shape)}")
