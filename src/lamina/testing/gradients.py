"""Gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.autodiff.transforms import jvp, vjp
from lamina.dtypes import DType, float32, float64
from lamina.errors import DTypeError
from lamina.functions.creation import asarray
from lamina.tensor import Tensor

Function = Callable[..., Any]
NDArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """How far a derivative may be from its difference quotient.

    Attributes
    ----------
    eps : float
        The step of the difference; elements beyond 1 in magnitude move in proportion.
    rtol, atol : float
        Allowed beside the rounding error of the difference itself, which is added.
    """

    eps: float
    rtol: float
    atol: float


def check_gradients(
    f: Function,
    /,
    *inputs: Any,
    order: int = 1,
    eps: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Raise an error unless the derivatives of ``f`` agree with central differences.

    Both directions are checked: the pullback (``lamina.vjp``) with a fixed random cotangent, element by
    element of every input, and the pushforward (``lamina.jvp``) with a fixed random tangent. The quotient is
    ``(f(x + eps) - f(x - eps)) / (2 eps)``; inputs are taken in float64 where their device has it.

    Parameters
    ----------
    f : callable
        From tensors to a floating-point tensor of any shape. It must not depend on chance.
    *inputs : Tensor or array-like
        Where to check. Integer and bool inputs are held fixed. Keep away from kinks and from the border of
        the domain by more than ``eps``.
    order : int, default 1
        2 checks the gradient's gradient as well, 3 that one's, and so on.
    eps : float, default 1e-5
        The step (5e-3 where the device has no float64).
    rtol, atol : float, default 1e-5 and 1e-7
        Relative and absolute difference allowed (1e-2 both where the device has no float64).

    Raises
    ------
    AssertionError
        Naming the input, the index and both values of the element that differs most.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina.testing import check_gradients
    >>> check_gradients(lambda x, y: (x * y).tanh(), [0.3, -1.2], [2.0, 0.5], order=2)
    >>> check_gradients(lambda x: x * la.stop_gradient(x), [1.0, 2.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: check_gradients: order 1, pullback: input 0 at [0]: the gradient is ...
    """
    points = [_prepared(x) for x in inputs]
    chosen = [k for k, x in enumerate(points) if x.dtype.floating]
    if not chosen:
        raise DTypeError("check_gradients: expected at least one floating-point input, got none")

    def of_chosen(*values: Tensor) -> Any:
        complete = list(points)
        for position, value in zip(chosen, values, strict=True):
            complete[position] = value
        return f(*complete)

    tolerance = _tolerance(points[chosen[0]].dtype, eps, rtol, atol)
    _check_order(of_chosen, [points[k] for k in chosen], chosen, order, 1, tolerance)


def _prepared(x: Any) -> Tensor:
    """Return an input as a constant, in float64 if it is a number with a fraction and its device has that."""
    value = asarray(x)._untracked
    return value.astype(float64) if value.dtype.floating and float64 in value._backend.dtypes else value


def _tolerance(dtype: DType, eps: float | None, rtol: float | None, atol: float | None) -> Tolerance:
    fine = dtype is float64
    return Tolerance(
        eps or (1e-5 if fine else 5e-3),
        (1e-5 if fine else 1e-2) if rtol is None else rtol,
        (1e-7 if fine else 1e-2) if atol is None else atol,
    )


def _check_order(
    f: Function, points: list[Tensor], names: Sequence[int], last: int, order: int, tolerance: Tolerance
) -> None:
    y, pullback = vjp(f, *points)
    cotangent = _random_like(y, order)
    _check_pullback(f, points, names, order, cotangent, pullback(cotangent), tolerance)
    _check_pushforward(f, points, order, tolerance)
    if order == last:
        return
    for position in range(len(points)):

        def gradient(*values: Tensor, position: int = position) -> Tensor:
            return vjp(f, *values)[1](cotangent)[position]

        _check_order(gradient, points, names, last, order + 1, tolerance)


def _random_like(x: Tensor, seed: int) -> Tensor:
    """Return fixed numbers of the shape of ``x``, none near zero."""
    generator = np.random.default_rng(seed)
    signs = generator.choice([-1.0, 1.0], size=x.shape)
    return x._constant(np.asarray(signs * generator.uniform(0.5, 1.5, size=x.shape)), x.dtype)


def _values(x: Tensor) -> NDArray:
    return np.asarray(x.numpy(), dtype=np.float64)


def _check_pullback(
    f: Function,
    points: list[Tensor],
    names: Sequence[int],
    order: int,
    cotangent: Tensor,
    gradients: Sequence[Tensor],
    tolerance: Tolerance,
) -> None:
    weights = _values(cotangent)
    for position, (x, gradient) in enumerate(zip(points, gradients, strict=True)):
        if gradient.shape != x.shape or gradient.dtype is not x.dtype:
            raise AssertionError(
                f"check_gradients: order {order}, pullback: input {names[position]} is "
                f"{x.dtype.name}{list(x.shape)}, its gradient {gradient.dtype.name}{list(gradient.shape)}"
            )
        difference, noise = _difference(f, points, position, weights, tolerance.eps)
        where = f"order {order}, pullback: input {names[position]}"
        _compare(where, "the gradient", _values(gradient), difference, noise, tolerance)


def _difference(
    f: Function, points: list[Tensor], position: int, weights: NDArray, eps: float
) -> tuple[NDArray, NDArray]:
    """Return the difference quotient of the weighted result by each element of one input, and its rounding error."""
    x = points[position]
    values = _values(x)
    quotient, noise = np.zeros_like(values), np.zeros_like(values)
    ulp = np.finfo(np.float64 if x.dtype is float64 else np.float32).eps
    for index in np.ndindex(values.shape):
        ends = []
        step = eps * max(1.0, float(abs(values[index])))
        for signed in (step, -step):
            moved = values.copy()
            moved[index] += signed
            at = [*points[:position], x._constant(moved, x.dtype), *points[position + 1 :]]
            ends.append(_values(f(*at)))
        quotient[index] = np.sum(weights * (ends[0] - ends[1])) / (2.0 * step)
        noise[index] = 8.0 * ulp * np.sum(np.abs(weights) * (np.abs(ends[0]) + np.abs(ends[1]))) / step
    return quotient, noise


def _check_pushforward(f: Function, points: list[Tensor], order: int, tolerance: Tolerance) -> None:
    tangents = [_random_like(x, 100 + position) for position, x in enumerate(points)]
    y, tangent = jvp(f, points, tangents)
    steps = [x._constant(_values(t) * tolerance.eps, x.dtype) for x, t in zip(points, tangents, strict=True)]
    above = _values(f(*[x + step for x, step in zip(points, steps, strict=True)]))
    below = _values(f(*[x - step for x, step in zip(points, steps, strict=True)]))
    ulp = np.finfo(np.float32 if y.dtype is float32 else np.float64).eps
    noise = 8.0 * ulp * (np.abs(above) + np.abs(below)) / tolerance.eps
    quotient = (above - below) / (2.0 * tolerance.eps)
    _compare(f"order {order}, pushforward: result", "the tangent", _values(tangent), quotient, noise, tolerance)


def _compare(where: str, what: str, found: NDArray, expected: NDArray, noise: NDArray, tolerance: Tolerance) -> None:
    if found.size == 0:
        return
    allowed = tolerance.atol + tolerance.rtol * np.abs(expected) + noise
    with np.errstate(invalid="ignore"):
        excess = np.abs(found - expected) / allowed
    # Anything that is not a number is farther off than any number.
    excess = np.where(np.isfinite(excess), excess, np.inf)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    if excess[worst] > 1.0:
        index = [int(each) for each in worst]
        raise AssertionError(
            f"check_gradients: {where} at {index}: {what} is {found[worst]:.10g}, "
            f"central differences give {expected[worst]:.10g}"
        )
