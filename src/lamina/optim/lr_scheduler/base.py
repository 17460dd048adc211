"""The base of the schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.backends.thread_state import STATE
from lamina.errors import CheckpointError, DataError, DTypeError, TracingError
from lamina.optim.base import OptimizerBase
from lamina.optim.hyperparameters import non_negative


class LRScheduler:
    """The base of the schedules: a learning rate as a function of the step count.

    A schedule of one's own defines `lr`. Making a schedule assigns the learning rates of step 0; each call of
    `step`, after the optimiser's, those of the next. Schedules work from the learning rates the groups were made
    with, not from what another schedule has assigned: combine several with `SequentialLR` and `ChainedScheduler`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose groups' ``lr`` variables are assigned.

    Attributes
    ----------
    last_epoch : int
        The step count: how often `step` was called.
    base_lrs : list of float
        The learning rates that the groups were made with.

    Examples
    --------
    >>> import lamina as la
    >>> class InverseRoot(la.optim.LRScheduler):
    ...     def lr(self, base, step, group):
    ...         return base / (step + 1) ** 0.5
    >>> optimizer = la.optim.SGD([la.variable([1.0])], lr=1.0)
    >>> schedule = InverseRoot(optimizer)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: OptimizerBase) -> None:
        self._name = type(self).__name__
        self.optimizer = an_optimizer(self._name, optimizer)
        self.base_lrs = [group.setdefault("initial_lr", group["lr"].item()) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._last_lr: list[float] = []
        self._assign()

    def lr(self, base: float, step: int, group: int) -> float:
        """Return the learning rate of a group.

        Parameters
        ----------
        base : float
            The learning rate the group was made with.
        step : int
            The step count.
        group : int
            The group's place, for schedules that treat groups differently.
        """
        raise NotImplementedError(f"{type(self).__name__}: define lr(self, base, step, group)")

    def step(self) -> None:
        """Go to the next step and assign its learning rates.

        Raises
        ------
        TracingError
            Inside of a compiled function, where the step would be counted once and not at each call.
        """
        if STATE.tracer is not None:
            raise TracingError(
                f"{self._name}.step: a compiled function runs its Python once, and then no step would be counted; "
                "call it beside the compiled function, which reads the rate that it assigns"
            )
        self.last_epoch += 1
        try:
            self._assign()
        except BaseException:
            self.last_epoch -= 1
            raise

    def rates(self, step: int) -> list[float]:
        """Return the learning rates of a step, one for each group.

        Raises
        ------
        DataError
            When one is negative or not finite, or the schedule has none for the step.
        """
        rates = [self.lr(base, step, place) for place, base in enumerate(self.base_lrs)]
        return [non_negative(self._name, "the learning rate", float(rate)) for rate in rates]

    def follow(self, steps: int, rates: list[float]) -> None:
        """Count steps whose learning rates have been assigned by a program; ``rates`` are those of the last."""
        self.last_epoch += steps
        self._last_lr = rates

    def get_last_lr(self) -> list[float]:
        """Return the learning rates last assigned, one for each group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return where the schedule stands, as plain numbers; what it was made with is not part of it."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was called, and assign the learning rates of that step.

        Raises
        ------
        CheckpointError
            When the values do not fit; the schedule is unchanged then.
        """
        self._check_names(state)
        step, bases = state["last_epoch"], state["base_lrs"]
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise CheckpointError(f"load_state_dict: last_epoch is a step count from 0, got {step!r}")
        self._check_rates("base_lrs", bases)
        before = self.last_epoch, self.base_lrs
        self.last_epoch, self.base_lrs = step, [float(base) for base in bases]
        try:
            self._assign()
        except BaseException:
            self.last_epoch, self.base_lrs = before
            raise

    def set_momentum(self, step: int) -> None:
        """Change what else than the learning rate follows the step count; nothing in most schedules."""

    def cycles_momentum(self) -> bool:
        """Tell whether `set_momentum` changes anything."""
        return type(self).set_momentum is not LRScheduler.set_momentum

    def _assign(self) -> None:
        rates = self.rates(self.last_epoch)
        groups = self.optimizer.param_groups
        if len(groups) != len(rates):
            raise DataError(
                f"{self._name}: made for {len(rates)} parameter groups, the optimiser has {len(groups)}; "
                "make the schedule after the last group is added"
            )
        self.set_momentum(self.last_epoch)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"].assign(rate)
        self._last_lr = rates

    def _check_names(self, state: Mapping[str, Any]) -> None:
        expected = list(self.state_dict())
        missing = [name for name in expected if name not in state]
        unexpected = [name for name in state if name not in expected]
        if missing or unexpected:
            raise CheckpointError(
                f"load_state_dict: the values do not fit this {self._name}, unchanged: "
                f"missing {missing}, unexpected {unexpected}"
            )

    def _check_rates(self, name: str, given: Any) -> None:
        count = len(self.optimizer.param_groups)
        if not isinstance(given, list | tuple) or len(given) != count:
            raise CheckpointError(f"load_state_dict: {name} has one number for each of {count} groups, got {given!r}")
        for each in given:
            if isinstance(each, bool) or not isinstance(each, int | float):
                raise CheckpointError(f"load_state_dict: {name} are numbers, got {given!r}")

    def __repr__(self) -> str:
        return f"{self._name}(step {self.last_epoch}, lr {self._last_lr})"


def an_optimizer(owner: str, value: Any) -> OptimizerBase:
    """Accept an optimiser."""
    if not isinstance(value, OptimizerBase):
        raise DTypeError(f"{owner}: expected an optimiser first, got {type(value).__name__}")
    return value


def for_each_group(owner: str, name: str, value: Any, optimizer: OptimizerBase) -> list[Any]:
    """Return one value for each group from one for all or a list of them."""
    count = len(an_optimizer(owner, optimizer).param_groups)
    if not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise DataError(f"{owner}: {name} has {len(value)} entries, the optimiser {count} parameter groups")
    return list(value)
