"""Lion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.optim.hyperparameters import Check, decay_rates
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.elementwise import sign
from lamina.tensor import Tensor


class Lion(Optimizer):
    """Lion: steps of equal size in every element, in the direction of a momentum.

    - ``u = sign(β₁ m + (1 - β₁) g)``
    - ``m = β₂ m + (1 - β₂) g``
    - ``p = p - lr (u + weight_decay p)``

    Its steps are larger than Adam's: the paper takes a learning rate 3 to 10 times smaller, and a weight decay as
    many times larger.

    Parameters
    ----------
    params, maximize
        As in `Adam`.
    lr : float, default 1e-4
        Learning rate.
    betas : (float, float), default (0.9, 0.99)
        ``β₁`` and ``β₂``, each from 0 and below 1.
    weight_decay : float, default 0
        Decoupled weight decay.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.Lion([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1.5], shape=[2], dtype=float32)

    Source: X. Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": decay_rates}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas=betas, weight_decay=weight_decay, maximize=maximize, decoupled_weight_decay=True
        )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {"beta1": beta1, "beta2": beta2, "rest1": 1.0 - beta1, "rest2": 1.0 - beta2}

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        m = state[0]
        return p - k.lr * sign(k.beta1 * m + k.rest1 * g), k.beta2 * m + k.rest2 * g
