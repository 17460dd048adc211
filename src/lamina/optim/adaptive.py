"""RMSprop, Adagrad and Adadelta: a rate for each element, from its past gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.optim.hyperparameters import Check, flag, fraction, non_negative
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.elementwise import relu, sqrt
from lamina.tensor import Tensor


class RMSprop(Optimizer):
    """RMSprop: steps of the gradient over the root of its mean square.

    - ``s = α s + (1 - α) g²``, and ``a = α a + (1 - α) g`` when centered
    - ``d = g / (√s + ε)``, or ``g / (√(s - a²) + ε)`` when centered
    - ``p = p - lr d``, or with momentum ``b = μ b + d`` and ``p = p - lr b``

    Parameters
    ----------
    params, eps, weight_decay, maximize
        As in `Adam`.
    lr : float, default 1e-2
        Learning rate.
    alpha : float, default 0.99
        ``α``, from 0 to 1.
    momentum : float, default 0
        ``μ``.
    centered : bool, default False
        Whether to divide by the standard deviation of the gradient.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.RMSprop([w], lr=0.05)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1.5], shape=[2], dtype=float32)

    Source: T. Tieleman and G. Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered: A.
    Graves, "Generating sequences with recurrent neural networks", 2013, equations 38 to 45.
    """

    checks: ClassVar[dict[str, Check]] = {
        "alpha": fraction,
        "eps": non_negative,
        "momentum": non_negative,
        "centered": flag,
    }
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        mean = {"grad_avg": 0.0} if group["centered"] else {}
        buffer = {"momentum_buffer": 0.0} if group["momentum"] else {}
        return {"square_avg": 0.0, **mean, **buffer}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "alpha": group["alpha"],
            "rest": 1.0 - group["alpha"],
            "eps": group["eps"],
            "momentum": group["momentum"],
            "centered": group["centered"],
            "has_momentum": group["momentum"] != 0.0,
        }

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        s = variance = k.alpha * state[0] + k.rest * (g * g)
        new = [s]
        if k.centered:
            a = k.alpha * state[1] + k.rest * g
            # Rounded, the difference of two that are nearly equal may be negative.
            variance = relu(s - a * a)
            new.append(a)
        d = g / (sqrt(variance) + k.eps)
        if k.has_momentum:
            d = k.momentum * state[-1] + d
            new.append(d)
        return p - k.lr * d, *new


class Adagrad(Optimizer):
    """Adagrad: steps of the gradient over the root of the sum of its squares.

    - ``s = s + g²``
    - ``p = p - lr / (1 + (t - 1) lr_decay) · g / (√s + ε)``

    Parameters
    ----------
    params, weight_decay, maximize
        As in `Adam`.
    lr : float, default 1e-2
        Learning rate.
    lr_decay : float, default 0
        How fast the learning rate falls with the steps.
    initial_accumulator_value : float, default 0
        The first ``s``.
    eps : float, default 1e-10
        ``ε``.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.Adagrad([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1.5], shape=[2], dtype=float32)

    Source: J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011, figure 1, with diagonal matrices.
    """

    checks: ClassVar[dict[str, Check]] = {
        "lr_decay": non_negative,
        "initial_accumulator_value": non_negative,
        "eps": non_negative,
    }
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"lr_decay": group["lr_decay"], "eps": group["eps"]}

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        t = counters[0]
        return {"rate": lr / (k.one + t * k.lr_decay)}, (t + k.one,)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        s = state[0] + g * g
        return p - k.rate * g / (sqrt(s) + k.eps), s


class Adadelta(Optimizer):
    """Adadelta: steps in the parameter's own units, from the past squares of gradients and of steps.

    - ``s = ρ s + (1 - ρ) g²``
    - ``d = √(u + ε) / √(s + ε) · g``
    - ``u = ρ u + (1 - ρ) d²`` and ``p = p - lr d``

    Parameters
    ----------
    params, weight_decay, maximize
        As in `Adam`.
    lr : float, default 1.0
        Learning rate.
    rho : float, default 0.9
        ``ρ``, from 0 to 1.
    eps : float, default 1e-6
        ``ε``.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.Adadelta([w])
    >>> optimizer.step((w * w).sum().backward())
    >>> sorted(optimizer.state[w])
    ['acc_delta', 'square_avg']

    Source: M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1.
    """

    checks: ClassVar[dict[str, Check]] = {"rho": fraction, "eps": non_negative}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {"rho": group["rho"], "rest": 1.0 - group["rho"], "eps": group["eps"]}

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        s = k.rho * state[0] + k.rest * (g * g)
        d = sqrt(state[1] + k.eps) / sqrt(s + k.eps) * g
        return p - k.lr * d, s, k.rho * state[1] + k.rest * (d * d)
