"""Muon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.reductions import sum
from lamina.optim.hyperparameters import Check, decay_rate, flag, non_negative, number, step_count
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.contraction import matmul, transposed
from lamina.primitives.elementwise import maximum, sqrt
from lamina.tensor import Tensor
from lamina.variable import Variable


def _coefficients(owner: str, name: str, value: Any) -> tuple[float, float, float]:
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise DTypeError(f"{owner}: {name} are three numbers (a, b, c), got {value!r}")
    a, b, c = (number(owner, f"{name}[{place}]", each) for place, each in enumerate(value))
    return a, b, c


def _adjustment(owner: str, name: str, value: Any) -> str | None:
    if value not in (None, "original", "match_rms_adamw"):
        raise DataError(f'{owner}: {name} must be "original", "match_rms_adamw" or None, got {value!r}')
    return value  # type: ignore[no-any-return]


class Muon(Optimizer):
    """Muon: momentum whose step for each matrix is made nearly orthogonal.

    - ``b = μ b + (1 - μ) g`` and ``d = μ b + (1 - μ) g`` with Nesterov's momentum, ``d = b`` without
    - ``X = d / ‖d‖``, then ``ns_steps`` times ``X = a X + (b A + c A²) X`` with ``A = X Xᵀ``
    - ``p = (1 - lr weight_decay) p - lr r X``, where ``r = √max(1, rows / columns)``

    It is for the weight matrices of hidden layers; other parameters go to another optimiser, such as `AdamW`.
    The iteration runs in the parameter's type (PyTorch rounds it to bfloat16).

    Parameters
    ----------
    params : iterable of Variable, or of dict
        Matrices, or groups of them with their own hyperparameters.
    lr : float, default 1e-3
        Learning rate.
    weight_decay : float, default 0.1
        Decoupled weight decay.
    momentum : float, default 0.95
        ``μ``, from 0 and below 1.
    nesterov : bool, default True
    ns_coefficients : (float, float, float), default (3.4445, -4.775, 2.0315)
        ``a``, ``b`` and ``c`` of the Newton-Schulz iteration.
    eps : float, default 1e-7
        The least norm to divide by.
    ns_steps : int, default 5
        The number of iterations.
    adjust_lr_fn : {"original", "match_rms_adamw"}, optional
        With ``"match_rms_adamw"``, ``r = 0.2 √max(rows, columns)``, so that a learning rate tuned for `AdamW` fits.

    Raises
    ------
    ShapeError
        When a parameter is not a matrix.
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn, optim
    >>> model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    >>> matrices = optim.Muon([p for p in model.parameters() if p.ndim == 2], lr=0.02)
    >>> others = optim.AdamW([p for p in model.parameters() if p.ndim != 2])
    >>> grads = model(la.ones((4, 8))).mean().backward()
    >>> matrices.step(grads)
    >>> others.step(grads)

    Source: K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; ``"match_rms_adamw"``: J.
    Liu et al., "Muon is scalable for LLM training", 2025, equation 4.
    """

    checks: ClassVar[dict[str, Check]] = {
        "momentum": decay_rate,
        "nesterov": flag,
        "ns_coefficients": _coefficients,
        "eps": non_negative,
        "ns_steps": step_count,
        "adjust_lr_fn": _adjustment,
    }

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
            decoupled_weight_decay=True,
        )

    def check_parameters(self, params: list[Variable]) -> None:
        for each in params:
            if each.ndim != 2:
                raise ShapeError(
                    f"Muon: parameters are matrices, but {each.label} has shape {list(each.shape)}; "
                    "give the others to another optimiser, such as AdamW"
                )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        a, b, c = group["ns_coefficients"]
        return {
            "momentum": group["momentum"],
            "rest": 1.0 - group["momentum"],
            "nesterov": group["nesterov"],
            "a": a,
            "b": b,
            "c": c,
            "eps": group["eps"],
            "steps": range(group["ns_steps"]),
            "scale": _match_rms if group["adjust_lr_fn"] == "match_rms_adamw" else _original,
        }

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        b = k.momentum * state[0] + k.rest * g
        d = k.momentum * b + k.rest * g if k.nesterov else b
        return p - k.lr * k.scale(*p.shape) * orthogonalized(k, d), b


def orthogonalized(k: Any, d: Tensor) -> Tensor:
    """Return the matrix with all singular values brought near one, by Newton-Schulz iteration."""
    upright = d.shape[0] > d.shape[1]
    x = transposed(d) if upright else d
    # The Frobenius norm is at least the spectral norm, which the iteration needs to be at most one.
    x = x / maximum(sqrt(sum(x * x)), k.eps)
    for _ in k.steps:
        gram = matmul(x, transposed(x))
        x = k.a * x + matmul(k.b * gram + k.c * matmul(gram, gram), x)
    return transposed(x) if upright else x


def _original(rows: int, columns: int) -> float:
    return math.sqrt(max(1.0, rows / max(columns, 1)))


def _match_rms(rows: int, columns: int) -> float:
    return 0.2 * math.sqrt(max(rows, columns))
