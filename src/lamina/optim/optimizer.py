"""The base of the optimisers that update parameters by their gradients: the step that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn

from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import record
from lamina.autodiff.row_gradient import RowGradient
from lamina.dtypes import DType, bool_, float64, float_info
from lamina.errors import DataError, DTypeError, GradientError, ShapeError
from lamina.optim.base import OptimizerBase
from lamina.optim.compiled_update import CompiledUpdate
from lamina.optim.hyperparameters import Check, flag, non_negative
from lamina.optim.parameter_group import ParameterGroup, Parameters
from lamina.optim.row_update import Rows, Updates, assign
from lamina.primitives.elementwise import astype, maximum
from lamina.tensor import Tensor
from lamina.variable import Variable

Values = Sequence[Tensor]


class Optimizer(OptimizerBase):
    """The base of the optimisers.

    An optimiser is a rule: `update` gives a parameter's next value and state from its gradient. What a rule
    needs beside them it names in four methods, each called once for a group, not for a parameter:

    - `slots`: the tensors to remember for each parameter, with their first values;
    - `counters`: the numbers to remember, with their first values;
    - `constants`: numbers made from the hyperparameters;
    - `factors`: numbers made from the learning rate and the counters, in float64, with the next counters.

    In `update` all of them are attributes of ``k``: 0-d tensors of the parameter's type.

    A gradient that names rows, as that of `lamina.nn.Embedding` does, is a step of those rows only, in a time that
    does not grow with the others, where the rule is ``elementwise``. A row that was not used stays as it is in that
    step, with all that is remembered of it: momentum does not move it and weight decay does not shrink it. Counts of
    steps are those of the parameter, and so the corrections that follow from them.

    Parameters
    ----------
    params : iterable of Variable, or of dict
        The parameters; or groups of them, dicts with ``"params"`` and the hyperparameters in which they differ.
    lr : float
        The learning rate. Each group keeps it in a variable, ``group["lr"]``, that schedules assign.
    **hyperparameters
        The rest, each with an entry in ``checks``, as of `lamina.optim.hyperparameters`.

    Attributes
    ----------
    param_groups : list of ParameterGroup
        Dicts of hyperparameters.
    state : dict of Variable to dict of str to Variable
        What is remembered for each parameter.

    Raises
    ------
    DataError, DTypeError
        When a hyperparameter is out of its range, no parameters are given, they are not trainable variables, or
        one appears twice.

    Examples
    --------
    A rule of one's own:

    >>> import lamina as la
    >>> class SignDescent(la.optim.Optimizer):
    ...     def update(self, k, p, g, state):
    ...         return (p - k.lr * la.sign(g),)
    >>> w = la.variable([1.0, -2.0])
    >>> optimizer = SignDescent([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([ 0.5, -1.5], shape=[2], dtype=float32)

    With a hyperparameter of its own, and something to remember:

    >>> from lamina.optim.hyperparameters import decay_rate
    >>> class Momentum(la.optim.Optimizer):
    ...     checks = {"momentum": decay_rate}
    ...     def __init__(self, params, lr, momentum=0.9):
    ...         super().__init__(params, lr, momentum=momentum)
    ...     def slots(self, group):
    ...         return {"velocity": 0.0}
    ...     def constants(self, group):
    ...         return {"momentum": group["momentum"]}
    ...     def update(self, k, p, g, state):
    ...         velocity = k.momentum * state[0] + g
    ...         return p - k.lr * velocity, velocity
    >>> optimizer = Momentum([w], lr=0.5)
    >>> optimizer.step((w * w).sum().backward())
    >>> w.value
    Tensor([0., 0.], shape=[2], dtype=float32)
    """

    checks: ClassVar[dict[str, Check]] = {}
    """The hyperparameters of the rule, with what they may be."""

    applies_weight_decay: ClassVar[bool] = False
    """Whether the rule itself uses ``k.weight_decay``; it is applied before the rule otherwise."""

    elementwise: ClassVar[bool] = False
    """Whether `update` gives each element from that element's gradient and state alone, so that it can be applied
    to some rows of a parameter; a gradient that names rows is made dense otherwise."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update" in vars(cls) and "elementwise" not in vars(cls):
            cls.elementwise = False  # another rule than the one of which that was said

    def __init__(self, params: Parameters, lr: float, **hyperparameters: Any) -> None:
        checks = {**_COMMON_CHECKS, **self.checks}
        if unchecked := [name for name in hyperparameters if name not in checks]:
            owner = type(self).__name__
            raise DataError(
                f"{owner}: {owner}.checks does not say what {', '.join(unchecked)} may be; write "
                f'checks = {{"{unchecked[0]}": lamina.optim.hyperparameters.number}}, or what else is there'
            )
        self._compiled_update = CompiledUpdate()
        super().__init__(params, lr, checks, {**_COMMON, **hyperparameters})

    # --- the rule ---

    def slots(self, group: Mapping[str, Any]) -> dict[str, float]:
        """Return the names of the tensors remembered for each parameter, and the number each is first filled with."""
        return {}

    def counters(self, group: Mapping[str, Any]) -> dict[str, float]:
        """Return the names of the numbers remembered for each parameter, and their first values."""
        return {}

    def constants(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the rule makes from the hyperparameters; floats become tensors, other values stay."""
        return {}

    def factors(self, k: Any, lr: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        """Return numbers that the rule makes from the learning rate and the counters, and the next counters."""
        return {"lr": lr}, counters

    def update(self, k: Any, p: Tensor, g: Tensor, state: Values) -> Values:
        """Return the next value of a parameter and of each of its slots.

        Parameters
        ----------
        k : namespace
            The constants and factors of the group.
        p, g : Tensor
            The parameter and its gradient, weight decay applied.
        state : sequence of Tensor
            The slots, in order.
        """
        raise NotImplementedError(f"{type(self).__name__}: define update(self, k, p, g, state)")

    # --- what a user calls ---

    @property
    def state(self) -> dict[Variable, dict[str, Variable]]:
        """What is remembered for each parameter."""
        return {each.parameter: {**each.counters, **each.slots} for each in self._states()}

    def step(self, grads: Gradients | None = None) -> None:
        """Update every parameter that has a gradient.

        A parameter that the loss does not depend on stays as it is, with its state. Everything new is computed
        before anything is assigned: a step that fails changes nothing. After some steps, and sooner for many
        parameters, the rule is compiled where that is possible; it gives the same values to rounding.

        Parameters
        ----------
        grads : Gradients
            What ``loss.backward()`` returns.

        Raises
        ------
        DTypeError, ShapeError
            When no gradients are given, or not those of the parameters' shapes and types.
        GradientError
            When no parameter has a gradient.
        """
        if not isinstance(grads, Gradients):
            given = "nothing" if grads is None else type(grads).__name__
            raise DTypeError(
                f"{self._name}.step: expected the Gradients that loss.backward() returns, got {given}; "
                "write optimizer.step(loss.backward())"
            )
        if not self._compiled_update.made(self, grads):
            self._update(grads)

    # --- how it works ---

    def _update(self, grads: Gradients) -> None:
        """Update every parameter that has a gradient, operation by operation."""
        assign(self._updates(grads))

    def _updates(self, grads: Gradients) -> Updates:
        """Return the next value of every parameter that has a gradient, and of what is remembered of it."""
        updates: Updates = []
        with record(False):
            for group in self.param_groups:
                group.follow()
                self._collect(updates, group, grads)
        if not updates:
            raise GradientError(
                f"{self._name}.step: the loss depends on none of this optimiser's parameters; "
                "was it made for another model?"
            )
        return updates

    def _arrange(self, group: ParameterGroup) -> None:
        """Make the constants and the state that the hyperparameters call for, keeping what is there."""
        decay = group["weight_decay"]
        slots, counters = self.slots(group), self.counters(group)
        group.hold({"one": 1.0, "weight_decay": decay, **self.constants(group)}, (decay != 0.0, *slots, *counters))
        shared = {name: group.states[0].parameter._full((), value, float64) for name, value in counters.items()}
        for state in group.states:
            state.arrange(shared, slots)

    def _collect(self, updates: Updates, group: ParameterGroup, grads: Gradients) -> None:
        """Add the next value of every variable of a group to what is to be assigned.

        Parameters that have been updated equally often share their counters' tensors, and so the factors: those
        are computed once for all of them, and cast once for each type.
        """
        factors: dict[Any, tuple[dict[str, Tensor], Values]] = {}
        prepared: dict[Any, Any] = {}
        negated, decay = group["maximize"], not self.applies_weight_decay and group["weight_decay"] != 0.0
        for state in group.states:
            variable = state.parameter
            g = grads.get(variable)
            if g is None:
                continue
            p = variable.value
            rows = g if isinstance(g, RowGradient) and self.elementwise else None
            beside = g if rows is None else rows.rows
            if g.shape != p._data.shape or beside._data.dtype is not p._data.dtype:
                _check_gradient(self._name, variable, g)
            counters, slots = state.counters.values(), state.slots.values()
            count = tuple([id(each._data) for each in counters])
            if count not in factors:
                factors[count] = self._factors(group, p, [each.value for each in counters])
            numbers, counted = factors[count]
            key = count, p._data.dtype
            k = prepared.get(key)
            if k is None:
                k = prepared[key] = _namespace(group, p, numbers)
            if rows is not None:
                rows = rows.distinct()
                g, p = rows.rows, rows.of(p)
            if negated:
                g = -g
            if decay:
                if group["decoupled_weight_decay"]:
                    p = p * k.shrinkage
                else:
                    g = g + k.weight_decay * p
            held = [slot.value if rows is None else rows.of(slot.value) for slot in slots]
            values = self.update(k, p, g, held)
            if isinstance(values, Tensor) or len(values) != 1 + len(held):
                raise _wrong_count(self._name, list(state.slots), values)
            new: Sequence[Tensor | Rows] = values if rows is None else [Rows(rows.indices, each) for each in values]
            updates += zip((variable, *slots, *counters), (*new, *counted), strict=True)

    def _factors(self, group: ParameterGroup, p: Tensor, counters: Values) -> tuple[dict[str, Tensor], Values]:
        lr = group["lr"].value
        k = _Numbers(**group.tensors(p, float64))
        numbers, counters = self.factors(k, lr, counters)
        if group["decoupled_weight_decay"] and group["weight_decay"] != 0.0:
            numbers["shrinkage"] = k.one - lr * k.weight_decay
        return numbers, counters


class _Numbers(SimpleNamespace):
    """What a rule knows as ``k``."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"k.{name}: `constants` and `factors` name no such number; here there are {', '.join(vars(self))}"
        )


def _namespace(group: ParameterGroup, p: Tensor, factors: dict[str, Tensor]) -> _Numbers:
    """Return the constants and factors in the type of a parameter."""
    dtype = p.dtype
    k = _Numbers(**group.tensors(p, dtype))
    for name, value in factors.items():
        if name == "eps" and dtype.bits < 32:
            value = _not_vanishing(value, group, dtype)
        setattr(k, name, value if value.dtype in (dtype, bool_) else astype(value, dtype=dtype))
    return k


def _not_vanishing(eps: Tensor, group: ParameterGroup, dtype: DType) -> Tensor:
    """Return ``eps`` large enough for a narrow type, unless it is zero by choice; see `representable`."""
    return maximum(eps, eps._scalar(float_info(dtype).smallest_normal)) if group.get("eps") else eps


_COMMON: dict[str, Any] = {"weight_decay": 0.0, "maximize": False, "decoupled_weight_decay": False}
_COMMON_CHECKS: dict[str, Check] = {"weight_decay": non_negative, "maximize": flag, "decoupled_weight_decay": flag}


def _wrong_count(owner: str, slots: list[str], values: Any) -> ShapeError:
    given = "one tensor" if isinstance(values, Tensor) else f"{len(values)} values"
    wanted = f"the parameter and {', '.join(slots)}, as `slots` says" if slots else "the parameter alone: (p,)"
    return ShapeError(f"{owner}.update: expected a tuple of {1 + len(slots)}, {wanted}; got {given}")


def _check_gradient(owner: str, variable: Variable, g: Tensor) -> None:
    if g.shape != variable.shape:
        raise ShapeError(
            f"{owner}.step: {variable.label} has shape {list(variable.shape)}, its gradient {list(g.shape)}; "
            "they must be equal"
        )
    if g.dtype is not variable.dtype:
        raise DTypeError(
            f"{owner}.step: {variable.label} is {variable.dtype.name}, its gradient {g.dtype.name}; "
            "grads.map(lambda g: g.astype(...)) casts gradients"
        )
