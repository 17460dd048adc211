"""Full-batch minimisation of a smooth convex function: gradients from Lamina, steps from SciPy's L-BFGS-B."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from lamina.autodiff.transforms import value_and_grad
from lamina.backends.registry import CPU
from lamina.tensor import Tensor

Objective = Callable[[Tensor, tuple[Tensor, ...]], Tensor]
"""From parameters, one vector, and data to the value to minimise."""

_COMPILED_ELEMENTS = 1_000_000
"""Elements of the data from which the gradient is compiled: one evaluation takes milliseconds there."""


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended.

    Attributes
    ----------
    parameters : ndarray of shape [p]
    values : list of float
        The objective after each iteration.
    """

    parameters: np.ndarray
    values: list[float]


def minimise(
    owner: str, objective: Objective, data: tuple[np.ndarray, ...], start: np.ndarray, tol: float, max_iter: int
) -> Minimum:
    """Minimise an objective until no element of its gradient is larger than ``tol``.

    It warns where that is not reached in ``max_iter`` iterations, or no step makes the objective smaller any more
    though the gradient is larger than rounding explains.

    Source: R. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory algorithm for bound constrained optimization",
    SIAM J. Sci. Comput. 16, 1995.

    Parameters
    ----------
    owner : str
        Named in warnings.
    objective : callable
        ``objective(parameters, data)``, smooth and convex.
    data : tuple of ndarray
        float64.
    start : ndarray of shape [p]
    tol : float
    max_iter : int
    """
    evaluate: Callable[..., tuple[Tensor, Tensor]] = value_and_grad(objective)
    if sum(each.size for each in data) >= _COMPILED_ELEMENTS:
        from lamina.compiler.decorator import compile

        evaluate = compile(evaluate)
    tensors = tuple([Tensor(np.ascontiguousarray(each, np.float64), CPU) for each in data])

    def at(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evaluate(Tensor(parameters.copy(), CPU), tensors)
        return float(value.item()), gradient.numpy()

    values: list[float] = []
    found = minimize(
        at,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: values.append(float(intermediate_result.fun)),
        options={"maxiter": max_iter, "maxfun": 20 * max_iter, "gtol": tol, "ftol": 0.0, "maxcor": 20, "maxls": 50},
    )
    largest = float(np.abs(found.jac).max(initial=0.0))
    # Rounding of the value hides differences of parameters up to its root.
    if largest > max(tol, 1e-6 * max(1.0, abs(found.fun))):
        warnings.warn(
            f"{owner}: after {found.nit} iterations the gradient is {largest:.2g}, above tol={tol:g}; a larger "
            "max_iter goes on",
            ConvergenceWarning,
            stacklevel=4,
        )
    return Minimum(np.asarray(found.x), values or [float(found.fun)])
