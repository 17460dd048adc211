"""Adamax, NAdam and RAdam: Adam with another norm, Nesterov's momentum, and a rectified start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.optim.adam import moment_constants, moments
from lamina.optim.hyperparameters import Check, decay_rates, non_negative
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.elementwise import abs_, maximum, pow_, sqrt, where
from lamina.tensor import Tensor


class Adamax(Optimizer):
    """Adamax: Adam with a running maximum of the gradient in place of the root of its mean square.

    - ``m = β₁ m + (1 - β₁) g`` and ``u = max(β₂ u, |g| + ε)``
    - ``p = p - lr / (1 - β₁ᵗ) · m / u``

    Parameters
    ----------
    params, betas, eps, weight_decay, maximize
        As in `Adam`.
    lr : float, default 2e-3
        Learning rate.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.Adamax([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1.5], shape=[2], dtype=float32)

    Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": decay_rates, "eps": non_negative}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return moment_constants(group)

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        t = counters[0] + k.one
        return {"rate": lr / (k.one - pow_(k.beta1, t))}, (t,)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        m = k.beta1 * state[0] + k.rest1 * g
        u = maximum(k.beta2 * state[1], abs_(g) + k.eps)
        return p - k.rate * m / u, m, u


class NAdam(Optimizer):
    """NAdam: Adam with Nesterov's momentum, whose rate grows with the steps.

    With ``m`` and ``v`` as in `Adam`, ``ψ`` the momentum decay, ``μₜ = β₁ (1 - 0.96^(t ψ) / 2)`` and ``Πₜ`` the
    product of all ``μ`` up to ``t``:

    - ``m̂ = μₜ₊₁ m / (1 - Πₜ₊₁) + (1 - μₜ) g / (1 - Πₜ)`` and ``v̂ = v / (1 - β₂ᵗ)``
    - ``p = p - lr m̂ / (√v̂ + ε)``

    Parameters
    ----------
    params, betas, eps, weight_decay, decoupled_weight_decay, maximize
        As in `Adam`.
    lr : float, default 2e-3
        Learning rate.
    momentum_decay : float, default 4e-3
        ``ψ``.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.NAdam([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> sorted(optimizer.state[w])
    ['exp_avg', 'exp_avg_sq', 'mu_product', 'step']

    Source: T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop, algorithm 2.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": decay_rates, "eps": non_negative, "momentum_decay": non_negative}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {**moment_constants(group), "half": 0.5, "base": 0.96 ** group["momentum_decay"]}

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        t = counters[0] + k.one
        now = k.beta1 * (k.one - k.half * pow_(k.base, t))
        then = k.beta1 * (k.one - k.half * pow_(k.base, t + k.one))
        product = counters[1] * now
        root = sqrt(k.one - pow_(k.beta2, t))
        numbers = {
            "gradient_rate": lr * root * (k.one - now) / (k.one - product),
            "mean_rate": lr * root * then / (k.one - product * then),
            "eps": k.eps * root,
        }
        return numbers, (t, product)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        m, v = moments(k, g, state[0], state[1])
        return p - (k.mean_rate * m + k.gradient_rate * g) / (sqrt(v) + k.eps), m, v


class RAdam(Optimizer):
    """RAdam: Adam whose adaptive rate is rectified, and left out while its variance is not defined.

    With ``m`` and ``v`` as in `Adam`, ``ρ = 2 / (1 - β₂) - 1`` and ``ρₜ = ρ - 2 t β₂ᵗ / (1 - β₂ᵗ)``:

    - ``r = √((ρₜ - 4)(ρₜ - 2) ρ / ((ρ - 4)(ρ - 2) ρₜ))``
    - ``p = p - lr m̂ r √(1 - β₂ᵗ) / (√v + ε)`` where ``ρₜ > 5``
    - ``p = p - lr m̂`` elsewhere

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize
        As in `Adam`.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.RAdam([w], lr=0.25)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1. ], shape=[2], dtype=float32)

    Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, algorithm 2; the
    threshold 5 and the place of ``ε`` are PyTorch's.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": decay_rates, "eps": non_negative}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        rho = 2.0 / (1.0 - group["betas"][1]) - 1.0
        return {**moment_constants(group), "rho": rho, "scale": rho / ((rho - 4.0) * (rho - 2.0)) if rho > 5.0 else 0.0}

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        t = counters[0] + k.one
        power = pow_(k.beta2, t)
        rho = k.rho - 2.0 * t * power / (k.one - power)
        rectified = rho > 5.0
        # Outside the root is of a negative number, and not used.
        rectifier = sqrt((rho - 4.0) * (rho - 2.0) * k.scale / rho * (k.one - power))
        rate = lr / (k.one - pow_(k.beta1, t))
        return {"rate": where(rectified, rate * rectifier, rate), "rectified": rectified}, (t,)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        m, v = moments(k, g, state[0], state[1])
        return p - k.rate * m / where(k.rectified, sqrt(v) + k.eps, k.one), m, v
