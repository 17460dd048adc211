"""What holds for a factorisation, whichever signs or basis a library chooses for its vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.dtypes import DType, float_info
from lamina.primitives.multiple_results import unpack
from lamina.tensor import Tensor
from lamina.testing.strategies import Case

NDArray = npt.NDArray[Any]

RESULTS = {"slogdet": 2, "eigh": 2, "qr": 2, "svd": 3}


def _transposed(x: NDArray) -> NDArray:
    return np.swapaxes(x, -1, -2)


def _rebuilt_eigh(values: NDArray, vectors: NDArray) -> NDArray:
    return np.asarray((vectors * values[..., None, :]) @ _transposed(vectors))


def _rebuilt_svd(u: NDArray, s: NDArray, vh: NDArray) -> NDArray:
    count = s.shape[-1]
    return np.asarray((u[..., :, :count] * s[..., None, :]) @ vh[..., :count, :])


def claims(name: str, x: NDArray, results: tuple[NDArray, ...]) -> list[tuple[str, NDArray, NDArray]]:
    """Return, in words and as two arrays, what must be equal."""
    if name == "slogdet":
        sign, logarithm = np.linalg.slogdet(x)
        return [("sign", results[0], sign), ("logarithm", results[1], logarithm)]
    if name == "eigh":
        values, vectors = results
        return [
            ("the eigenvalues", values, np.linalg.eigvalsh(x)),
            ("vectors @ diag(values) @ vectors.T", _rebuilt_eigh(values, vectors), x),
            ("vectors.T @ vectors", _transposed(vectors) @ vectors, _eye(vectors.shape[-1])),
        ]
    if name == "qr":
        q, r = results
        return [
            ("q @ r", q @ r, x),
            ("q.T @ q", _transposed(q) @ q, _eye(q.shape[-1])),
            ("r below its diagonal", np.tril(r, -1), np.zeros_like(r)),
        ]
    u, s, vh = results
    return [
        ("the singular values", s, np.linalg.svd(x, compute_uv=False)),
        ("u @ diag(s) @ vh", _rebuilt_svd(u, s, vh), x),
        ("u.T @ u", _transposed(u) @ u, _eye(u.shape[-1])),
        ("vh @ vh.T", vh @ _transposed(vh), _eye(vh.shape[-2])),
    ]


def _eye(size: int) -> NDArray:
    return np.eye(size)


def factorisation_difference(name: str, case: Case, results: tuple[NDArray, ...], dtype: DType) -> str | None:
    """Return which claim about a factorisation does not hold, or None."""
    x = np.asarray(case.operands[0], dtype=np.float64)
    wide = tuple(np.asarray(each, dtype=np.float64) for each in results)
    tolerance = 200 * float_info(dtype).eps
    for claim, found, wanted in claims(name, x, wide):
        if not np.allclose(found, wanted, rtol=tolerance, atol=tolerance * max(1.0, np.abs(x).max(initial=0.0))):
            return f"does not satisfy its definition: {claim} is\n{found}\nand must be\n{wanted}"
    return None


def without_gauge(name: str) -> Callable[[Tensor], Tensor]:
    """Return a function of a factorisation that no choice of signs changes, to be differentiated."""

    def of_results(results: Tensor) -> Tensor:
        parts = unpack(results, RESULTS[name])
        if name == "slogdet":
            return parts[1]
        if name == "eigh":
            values, vectors = parts
            return (vectors * vectors) @ values.reshape(*values.shape, 1)
        if name == "qr":
            q, r = parts
            return (q * q).sum(axis=-1) * 0.5 + ((q * q) @ (r * r).sum(axis=-1, keepdims=True)).sum(axis=-1)
        u, s, vh = parts
        return (u * u) @ (s.reshape(*s.shape, 1) * (vh * vh))

    return of_results
