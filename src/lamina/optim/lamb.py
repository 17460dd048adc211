"""LAMB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.functions.reductions import sum
from lamina.optim.adam import moment_constants, moments
from lamina.optim.hyperparameters import Check, decay_rates, non_negative
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.elementwise import bitwise_and, less, pow_, sqrt, where
from lamina.tensor import Tensor


class LAMB(Optimizer):
    """LAMB: Adam whose step for each parameter is scaled to the parameter's norm, for large batches.

    With ``m̂`` and ``v̂`` as in `Adam`:

    - ``u = m̂ / (√v̂ + ε) + weight_decay p``
    - ``p = p - lr ‖p‖ / ‖u‖ u``, where the ratio is 1 if either norm is zero

    Parameters
    ----------
    params, lr, betas, maximize
        As in `Adam`.
    eps : float, default 1e-6
        ``ε``.
    weight_decay : float, default 0.01
        Weight decay, inside the step.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([3.0, -3.0])
    >>> optimizer = la.optim.LAMB([w], lr=0.5, weight_decay=0.0)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 1.5, -1.5], shape=[2], dtype=float32)

    Source: Y. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
    algorithm 2, with φ the identity; the defaults are those of section 4.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": decay_rates, "eps": non_negative}
    applies_weight_decay: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return moment_constants(group)

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        t = counters[0] + k.one
        root = sqrt(k.one - pow_(k.beta2, t))
        return {"lr": lr, "correction": root / (k.one - pow_(k.beta1, t)), "eps": k.eps * root}, (t,)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        m, v = moments(k, g, state[0], state[1])
        u = k.correction * m / (sqrt(v) + k.eps) + k.weight_decay * p
        size, step = sqrt(sum(p * p)), sqrt(sum(u * u))
        zero = k.one - k.one
        trust = where(bitwise_and(less(zero, size), less(zero, step)), size / step, k.one)
        return p - k.lr * trust * u, m, v
