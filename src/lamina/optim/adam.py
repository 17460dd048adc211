"""Adam, AdamW and AMSGrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lamina.optim.hyperparameters import Check, decay_rates, flag, non_negative
from lamina.optim.optimizer import Optimizer, Values
from lamina.optim.parameter_group import Parameters
from lamina.primitives.elementwise import add, divide, maximum, multiply, pow_, sqrt, subtract
from lamina.tensor import Tensor


def moments(k: Any, g: Tensor, m: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return the running means of the gradient, ``m = β₁ m + (1 - β₁) g``, and of its square, ``v``, likewise.

    This and `descended` are written with primitives, not operators: on small parameters that saves a tenth of a
    step of Adam.
    """
    return add(multiply(k.beta1, m), multiply(k.rest1, g)), add(multiply(k.beta2, v), multiply(k.rest2, multiply(g, g)))


def descended(k: Any, p: Tensor, m: Tensor, v: Tensor) -> Tensor:
    """Return ``p - rate m / (√v + ε)``."""
    return subtract(p, divide(multiply(k.rate, m), add(sqrt(v), k.eps)))


def moment_constants(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `moments` needs."""
    beta1, beta2 = group["betas"]
    return {"beta1": beta1, "beta2": beta2, "rest1": 1.0 - beta1, "rest2": 1.0 - beta2, "eps": group["eps"]}


class Adam(Optimizer):
    """Adam: steps of the mean gradient over the root of the mean squared gradient.

    In step ``t``, with gradient ``g``:

    - ``m = β₁ m + (1 - β₁) g`` and ``v = β₂ v + (1 - β₂) g²``
    - ``p = p - lr m̂ / (√v̂ + ε)`` with ``m̂ = m / (1 - β₁ᵗ)`` and ``v̂ = v / (1 - β₂ᵗ)``

    Parameters
    ----------
    params : iterable of Variable, or of dict
        Parameters, or groups of them with their own hyperparameters.
    lr : float, default 1e-3
        Learning rate.
    betas : (float, float), default (0.9, 0.999)
        ``β₁`` and ``β₂``, each from 0 and below 1.
    eps : float, default 1e-8
        ``ε``.
    weight_decay : float, default 0
        ``weight_decay * p`` is added to the gradient.
    amsgrad : bool, default False
        Whether the largest ``v`` so far takes the place of ``v`` in the step, as in `AMSGrad`.
    maximize : bool, default False
        Whether to ascend.
    decoupled_weight_decay : bool, default False
        Whether weight decay shrinks the parameter instead, as in `AdamW`.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range or the parameters are not distinct trainable variables.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.Adam([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1.5], shape=[2], dtype=float32)

    Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
    """

    checks: ClassVar[dict[str, Check]] = {"betas": decay_rates, "eps": non_negative, "amsgrad": flag}
    elementwise: ClassVar[bool] = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        means = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return {**means, "max_exp_avg_sq": 0.0} if group["amsgrad"] else means

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0.0}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {**moment_constants(group), "amsgrad": group["amsgrad"]}

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        # Numerator and denominator of the step times √(1 - β₂ᵗ), so that the parameter's v needs no correction.
        t = counters[0] + k.one
        root = sqrt(k.one - pow_(k.beta2, t))
        return {"rate": lr * root / (k.one - pow_(k.beta1, t)), "eps": k.eps * root}, (t,)

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        m, v = moments(k, g, state[0], state[1])
        if not k.amsgrad:
            return descended(k, p, m, v), m, v
        largest = maximum(state[2], v)
        return descended(k, p, m, largest), m, v, largest


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p = (1 - lr weight_decay) p`` before each step of `Adam`.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize
        As in `Adam`.
    weight_decay : float, default 0.01
        The share of a parameter that is taken away in a step, divided by the learning rate.

    Raises
    ------
    DataError, DTypeError
        As in `Adam`.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.AdamW([w], lr=0.5, weight_decay=1.0)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0. , -0.5], shape=[2], dtype=float32)

    Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)


class AMSGrad(Adam):
    """Adam with steps over the root of the largest mean squared gradient so far: ``Adam(..., amsgrad=True)``.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, maximize
        As in `Adam`.

    Raises
    ------
    DataError, DTypeError
        As in `Adam`.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = la.optim.AMSGrad([w], lr=0.5)
    >>> sorted(optimizer.state[w])
    ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq', 'step']

    Source: S. Reddi, S. Kale and S. Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2; with
    Adam's correction of the means, as PyTorch has it.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad=True, maximize=maximize)
