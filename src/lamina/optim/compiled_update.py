"""The update of all parameters of an optimiser as one program, once it has been made often enough to pay for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamina.autodiff.gradients import Gradients
from lamina.autodiff.node import Leaf
from lamina.autodiff.row_gradient import RowGradient
from lamina.backends.registry import CPU
from lamina.backends.thread_state import STATE
from lamina.errors import CheckpointError
from lamina.optim.row_update import assign
from lamina.primitives.shaping import permute_dims
from lamina.tensor import Tensor
from lamina.variable import Variable
from lamina.watched import REVISION, TraceCount

if TYPE_CHECKING:
    from lamina.optim.optimizer import Optimizer

PAYS = 1000.0
"""Work from which updates are compiled: the number of updates, each counted as its parameters weigh.

Compiling costs a few tenths of a second. It saves some tenths of a millisecond of every update, and most of what
NumPy needs for large parameters.
"""
_WEIGHTY = 50_000
"""Elements that weigh as much as the operations of an update themselves."""
_SETS = 4
"""Sets of parameters with gradients that are compiled; those that come later are updated operation by operation."""
_TRACES = 7
"""Traces after which an optimiser whose settings change all the time is left alone."""

_ABSENT, _AS_IT_IS, _TRANSPOSED = range(3)
Forms = tuple[int, ...]
"""For each parameter, whether it has a gradient, and whether that is passed transposed."""


class CompiledUpdate:
    """What an optimiser keeps to update its parameters by one program.

    It belongs to one optimiser: a copy of that begins with a new one.
    """

    def __init__(self) -> None:
        self._work = self._weight = 0.0
        self._refused = False
        self._function: Any = None
        self._known: dict[Forms, Forms] = {}
        self._traces = TraceCount()

    def state_dict(self) -> dict[str, Any]:
        """Return what decides which of the next updates are compiled: both ways give the same only to rounding."""
        known = [list(forms) for forms in self._known]
        return {"work": self._work, "refused": self._refused, "known": known, **self._traces.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Decide about the next updates as the optimiser did that left this state.

        Raises
        ------
        CheckpointError
            When it is not such a state; nothing has changed then.
        """
        work, refused, known = (state.get(name) for name in ("work", "refused", "known"))
        sets = known if isinstance(known, list) else [None]
        if not isinstance(work, float) or not isinstance(refused, bool) or not all(_are_forms(each) for each in sets):
            raise CheckpointError("load_state_dict: this is not what decides about the updates of an optimiser")
        self._traces.load_state_dict(state)
        self._work, self._refused = work, refused
        self._known = {forms: forms for forms in map(tuple, sets)}

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledUpdate:
        return CompiledUpdate()

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledUpdate, ()

    def made(self, optimizer: Optimizer, grads: Gradients) -> bool:
        """Update the parameters if that is done here, and tell whether it was.

        A rule that cannot be compiled is left to be applied operation by operation from then on.
        """
        if self._refused or STATE.tracer is not None:
            return False
        if self._work < PAYS:
            self._work += self._weight or self._weighed(optimizer)
            return False
        forms: list[int] = []
        gradients: list[Tensor] = []
        parameters: list[Variable] = []
        by_rows: dict[Leaf, Tensor] = {}
        for group in optimizer.param_groups:
            group.follow()
            for state in group.states:
                g = grads._by_leaf.get(state.parameter._leaf)  # type: ignore[arg-type]
                if g is None:
                    forms.append(_ABSENT)
                    continue
                if isinstance(g, RowGradient):
                    if optimizer.elementwise:
                        # How many rows there are differs from step to step, and a program is for one number of them.
                        forms.append(_ABSENT)
                        by_rows[state.parameter._leaf] = g  # type: ignore[index]
                        continue
                    g = g.dense()
                if g._backend is not CPU or g._node is not None:
                    return False
                form, g = _passed(g)
                forms.append(form)
                gradients.append(g)
                parameters.append(state.parameter)
        key = tuple(forms)
        known = self._known.get(key)
        if known is None:
            if not gradients or len(self._known) == _SETS:
                return False
            known = self._known[key] = key
        if self._function is None and not self._prepare(optimizer):
            return False
        # The very tuple of the calls before, by which this one is told to be like them.
        return self._run(optimizer, grads, by_rows, parameters, (known, *gradients))

    def _weighed(self, optimizer: Optimizer) -> float:
        elements = sum(each.size for group in optimizer.param_groups for each in group["params"])
        self._weight = 1.0 + elements / _WEIGHTY
        return self._weight

    def _prepare(self, optimizer: Optimizer) -> bool:
        """Make what is called, if the rule does the same in every call."""
        from lamina.compiler.decorator import compile
        from lamina.compiler.tracing.environment import Environment

        if Environment([optimizer]).stores:
            self._refuse()
            return False
        self._function = compile(_next_values)
        return True

    def _run(
        self,
        optimizer: Optimizer,
        grads: Gradients,
        by_rows: dict[Leaf, Tensor],
        parameters: list[Variable],
        args: tuple[Any, ...],
    ) -> bool:
        function, revision = self._function, REVISION.number
        traces = function.traces
        try:
            of_rows = optimizer._updates(Gradients.of_leaves(by_rows)) if by_rows else []
            values = function(optimizer, *args)
        except Exception:
            # Nothing has changed. If the gradients are wrong, this says so; if not, the rule cannot be compiled.
            optimizer._update(grads)
            self._refuse()
            return True
        for parameter, value in zip(parameters, values, strict=True):
            parameter.assign(value)
        assign(of_rows)
        anew = function.traces != traces and self._traces.is_new("update", optimizer, args[0])
        if anew and (REVISION.number != revision or self._traces["update"] >= _TRACES):
            self._refuse()
        return True

    def _refuse(self) -> None:
        self._refused, self._function = True, None


def _are_forms(values: Any) -> bool:
    return isinstance(values, list) and all(each in (_ABSENT, _AS_IT_IS, _TRANSPOSED) for each in values)


def _passed(g: Tensor) -> tuple[int, Tensor]:
    """Return a gradient as an array without gaps, and whether it is transposed for that."""
    if g._data.flags.c_contiguous:
        return _AS_IT_IS, g
    # The gradient of a product with a transposed weight is laid out so.
    turned = g._data.T
    return _TRANSPOSED, Tensor(turned if turned.flags.c_contiguous else turned.copy(), CPU)


def _next_values(optimizer: Optimizer, forms: Forms, *gradients: Tensor) -> list[Tensor]:
    """Return the next values of the parameters that have gradients, and update what is remembered of them.

    Parameters get new memory: what the loss was computed from usually still holds the old.
    """
    given = iter(gradients)
    by_leaf: dict[Leaf, Tensor] = {}
    states = [state for group in optimizer.param_groups for state in group.states]
    for state, form in zip(states, forms, strict=True):
        if form == _ABSENT:
            continue
        g, leaf = next(given), state.parameter._leaf
        if form == _TRANSPOSED:
            g = permute_dims(g, axes=tuple(reversed(range(g.ndim))))
        if leaf is not None:
            by_leaf[leaf] = g
    values = []
    for variable, value in optimizer._updates(Gradients.of_leaves(by_leaf)):
        assert isinstance(value, Tensor)
        if variable.trainable:
            values.append(value)
        else:
            variable.assign(value)
    return values
