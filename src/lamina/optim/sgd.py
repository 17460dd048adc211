"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.errors import DataError
from lamina.optim.hyperparameters import Check, flag, fraction, non_negative
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.elementwise import equal, where
from lamina.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum when asked for.

    With gradient ``g``, momentum ``μ`` and dampening ``τ``:

    - ``b = μ b + (1 - τ) g``, and ``b = g`` in the first step
    - ``d = g + μ b`` with Nesterov's momentum, ``d = b`` without
    - ``p = p - lr d``

    Parameters
    ----------
    params : iterable of Variable, or of dict
        Parameters, or groups of them with their own hyperparameters.
    lr : float, default 1e-3
        Learning rate.
    momentum : float, default 0
        ``μ``. With 0 there is no state.
    dampening : float, default 0
        ``τ``, by how much a new gradient counts less.
    weight_decay : float, default 0
        ``weight_decay * p`` is added to the gradient.
    nesterov : bool, default False
        Needs momentum, and no dampening.
    maximize : bool, default False
        Whether to ascend.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, 2.0])
    >>> optimizer = la.optim.SGD([w], lr=0.25)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([0.5, 1. ], shape=[2], dtype=float32)

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013,
    section 2, in PyTorch's form, where the learning rate multiplies the whole step.
    """

    checks: ClassVar[dict[str, Check]] = {"momentum": non_negative, "dampening": fraction, "nesterov": flag}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def check_together(self, group: Mapping[str, Any]) -> None:
        if group["nesterov"] and (group["momentum"] == 0.0 or group["dampening"] != 0.0):
            raise DataError(
                f"SGD: nesterov=True needs momentum above 0 and dampening=0, "
                f"got momentum={group['momentum']} and dampening={group['dampening']}"
            )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0} if group["momentum"] and group["dampening"] else {}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "momentum": group["momentum"],
            "share": 1.0 - group["dampening"],
            "damped": group["dampening"] != 0.0,
            "nesterov": group["nesterov"],
        }

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        if not counters:
            return {"lr": lr}, counters
        t = counters[0] + k.one
        return {"lr": lr, "share": where(equal(t, k.one), k.one, k.share)}, (t,)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        if not state:
            return (p - k.lr * g,)
        b = k.momentum * state[0] + (k.share * g if k.damped else g)
        return p - k.lr * (g + k.momentum * b if k.nesterov else b), b
