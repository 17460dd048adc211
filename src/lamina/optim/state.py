"""The state of an optimiser by flat names, out and in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamina.errors import CheckpointError, LaminaError
from lamina.tensor import Tensor, from_data
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.optim.parameter_group import ParameterGroup


def state_of(groups: list[ParameterGroup]) -> dict[str, Any]:
    """Return every variable as a tensor, every hyperparameter as it is, by name."""
    return {**_settings(groups), **{name: variable._untracked for name, variable in _variables(groups).items()}}


def load_into(owner: str, groups: list[ParameterGroup], state: Mapping[str, Any]) -> None:
    """Assign every variable and hyperparameter the value of its name, all of them or none."""
    variables, settings = _variables(groups), _settings(groups)
    problems = [f"missing: {name}" for name in (*settings, *variables) if name not in state]
    problems += [f"unexpected: {name}" for name in state if name not in variables and name not in settings]
    tensors: dict[Variable, Tensor] = {}
    for name, variable in variables.items():
        if name in state:
            _fit(problems, tensors, name, variable, state[name])
    chosen = _chosen(owner, groups, state, problems)
    if problems:
        lines = "\n  ".join(problems)
        raise CheckpointError(
            f"load_state_dict: the values do not fit this {owner}, unchanged; make it with the same parameters "
            f"and options as the saved one:\n  {lines}"
        )
    _share_counters(groups, tensors)
    for variable, value in tensors.items():
        variable.assign(value)
    for group, values in zip(groups, chosen, strict=True):
        group.replace(values)


def _variables(groups: list[ParameterGroup]) -> dict[str, Variable]:
    found = {f"group.{place}.lr": group["lr"] for place, group in enumerate(groups)}
    for state in (state for group in groups for state in group.states):
        for name, variable in {**state.counters, **state.slots}.items():
            found[f"state.{state.index}.{name}"] = variable
    return found


def _settings(groups: list[ParameterGroup]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for place, group in enumerate(groups):
        found[f"group.{place}.params"] = [state.index for state in group.states]
        found |= {f"group.{place}.{name}": value for name, value in group.hyperparameters.items()}
    return found


def _fit(problems: list[str], tensors: dict[Variable, Tensor], name: str, variable: Variable, given: Any) -> None:
    """Add a value to what would be assigned, or to what keeps it from being so."""
    try:
        value = from_data(given, None, variable.device, variable.dtype)._untracked
    except (LaminaError, ValueError, TypeError) as error:
        problems.append(f"unusable: {name} is no tensor, array or number: {error}")
        return
    if value.shape != variable.shape:
        problems.append(f"shape: {name} is {list(variable.shape)} in the optimiser, {list(value.shape)} here")
    elif value.dtype is not variable.dtype:
        problems.append(f"type: {name} is {variable.dtype.name} in the optimiser, {value.dtype.name} here")
    else:
        tensors[variable] = value


def _chosen(
    owner: str, groups: list[ParameterGroup], state: Mapping[str, Any], problems: list[str]
) -> list[dict[str, Any]]:
    """Return the hyperparameters of each group, or add what is wrong with them to the problems."""
    chosen = []
    for place, group in enumerate(groups):
        indices = [each.index for each in group.states]
        given = state.get(f"group.{place}.params", indices)
        if given != indices:
            problems.append(f"group.{place}.params: {indices} in the optimiser, {given} here")
        values = {}
        for name, check in group.checks.items():
            try:
                values[name] = check(owner, name, state.get(f"group.{place}.{name}", group[name]))
            except LaminaError as error:
                problems.append(f"value: group.{place}.{name}: {error}")
        chosen.append(values)
    return chosen


def _share_counters(groups: list[ParameterGroup], tensors: dict[Variable, Tensor]) -> None:
    """Let parameters with equal counts share the tensors that hold them again, and with those the factors."""
    for group in groups:
        shared: dict[Any, list[Tensor]] = {}
        for state in group.states:
            values = [tensors[counter] for counter in state.counters.values()]
            kept = shared.setdefault(tuple([value.item() for value in values]), values)
            tensors.update(zip(state.counters.values(), kept, strict=True))
