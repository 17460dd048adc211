"""A group of parameters with the hyperparameters they share, and the state of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.dtypes import DType, float64, float_info
from lamina.errors import AssignmentError, BackendError, DataError, DTypeError
from lamina.optim.hyperparameters import Check, non_negative
from lamina.primitives.elementwise import astype
from lamina.tensor import Tensor
from lamina.variable import Variable
from lamina.watched import Watched, changed

_DEPENDING_ON_TYPE = ("eps",)
"""Constants whose value follows from the type of the parameter too, see `representable`."""

Parameters = Iterable[Variable] | Iterable[Mapping[str, Any]]


@dataclass(slots=True, eq=False)
class ParameterState:
    """One parameter and what its optimiser remembers about it.

    Attributes
    ----------
    parameter : Variable
    index : int
        Its place among all parameters of the optimiser; names its state in a state dict.
    counters : dict of str to Variable
        Numbers that follow the count of the parameter's updates, such as the count itself: 0-d, float64.
    slots : dict of str to Variable
        Tensors of the parameter's shape and type, such as a mean of past gradients.
    """

    parameter: Variable
    index: int
    counters: dict[str, Variable] = field(default_factory=dict)
    slots: dict[str, Variable] = field(default_factory=dict)

    def arrange(self, counters: Mapping[str, Tensor], slots: Mapping[str, float]) -> None:
        """Hold the counters and slots of these names: those that are there, and new ones with these first values."""
        p, kept = self.parameter, self.counters
        self.counters = {
            name: kept[name] if name in kept else self._remembered(name, first) for name, first in counters.items()
        }
        held = self.slots
        self.slots = {
            name: held[name] if name in held else self._remembered(name, p._full(p.shape, fill))
            for name, fill in slots.items()
        }

    def _remembered(self, name: str, first: Tensor) -> Variable:
        return Variable(first, f"state.{self.index}.{name}", trainable=False)


class ParameterGroup(dict[str, Any], Watched):
    """The hyperparameters of a group by name, ``"params"`` (a list) and ``"lr"`` (a variable) among them.

    ``group["lr"] = 0.01`` assigns the variable. Another hyperparameter is checked and replaced; it takes effect
    with the next step. A number that is replaced is held in variables from then on, so that compiled steps follow a
    schedule of it, as of a momentum, without being traced again.

    Attributes
    ----------
    constants : dict of str to Any
        What the rule makes from the hyperparameters.
    varying : dict of str to Variable
        Those of the constants that have been replaced: 0-d, float64.
    """

    def __init__(
        self,
        owner: str,
        values: dict[str, Any],
        checks: Mapping[str, Check],
        states: list[ParameterState],
        check_together: Callable[[Mapping[str, Any]], None],
        arrange: Callable[[ParameterGroup], None],
    ) -> None:
        super().__init__(values)
        self.owner = owner
        self.checks = checks
        self.states = states
        self.constants: dict[str, Any] = {}
        self.varying: dict[str, Variable] = {}
        self.kept: dict[Any, dict[str, Any]] = {}
        self.structure: tuple[Any, ...] = ()
        self._followed: set[str] = set()  # hyperparameters that are no more than the numbers in variables
        self._decisive: set[str] = set()  # those that have once changed more than that
        self._check_together = check_together
        self._arrange = arrange
        arrange(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the constants as tensors, which belong to a backend of this process; they are made again.
        return type(self).__new__, (type(self),), {**vars(self), "kept": {}, "values": dict(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state.pop("values"))
        vars(self).update(state)

    def _settings(self) -> Iterable[tuple[str, Any]]:
        seen = [(name, value) for name, value in self.items() if name not in self._followed]
        return [*seen, ("varying", tuple(self.varying))]

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """What was given at the start apart from the parameters and the learning rate."""
        return {name: self[name] for name in self.checks}

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise AssignmentError(
                f"{self.owner}: the parameters of a group are fixed; add a group with add_param_group"
            )
        if name == "lr":
            self["lr"].assign(value if isinstance(value, Tensor) else non_negative(self.owner, "lr", value))
            return
        check = self.checks.get(name)
        if check is None:
            super().__setitem__(name, value)
            changed()
            return
        value = check(self.owner, name, value)
        self._check_together({**self, name: value})
        self.replace({name: value})

    def replace(self, hyperparameters: Mapping[str, Any]) -> None:
        """Take several hyperparameters that have been checked."""
        for name, value in hyperparameters.items():
            if self[name] == value:
                continue  # compiled steps need not look at everything again
            self.update({name: value})
            before = dict(self.constants), self.structure
            self._arrange(self)
            if not self._moved_numbers_only(*before):
                self._followed.discard(name)
                self._decisive.add(name)
            elif name in self._followed:
                continue
            elif name not in self._decisive:
                self._followed.add(name)
            changed()

    def hold(self, constants: dict[str, Any], structure: tuple[Any, ...]) -> None:
        """Hold what the rule makes from the hyperparameters.

        Parameters
        ----------
        constants : dict of str to Any
            Numbers among them that differ from those held before become variables.
        structure : tuple
            What else the hyperparameters decide about an update.
        """
        held = self.constants
        for name, value in constants.items():
            if not isinstance(value, float):
                self.varying.pop(name, None)
            elif held.get(name, value) != value and name not in _DEPENDING_ON_TYPE:
                if name not in self.varying:
                    beside = self.states[0].parameter
                    self.varying[name] = Variable(beside._full((), value, float64), name, trainable=False)
                    changed()
                self.varying[name].assign(value)
        held.clear()
        held.update(constants)
        if structure != self.structure:
            self.structure = structure
        self.kept.clear()

    def _moved_numbers_only(self, constants: dict[str, Any], structure: tuple[Any, ...]) -> bool:
        """Tell whether all that differs from these constants and this structure is in variables, and something does."""
        moved = [name for name, value in self.constants.items() if name not in constants or constants[name] != value]
        same = self.structure == structure and self.constants.keys() == constants.keys()
        return same and bool(moved) and all(name in self.varying for name in moved)

    def follow(self) -> None:
        """Move what is remembered to the device of the parameters, where the user has moved those."""
        lr = self["lr"]
        backend = self.states[0].parameter._backend
        if lr._backend is backend:
            return
        one_device(self.owner, self["params"])
        for variable in self.variables():
            variable._hold(variable._untracked.to(backend.name))

    def variables(self) -> list[Variable]:
        """Return the learning rate, what varies beside it, and the state of every parameter."""
        return [
            self["lr"],
            *self.varying.values(),
            *(each for state in self.states for each in (*state.counters.values(), *state.slots.values())),
        ]

    def tensors(self, beside: Tensor, dtype: DType) -> dict[str, Any]:
        """Return the constants as tensors of a type; made once, for making them costs more than using them."""
        key = beside._backend, dtype
        found = self.kept.get(key)
        if found is None:
            found = {
                name: beside._full((), representable(name, value, dtype), dtype) if isinstance(value, float) else value
                for name, value in self.constants.items()
                if name not in self.varying
            }
            if beside._backend.has_values:  # not a tracer's, which last no longer than the trace
                self.kept[key] = found
        if not self.varying:
            return found
        values = {name: variable.value for name, variable in self.varying.items()}
        return found | {name: x if x.dtype is dtype else astype(x, dtype=dtype) for name, x in values.items()}


def representable(name: str, value: float, dtype: DType) -> float:
    """Return a constant for use in a type, in which a positive ``eps`` must not vanish: float16 rounds 1e-8 to 0."""
    return max(value, float_info(dtype).smallest_normal) if name == "eps" and value > 0.0 else value


def as_groups(owner: str, params: Parameters) -> list[dict[str, Any]]:
    """Return what a user gives as parameters, variables or groups, as a list of dicts with a list of variables."""
    if isinstance(params, Tensor | Mapping):
        raise DTypeError(
            f"{owner}: expected a list of variables or of dicts, got one {type(params).__name__}; use [...]"
        )
    if not isinstance(params, Iterable):
        hint = "; use model.parameters()" if hasattr(params, "parameters") else ""
        raise DTypeError(f"{owner}: expected a list of variables or of dicts, got {type(params).__name__}{hint}")
    given: list[Any] = list(params)
    if not given:
        raise DataError(f"{owner}: the list of parameters is empty; give at least one variable")
    if not any(isinstance(each, Mapping) for each in given):
        given = [{"params": given}]
    return [as_group(owner, each) for each in given]


def as_group(owner: str, given: Any) -> dict[str, Any]:
    """Return one group as a dict whose ``"params"`` are a list of distinct trainable variables."""
    if not isinstance(given, Mapping) or "params" not in given:
        raise DTypeError(f'{owner}: a parameter group is a dict with "params", got {_described(given)}')
    params = given["params"]
    variables = [params] if isinstance(params, Variable) else list(params)
    if not variables:
        raise DataError(f"{owner}: a parameter group is empty; give at least one variable")
    for each in variables:
        if not isinstance(each, Variable):
            raise DTypeError(f"{owner}: parameters are variables made with la.variable, got {_described(each)}")
        if not each.trainable:
            raise DTypeError(f"{owner}: {each.label} is not trainable; leave it out of the parameters")
    one_device(owner, variables)
    return {**given, "params": variables}


def one_device(owner: str, variables: list[Variable]) -> None:
    """Refuse parameters on several devices in one group."""
    devices = dict.fromkeys(each.device for each in variables)
    if len(devices) > 1:
        raise BackendError(
            f"{owner}: the parameters of a group are on different devices, {' and '.join(devices)}; "
            "make a group for each device"
        )


def refuse_repeats(owner: str, variables: Iterable[Variable]) -> None:
    """Refuse a parameter that would be updated twice in a step."""
    seen: set[Variable] = set()
    for variable in variables:
        if variable in seen:
            raise DataError(f"{owner}: {variable.label} appears twice; a parameter belongs to one group, once")
        seen.add(variable)


def learning_rate(owner: str, value: Any, beside: Variable, place: int) -> Variable:
    """Return the variable that holds a group's learning rate, on the device of its parameters."""
    if isinstance(value, Variable):
        if value.shape or value.dtype is not float64 or value.trainable:
            raise DTypeError(
                f"{owner}: a variable as lr has shape [] and type float64 and is not trainable, got {value!r}"
            )
        return value
    rate = beside._full((), non_negative(owner, "lr", value), float64)
    return Variable(rate, f"group.{place}.lr", trainable=False)


def _described(value: Any) -> str:
    return f"a {type(value).__name__}"
