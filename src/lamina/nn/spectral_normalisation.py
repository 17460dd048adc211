"""Weights divided by their largest singular value."""

from __future__ import annotations

import math
from typing import TypeVar

from lamina import random
from lamina.autodiff.node import record
from lamina.errors import DataError
from lamina.functions.operands import one_axis
from lamina.functions.products import matmul
from lamina.nn.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lamina.nn.distances import normalize
from lamina.nn.module import Module
from lamina.nn.parametrizations import register_parametrization, trainable
from lamina.nn.settings import positive_count
from lamina.primitives.broadcasting import reshape
from lamina.primitives.contraction import transposed
from lamina.primitives.shaping import permute_dims
from lamina.tensor import Tensor
from lamina.variable import Variable

M = TypeVar("M", bound=Module)

WARM_UP = 15
"""How many steps are taken at first, as in PyTorch."""


class SpectralNorm(Module):
    """A weight over its largest singular value, which steps of power iteration follow in training.

    Attributes
    ----------
    _u, _v : Variable
        The singular vectors, of the rows and of the columns; none for a weight of one axis, whose length is divided by.
    """

    def __init__(self, weight: Tensor, n_power_iterations: int, axis: int, eps: float) -> None:
        self.n_power_iterations = n_power_iterations
        self.axis = axis
        self.eps = eps
        if weight.ndim > 1:
            with record(False):
                matrix = self._matrix(weight)
                u, v = (self._drawn(length, weight) for length in matrix.shape)
                self._u, self._v = Variable(u, "_u", trainable=False), Variable(v, "_v", trainable=False)
                self._iterate(matrix, WARM_UP)

    def _drawn(self, length: int, weight: Tensor) -> Tensor:
        return normalize(random.normal((length,), dtype=weight.dtype, device=weight.device), axis=0, eps=self.eps)

    def _matrix(self, weight: Tensor) -> Tensor:
        """Return the weight as a matrix whose rows are along the axis."""
        others = [at for at in range(weight.ndim) if at != self.axis]
        turned = permute_dims(weight, axes=(self.axis, *others))
        return reshape(turned, shape=(turned.shape[0], math.prod(turned.shape[1:])))

    def _iterate(self, matrix: Tensor, steps: int) -> None:
        u, v = self._u._untracked, self._v._untracked
        for _ in range(steps):
            u = normalize(matmul(matrix, v), axis=0, eps=self.eps)
            v = normalize(matmul(transposed(matrix), u), axis=0, eps=self.eps)
        self._u.assign(u)
        self._v.assign(v)

    def __call__(self, weight: Tensor) -> Tensor:
        """Return the weight over its norm."""
        if weight.ndim == 1:
            return normalize(weight, axis=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            with record(False):
                self._iterate(matrix._untracked, self.n_power_iterations)
        return weight / matmul(self._u._untracked, matmul(matrix, self._v._untracked))

    def extra_repr(self) -> str:
        return f"n_power_iterations={self.n_power_iterations}, axis={self.axis}, eps={self.eps}"


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, axis: int | None = None
) -> M:
    """Make a weight of a module its original over that one's largest singular value, estimated as it is trained.

    ``w = v / σ(v)``, with ``σ(v) = uᵀ v w`` from singular vectors ``u`` and ``w`` that are improved by power iteration
    each time the weight is used in training. The original is named ``parametrizations.weight.original``, the vectors,
    which are buffers, ``parametrizations.weight.0._u`` and ``._v``. `remove_parametrizations` undoes it.

    Parameters
    ----------
    module : Module
        Changed, and returned.
    name : str, default "weight"
        Which of its variables.
    n_power_iterations : int, default 1
        Steps taken each time.
    eps : float, default 1e-12
        The least length of a vector that counts.
    axis : int, optional
        Along which the outputs are: the rows of the matrix that the weight counts as. By default 1 for transposed
        convolutions and 0 otherwise.

    Raises
    ------
    DTypeError, DataError
        When the module has no trainable variable of this name.
    ShapeError
        When ``n_power_iterations`` is not positive, or the weight does not have such an axis.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> layer = nn.spectral_norm(nn.Linear(3, 2, init="ones"))
    >>> round(la.linalg.svdvals(layer.weight)[0].item(), 4)
    1.0

    Source: T. Miyato et al., "Spectral normalization for generative adversarial networks", ICLR 2018, algorithm 1.
    """
    weight = trainable(module, name, "spectral_norm")
    steps = positive_count("spectral_norm", "n_power_iterations", n_power_iterations)
    if axis is None:
        axis = int(isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d))
    if weight.ndim == 0:
        raise DataError(f"spectral_norm: {name!r} of this {type(module).__name__} is one number")
    return register_parametrization(
        module, name, SpectralNorm(weight._untracked, steps, one_axis("spectral_norm", axis, weight.ndim), eps)
    )
