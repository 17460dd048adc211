"""What all optimisers share: parameters in groups with their hyperparameters, and state that is saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from lamina.errors import AssignmentError
from lamina.optim.hyperparameters import Check, checked
from lamina.optim.parameter_group import (
    ParameterGroup,
    Parameters,
    ParameterState,
    as_group,
    as_groups,
    learning_rate,
    refuse_repeats,
)
from lamina.optim.state import load_into, state_of
from lamina.other_names import OPTIMIZER, Told, of_object
from lamina.variable import Variable
from lamina.watched import Watched, changed


class OptimizerBase(Told, Watched):
    """The base of `Optimizer`, which updates parameters by their gradients, and of `LBFGS`, which asks for those.

    Parameters
    ----------
    params : iterable of Variable, or of dict
        The parameters; or groups of them, dicts with ``"params"`` and the hyperparameters in which they differ.
    lr : float
        The learning rate. Each group keeps it in a variable, ``group["lr"]``, that schedules assign.
    checks : dict of str to Check
        The other hyperparameters, with what they may be.
    hyperparameters : dict of str to Any
        Their values.

    Attributes
    ----------
    param_groups : list of ParameterGroup
        Dicts of hyperparameters.
    """

    def __init__(
        self, params: Parameters, lr: float, checks: Mapping[str, Check], hyperparameters: Mapping[str, Any]
    ) -> None:
        self._name = type(self).__name__
        self._checks = dict(checks)
        self.defaults = {"lr": lr, **hyperparameters}
        self.param_groups: list[ParameterGroup] = []
        groups = as_groups(self._name, params)
        refuse_repeats(self._name, [each for group in groups for each in group["params"]])
        for group in groups:
            self._add(group)

    def check_together(self, group: Mapping[str, Any]) -> None:
        """Refuse hyperparameters that are right one by one but do not go together."""

    def check_parameters(self, params: list[Variable]) -> None:
        """Refuse parameters that the rule cannot update."""

    @property
    def lr(self) -> Variable:
        """The variable that holds the learning rate of the first group."""
        return self.param_groups[0]["lr"]  # type: ignore[no-any-return]

    @lr.setter
    def lr(self, value: Any) -> NoReturn:
        raise AssignmentError(
            f"lr: the learning rate is a variable; write optimizer.lr.assign({value!r}), or "
            f'optimizer.param_groups[i]["lr"] = {value!r} for group i'
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return of_object(self, name, OPTIMIZER)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with hyperparameters of their own; those not given are the optimiser's."""
        added = as_group(self._name, group)
        refuse_repeats(self._name, [*(each.parameter for each in self._states()), *added["params"]])
        self._add(added)

    def state_dict(self) -> dict[str, Any]:
        """Return hyperparameters and state under flat names, such as ``"group.0.lr"`` and ``"state.0.exp_avg"``.

        Variables appear as tensors, which safetensors can hold; the rest is Python numbers, flags, texts and
        lists of them, which JSON can. Parameters are numbered in the order they were given.
        """
        return state_of(self.param_groups)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take hyperparameters and state from what `state_dict` returned.

        Raises
        ------
        CheckpointError
            When names, shapes, types or values do not fit; it lists them all, and the optimiser is unchanged.
        """
        load_into(self._name, self.param_groups, state)

    def __repr__(self) -> str:
        lines = []
        for place, group in enumerate(self.param_groups):
            values = ", ".join(f"{name}={value}" for name, value in group.hyperparameters.items())
            lines.append(f"  ({place}): {len(group['params'])} parameters, lr={group['lr'].item():g}, {values}")
        return f"{self._name}(\n" + "\n".join(lines) + "\n)"

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        # Counters were copied one by one; loading lets equal ones share their tensors again.
        self.load_state_dict(self.state_dict())

    def _states(self) -> Iterator[ParameterState]:
        return (state for group in self.param_groups for state in group.states)

    def _add(self, given: dict[str, Any]) -> None:
        values = {**self.defaults, **given}
        params, lr = values.pop("params"), values.pop("lr")
        self.check_parameters(params)
        kept = checked(self._name, values, self._checks)
        self.check_together(kept)
        rate = learning_rate(self._name, lr, params[0], len(self.param_groups))
        first = sum(len(group.states) for group in self.param_groups)
        states = [ParameterState(each, first + place) for place, each in enumerate(params)]
        kept = {"params": params, "lr": rate, **kept}
        self.param_groups.append(
            ParameterGroup(self._name, kept, self._checks, states, self.check_together, self._arrange)
        )
        changed()

    def _arrange(self, group: ParameterGroup) -> None:
        """Make what the hyperparameters call for, keeping what is there."""
