"""The state of a model: the values of its variables by name, out and in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lamina.errors import CheckpointError, DTypeError, LaminaError
from lamina.nn.tree import find, walk
from lamina.tensor import Tensor, from_data
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.nn.module import Module


class Unmatched(NamedTuple):
    """The names that `Module.load_state_dict` found on one side only."""

    missing: list[str]
    unexpected: list[str]


@dataclass
class _Loading:
    """What a load would assign, and what keeps it from doing so."""

    values: dict[Variable, tuple[str, Tensor]] = field(default_factory=dict)
    named: set[Variable] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)


def state_of(model: Module) -> dict[str, Tensor]:
    """Return the value of every variable under its first name."""
    state: dict[str, Tensor] = {}
    for name, each in walk(model):
        if isinstance(each, Variable):
            if name in state:
                raise CheckpointError(
                    f"state_dict: two variables are named {name!r}; rename an attribute or a dict key, "
                    "whose text is part of the name"
                )
            state[name] = each._untracked
    return state


def load_into(model: Module, state: Mapping[str, Any], strict: bool) -> Unmatched:
    """Assign every variable the value of its name, all of them or none."""
    if not isinstance(state, Mapping):
        raise DTypeError(
            f"load_state_dict: expected a mapping of names to tensors, got {type(state).__name__}; "
            "give what state_dict() returns"
        )
    loading = _Loading()
    for name, given in state.items():
        variable = find(model, name)
        if variable is None:
            loading.unexpected.append(name)
        else:
            loading.named.add(variable)
            _fit(loading, name, variable, given)
    missing = [name for name, each in walk(model) if isinstance(each, Variable) and each not in loading.named]
    problems = [*loading.misfits]
    if strict:
        problems += [f"missing: {name}" for name in missing]
        problems += [f"unexpected: {name}" for name in loading.unexpected]
    if problems:
        lines = "\n  ".join(problems)
        raise CheckpointError(f"load_state_dict: the values do not fit {type(model).__name__}, unchanged:\n  {lines}")
    for variable, (_, value) in loading.values.items():
        variable.assign(value)
    return Unmatched(missing, loading.unexpected)


def _fit(loading: _Loading, name: str, variable: Variable, given: Any) -> None:
    """Add a value to what would be assigned, or to what keeps it from being so."""
    try:
        value = from_data(given, None, variable.device)._untracked
    except (LaminaError, ValueError, TypeError, RuntimeError, BufferError) as error:
        loading.misfits.append(f"unusable: {name} is no tensor or array: {error}")
        return
    earlier = loading.values.get(variable)
    if value.shape != variable.shape:
        loading.misfits.append(f"shape: {name} is {list(variable.shape)} in the model, {list(value.shape)} here")
    elif value.dtype is not variable.dtype:
        loading.misfits.append(
            f"type: {name} is {variable.dtype.name} in the model, {value.dtype.name} here; cast it with astype"
        )
    elif earlier is not None and not np.array_equal(earlier[1].numpy(), value.numpy(), equal_nan=value.dtype.floating):
        loading.misfits.append(f"shared: {earlier[0]} and {name} are one variable in the model, but differ here")
    else:
        loading.values[variable] = name, value
