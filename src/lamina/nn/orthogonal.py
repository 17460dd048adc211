"""Weights that stay orthogonal while they are trained."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np

from lamina import random
from lamina.dtypes import float32, float64
from lamina.errors import DataError
from lamina.functions.comparisons import where
from lamina.functions.creation import asarray, eye, tril, triu, zeros_like
from lamina.functions.elementwise import trunc
from lamina.functions.manipulation import concat
from lamina.linalg import diagonal, matrix_exp, matrix_transpose, qr, solve
from lamina.nn.module import Module
from lamina.nn.parametrizations import register_parametrization, trainable
from lamina.tensor import Tensor
from lamina.variable import Variable

M = TypeVar("M", bound=Module)
OrthogonalMap = Literal["householder", "matrix_exp", "cayley"]


class Orthogonal(Module):
    """A matrix whose columns, or rows if these are fewer, are orthogonal and of length one, from any matrix.

    Attributes
    ----------
    base : Variable
        The orthogonal matrix that the map's result is multiplied with; none without trivialization.
    """

    def __init__(self, weight: Tensor, orthogonal_map: OrthogonalMap, use_trivialization: bool) -> None:
        self.orthogonal_map = orthogonal_map
        self.wide = weight.shape[-2] < weight.shape[-1]
        if use_trivialization:
            self.base = Variable(self._base(self._tall(weight)), "base", trainable=False)

    def _tall(self, matrix: Tensor) -> Tensor:
        return matrix_transpose(matrix) if self.wide else matrix

    def _base(self, weight: Tensor) -> Tensor:
        """Return the orthogonal matrix nearest to begin with; where the map makes a square one, a square one."""
        rows, columns = weight.shape[-2:]
        if rows > columns:
            more = random.normal((*weight.shape[:-1], rows - columns), dtype=weight.dtype, device=weight.device)
            weight = concat([weight, more], axis=-1)
        q, r = qr(weight)
        signs = where(diagonal(r) < 0.0, -1.0, 1.0).astype(q.dtype)
        return q * signs[..., None, :]

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the matrix of which ``weight`` is made, as far as it is orthogonal."""
        if "base" in vars(self):
            return zeros_like(weight) - eye(*weight.shape[-2:], dtype=weight.dtype, device=weight.device)
        if self.orthogonal_map != "householder":
            return weight
        return asarray(self._reflections(self._tall(weight)), dtype=weight.dtype, device=weight.device)

    def _reflections(self, weight: Tensor) -> np.ndarray:
        """Return the reflections of the QR decomposition below the diagonal, and the signs of R on it."""
        packed, scales = np.linalg.qr(weight.numpy(), mode="raw")
        packed = np.swapaxes(packed, -1, -2).copy()
        places = np.arange(packed.shape[-1])
        packed[..., places, places] = np.sign(packed[..., places, places]) * np.where(scales == 0.0, -1.0, 1.0)
        return np.swapaxes(packed, -1, -2) if self.wide else packed

    def __call__(self, original: Tensor) -> Tensor:
        """Return the orthogonal matrix."""
        matrix = self._tall(original)
        found = MAPS[self.orthogonal_map](matrix)
        if "base" in vars(self):
            found = self.base.value @ found
        return self._tall(found)

    def extra_repr(self) -> str:
        return f"orthogonal_map={self.orthogonal_map!r}"


def _householder(matrix: Tensor) -> Tensor:
    """Return the first columns of a product of reflections, whose vectors are below the diagonal.

    ``H1 H2 ... = I - V T V^T`` with ``T^-1 = triu(V^T V, 1) + diag(V^T V) / 2``.
    """
    rows, columns = matrix.shape[-2:]
    one = eye(rows, columns, dtype=matrix.dtype, device=matrix.device)
    vectors = tril(matrix, k=-1) + one
    products = matrix_transpose(vectors) @ vectors
    inverse = triu(products) - 0.5 * (triu(products) - triu(products, k=1))
    found = one - vectors @ solve(inverse, matrix_transpose(vectors)[..., :, :columns])
    # The sign of each column is no number to be trained.
    return found * trunc(diagonal(matrix)._untracked)[..., None, :]


def _skew(matrix: Tensor) -> Tensor:
    """Return the skew-symmetric matrix, as large as the matrix is tall, that is the same below the diagonal."""
    rows, columns = matrix.shape[-2:]
    lower = tril(matrix)
    if rows > columns:
        rest = zeros_like(lower[..., :1]) + asarray(np.zeros(rows - columns), dtype=lower.dtype, device=lower.device)
        lower = concat([lower, rest], axis=-1)
    return lower - matrix_transpose(lower)


def _exponential(matrix: Tensor) -> Tensor:
    """Return the first columns of ``exp(A)`` with ``A`` skew-symmetric."""
    return matrix_exp(_skew(matrix))[..., : matrix.shape[-1]]


def _cayley(matrix: Tensor) -> Tensor:
    """Return the first columns of ``(I - A / 2)^-1 (I + A / 2)`` with ``A`` skew-symmetric."""
    half = 0.5 * _skew(matrix)
    one = eye(half.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return solve(one - half, one + half)[..., : matrix.shape[-1]]


MAPS = {"householder": _householder, "matrix_exp": _exponential, "cayley": _cayley}


def orthogonal(
    module: M, name: str = "weight", orthogonal_map: OrthogonalMap = "householder", *, use_trivialization: bool = True
) -> M:
    """Make a matrix of a module one whose columns, or rows if these are fewer, stay orthogonal and of length one.

    The original, ``parametrizations.weight.original``, is any matrix; `remove_parametrizations` undoes it.

    Parameters
    ----------
    module : Module
        Changed, and returned.
    name : str, default "weight"
        Which of its variables, of shape [..., rows, columns].
    orthogonal_map : {"householder", "matrix_exp", "cayley"}, default "householder"
        How an orthogonal matrix is made: a product of reflections, or from a skew-symmetric ``A`` as ``exp(A)`` or
        ``(I - A / 2)^-1 (I + A / 2)``. PyTorch's default for square matrices is the exponential.
    use_trivialization : bool, default True
        Whether what the map makes is multiplied with an orthogonal matrix, the buffer
        ``parametrizations.weight.0.base``, so that training begins with the present value made orthogonal.

    Raises
    ------
    DTypeError, DataError
        When the module has no trainable variable of this name, it is no matrix of float32 or float64, or there is no
        such map.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.orthogonal(nn.Linear(3, 3))
    >>> bool(la.all(abs(layer.weight @ layer.weight.T - la.eye(3)) < 1e-5))
    True

    Source: M. Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", NeurIPS 2019; the
    product of reflections by R. Schreiber, C. Van Loan, "A storage-efficient WY representation", 1989.
    """
    weight = trainable(module, name, "orthogonal")
    if weight.ndim < 2 or weight.dtype not in (float32, float64):
        raise DataError(
            f"orthogonal: {name!r} is {weight.dtype.name} of shape {list(weight.shape)}; expected a matrix of float32 "
            "or float64"
        )
    if orthogonal_map not in MAPS:
        raise DataError(f"orthogonal: orthogonal_map is {orthogonal_map!r}; use one of {', '.join(MAPS)}")
    return register_parametrization(
        module, name, Orthogonal(weight._untracked, orthogonal_map, bool(use_trivialization))
    )
