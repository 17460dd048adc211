"""Schedules that go one way: constant, linear, by steps, exponential, polynomial, or any factor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from lamina.errors import DataError
from lamina.optim.base import OptimizerBase
from lamina.optim.hyperparameters import fraction, non_negative, step_count
from lamina.optim.lr_scheduler.base import LRScheduler, for_each_group


class ConstantLR(LRScheduler):
    """``base * factor`` for ``total_iters`` steps, then ``base``.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float, default 1/3
        From 0 to 1.
    total_iters : int, default 5

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> la.optim.ConstantLR(optimizer, factor=0.5).get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: OptimizerBase, factor: float = 1.0 / 3.0, total_iters: int = 5) -> None:
        self.factor = fraction("ConstantLR", "factor", factor)
        self.total_iters = step_count("ConstantLR", "total_iters", total_iters, 0)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return base if step >= self.total_iters else base * self.factor


class LinearLR(LRScheduler):
    """From ``base * start_factor`` to ``base * end_factor`` on a line of ``total_iters`` steps: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float, default 1/3
        From 0 to 1; PyTorch does not take 0.
    end_factor : float, default 1.0
        From 0 to 1.
    total_iters : int, default 5

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> warmup = la.optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> warmup.step()
    >>> warmup.get_last_lr()
    [0.75]
    """

    def __init__(
        self, optimizer: OptimizerBase, start_factor: float = 1.0 / 3.0, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor = fraction("LinearLR", "start_factor", start_factor)
        self.end_factor = fraction("LinearLR", "end_factor", end_factor)
        self.total_iters = step_count("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        share = min(step, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * share)


class StepLR(LRScheduler):
    """``base * gamma ** (step // step_size)``.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float, default 0.1

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.StepLR(optimizer, step_size=1, gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: OptimizerBase, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = step_count("StepLR", "step_size", step_size)
        self.gamma = non_negative("StepLR", "gamma", gamma)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return base * float(self.gamma ** (step // self.step_size))


class MultiStepLR(LRScheduler):
    """``base * gamma ** k``, where ``k`` milestones have been reached.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Step counts.
    gamma : float, default 0.1

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.MultiStepLR(optimizer, milestones=[1, 5], gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: OptimizerBase, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(step_count("MultiStepLR", "a milestone", each, 0) for each in milestones)
        self.gamma = non_negative("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return base * float(self.gamma ** bisect_right(self.milestones, step))


class ExponentialLR(LRScheduler):
    """``base * gamma ** step``.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: OptimizerBase, gamma: float) -> None:
        self.gamma = non_negative("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return base * float(self.gamma**step)


class PolynomialLR(LRScheduler):
    """``base * (1 - step / total_iters) ** power``, and zero from ``total_iters`` on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int, default 5
    power : float, default 1.0

    Raises
    ------
    DataError, DTypeError
        When an argument is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5625]
    """

    def __init__(self, optimizer: OptimizerBase, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters = step_count("PolynomialLR", "total_iters", total_iters)
        self.power = non_negative("PolynomialLR", "power", power)
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return base * float((1.0 - min(step, self.total_iters) / self.total_iters) ** self.power)


class LambdaLR(LRScheduler):
    """``base * lr_lambda(step)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callable
        From the step count to a factor; one for all groups or one for each. Functions are no part of the state.

    Raises
    ------
    DataError, DTypeError
        When there is not one function for each group, or a factor is negative.

    Examples
    --------
    >>> import lamina as la
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = la.optim.LambdaLR(optimizer, lambda step: 1.0 / (step + 1))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: OptimizerBase, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
    ) -> None:
        self.lr_lambdas = for_each_group("LambdaLR", "lr_lambda", lr_lambda, optimizer)
        if not all(callable(each) for each in self.lr_lambdas):
            raise DataError(
                f"LambdaLR: lr_lambda is a function of the step count, or a list of them, got {lr_lambda!r}"
            )
        super().__init__(optimizer)

    def lr(self, base: float, step: int, group: int) -> float:
        return base * float(self.lr_lambdas[group](step))
