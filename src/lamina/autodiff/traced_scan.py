"""A loop with a state in a trace: its step is traced once, and its derivative is another such loop.

Of each step the carry before it is kept. The loop backwards computes the step again from it, takes its derivative,
and carries the cotangent of the carry, and the sums of those of what the step reads from outside. The compiler keeps
what would be computed twice, unless the step is checkpointed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina.autodiff.branch import Branch
from lamina.autodiff.checkpoint import Recomputed, from_outside, marked
from lamina.autodiff.effects import in_the_same_way, journal, put_back, rewound
from lamina.autodiff.node import Joint, Node, next_order, record
from lamina.autodiff.row_gradient import RowGradient
from lamina.autodiff.sweep import ancestors, sweep_between
from lamina.backends.thread_state import STATE
from lamina.dtypes import int64
from lamina.functions import reductions
from lamina.functions.manipulation import reshape
from lamina.primitives.batching import apart, common_backend, spread, together
from lamina.primitives.multiple_results import Bundle, unpack
from lamina.primitives.repeated_product import SHARED, Products
from lamina.tensor import Tensor
from lamina.variable import Variable

UNROLLED = 4
"""Up to how many steps a loop is written out: there is more to join then."""

# From the carries and the elements of a step to the carries after it and the rest, all of them leaves.
FlatStep = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]

# `lamina.scan`, which stands on this module: what the derivative of a loop is made by.
Scan = Callable[..., tuple[Any, Any]]


def traced_scan(
    step: FlatStep,
    init: list[Tensor],
    rows: list[Tensor],
    length: int,
    reverse: bool,
    scan: Scan,
    stop: Tensor | None = None,
) -> tuple[list[Tensor], list[Tensor]] | None:
    """Return the last carries and the stacked results of a loop; None for one that is to be written out.

    Such is a short one, and one whose step calls ``backward`` on what depends on the steps before.
    """
    tracer = STATE.tracer
    if tracer is None or not tracer.loops or (length <= UNROLLED and stop is None):
        return None
    loop = _Loop(step, init, rows, length, reverse, scan, stop)
    assigned = loop.trace()
    if assigned is None:
        return None
    if assigned:
        # They are carried too, by a step that is given them; for that it is traced once more.
        loop = _Loop(
            _with_variables(step, assigned), [*init, *_values(assigned)], rows, length, reverse, scan, stop, assigned
        )
        loop.trace()
    after, ys = loop.results()
    for variable, value in zip(assigned, after[len(init) :], strict=True):
        variable.assign(value)
    return after[: len(init)], ys


def _values(variables: Sequence[Variable]) -> list[Tensor]:
    return [x._untracked for x in STATE.tracer.lift("scan", tuple(variables))]


def _with_variables(step: FlatStep, variables: Sequence[Variable]) -> FlatStep:
    """Return a step that takes the values of variables as its last carries, returns them so, and assigns nothing."""

    def given(carries: list[Tensor], row: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        cut = len(carries) - len(variables)
        with rewound(dict(zip(variables, carries[cut:], strict=True))):
            after, ys = step(carries[:cut], row)
            return [*after, *_values(variables)], ys

    return given


def _as_tracked(result: Tensor, of: Tensor) -> Tensor:
    """Return a result of the loop, as a constant if its step gave one."""
    return result if of.tracked else result._untracked


def _computes_again(results: list[Tensor], start: int) -> bool:
    """Tell whether a step forgets what it computes, by `lamina.checkpoint`."""
    nodes = [x._node for x in results if x._node is not None]
    inside = [node.operation for node in ancestors(*nodes, before=start) if isinstance(node, Node)]
    return any(
        isinstance(each, Recomputed) or (isinstance(each, Branch) and _computes_again(each.inner, start))
        for each in inside
    )


class _Loop:
    """A loop, and the operation of its node.

    Parameters
    ----------
    step : callable
    init, rows : list of Tensor
        The first carries, and what the loop runs over.
    length : int
    reverse : bool
    scan : callable
    stop : Tensor of int64, optional
        From which element on steps are left out.
    variables : sequence of Variable, default ()
        Which the last carries stand for: what is assigned has no gradient.
    """

    name = "scan"

    def __init__(
        self,
        step: FlatStep,
        init: list[Tensor],
        rows: list[Tensor],
        length: int,
        reverse: bool,
        scan: Scan,
        stop: Tensor | None = None,
        variables: Sequence[Variable] = (),
    ) -> None:
        self.derivatives = Joint(self._pull_back)
        self._step, self._scan = in_the_same_way(step), scan
        self._init, self._rows = ([spread(x, x._backend) for x in given] for given in (init, rows))
        self._length, self._reverse, self._stop = length, reverse, stop
        self._variables = variables

    @property
    def _moving(self) -> list[int]:
        """The places of the carries that may have gradients."""
        return [at for at, x in enumerate(self._init[: len(self._init) - len(self._variables)]) if x.dtype.floating]

    def trace(self) -> list[Variable] | None:
        """Run the step once on what stands for its carry and element, and return the variables that it assigns.

        None where it takes gradients through the steps before, which it does not see.
        """
        tracer, count, moving = STATE.tracer, len(self._init), self._moving
        self._start = next_order()
        carries = [tracer.steps.parameter(x, STATE.recording and at in moving) for at, x in enumerate(self._init)]
        row = [tracer.steps.parameter(x, STATE.recording and x.tracked, element=True) for x in self._rows]
        checks = len(tracer.checks)
        with journal() as noted, tracer.steps.inside():
            after, ys = self._step(carries, row)
        self._checks = tracer.checks_since(checks)
        assigned = [variable for variable, value in noted.items() if variable._snapshot._data is not value._data]
        put_back(dict(noted))
        if tracer.steps.were_left():
            return None
        wider = [spread(x, common_backend((x, y))) for x, y in zip(self._init, after, strict=True)]
        if any(new is not old for new, old in zip(wider, self._init, strict=True)):
            # A carry that calls of a mapped function share at first, and then do not.
            self._init = wider
            return self.trace()
        self._parameters = [*carries, *row]
        # Of each step the carry before it is kept, for the loop backwards, and what it requires.
        self._kept = [*(carries if STATE.recording else []), *(condition for condition, _ in self._checks)]
        self._ys = len(ys)
        results = tracer.lift("scan", (*after, *ys, *self._kept))
        beside = (*self._init, *results[count:])
        self._results = [spread(x, like._backend) for x, like in zip(results, beside, strict=True)]
        return assigned

    def results(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return the last carries and the stacked results."""
        tracer, count, results = STATE.tracer, len(self._init), self._results
        given = (*self._init, *self._rows)
        keeps = not _computes_again(results, self._start)
        values = tracer.steps.loop(
            self._parameters, results, count, self._length, self._reverse, given, keeps, self._stop
        )
        leaves = {x._node: x for x in tracer.lift("scan", tuple(self._variables))}
        # What a variable held when it was read in the step is inside of the loop.
        outside = [leaves.get(x._node, x) for x in from_outside(results, self._start)]
        inputs = (*given, *tracer.lift("scan", tuple(outside)))
        made = [Tensor(value, of._backend) for value, of in zip(values, results, strict=True)]
        if STATE.recording and any(x._node is not None for x in inputs):
            self._made = made
            backend, arrays = together(made)
            whole = Tensor(arrays, backend, Node(self, inputs, {}, arrays))
            made = [_as_tracked(x, of) for x, of in zip(self._apart(whole), results, strict=True)]
        conditions = made[len(made) - len(self._checks) :]
        left_out = self._left_out() if conditions else None
        for condition, (_, error) in zip(conditions, self._checks, strict=True):
            tracer.require(reductions.all(condition if left_out is None else condition | left_out), error)
        return made[:count], made[count : count + self._ys]

    def _apart(self, whole: Tensor) -> list[Tensor]:
        """Return the results of the loop, of which ``whole`` holds all."""
        whole = Tensor(whole._data, common_backend(self._made), whole._node)
        return apart(unpack(whole, len(self._made)), self._made)

    def _left_out(self) -> Tensor | None:
        """Return which steps are left out."""
        if self._stop is None:
            return None
        return self._stop._constant(np.arange(self._length), int64) >= self._stop

    def _pull_back(self, g: Bundle, y: Tensor, operands: tuple[Tensor, ...]) -> list[Any]:
        """Return the cotangents of the first carries, of what the loop ran over, and of what it read from outside."""
        carries, rows, moving = len(self._init), len(self._rows), self._moving
        results = self._apart(y)
        kept = list(results[carries + self._ys : 2 * carries + self._ys])
        outside = operands[carries + rows :]
        first = [_or_zeros(g.parts[at], operands[at]) for at in moving]
        present = [at for at in range(carries, len(g.parts)) if g.parts[at] is not None]
        sums = [at for at, x in enumerate(outside) if not _is_shared(x)]
        zeros = [outside[at]._full(outside[at].shape, 0) for at in sums]
        backward = _Backward(self._step, carries, rows, moving, present, outside, sums)
        over = [*kept, *operands[carries : carries + rows], *(g.parts[at] for at in present)]
        (last, totals), (by_rows, factors, of_tables) = self._scan(
            backward, (first, zeros), over, reverse=not self._reverse, stop=self._stop
        )
        found: list[Any] = [None] * len(operands)
        for at, cotangent in zip(moving, last, strict=True):
            found[at] = cotangent
        for at, cotangent in zip(backward.rows_found, by_rows, strict=True):
            found[carries + at] = cotangent
        for at, total in zip(sums, totals, strict=True):
            found[carries + rows + at] = total
        for at, pairs in zip(backward.shared_found, factors, strict=True):
            found[carries + rows + at] = Products([(_joined(a), _joined(b)) for a, b in pairs])
        for at, (indices, of_rows) in zip(backward.tables_found, of_tables, strict=True):
            found[carries + rows + at] = RowGradient(_joined(indices), _joined(of_rows), outside[at].shape[0])
        return found


class _Backward:
    """A step of the loop backwards.

    Attributes
    ----------
    rows_found : list of int
        Which elements have a cotangent.
    shared_found, tables_found : list of int
        Which of what is read from outside has one that is a product, or rows of a table: it is not summed, but put
        together at the end.
    """

    def __init__(
        self,
        step: FlatStep,
        carries: int,
        rows: int,
        moving: list[int],
        present: list[int],
        outside: tuple[Tensor, ...],
        sums: list[int],
    ) -> None:
        self._step = step
        self._carries, self._rows = carries, rows
        self._moving, self._present = moving, present
        self._outside, self._sums = outside, sums
        self.rows_found: list[int] = []
        self.shared_found: list[int] = []
        self.tables_found: list[int] = []

    def __call__(self, state: tuple[list[Tensor], list[Tensor]], now: list[Tensor]) -> Any:
        later, totals = state
        cut = self._carries + self._rows
        ends = {*self._moving, *range(self._carries, cut)}
        given = [marked(x) if x.dtype.floating and at in ends else x for at, x in enumerate(now[:cut])]
        checks = len(STATE.tracer.checks)
        with record(True):
            after, ys = self._step(given[: self._carries], given[self._carries :])
        # The loop forwards requires the same.
        STATE.tracer.checks_since(checks)
        results = [*after, *ys, *given[: self._carries]]
        pairs = [(results[at], g) for at, g in zip(self._moving, later, strict=True)]
        pairs += [(results[at], g) for at, g in zip(self._present, now[cut:], strict=True)]
        nodes = [x._node for x in (*given, *self._outside)]
        found = sweep_between(pairs, [node for node in nodes if node is not None])
        cotangents = [None if node is None else found.get(node) for node in nodes]
        before = [_or_zeros(cotangents[at], given[at]) for at in self._moving]
        self.rows_found = [at for at in range(self._rows) if cotangents[self._carries + at] is not None]
        by_rows = [cotangents[self._carries + at] for at in self.rows_found]
        by_outside: list[Any] = cotangents[cut:]
        self.tables_found = [at for at, each in enumerate(by_outside) if isinstance(each, RowGradient)]
        of_tables = [[by_outside[at].indices, by_outside[at].rows] for at in self.tables_found]
        sums = [
            total if by_outside[at] is None or at in self.tables_found else total + by_outside[at]
            for at, total in zip(self._sums, totals, strict=True)
        ]
        self.shared_found = [at for at, each in enumerate(by_outside) if isinstance(each, Products)]
        shared = [each for each in by_outside if isinstance(each, Products)]
        factors = [[list(pair) for pair in each.factors] for each in shared]
        return (before, sums), (by_rows, factors, of_tables)


def _or_zeros(cotangent: Any, x: Tensor) -> Tensor:
    return x._full(x.shape, 0) if cotangent is None else cotangent


def _is_shared(x: Tensor) -> bool:
    """Tell whether cotangents of a tensor are products, see `lamina.primitives.repeated_product`."""
    return isinstance(x._node, Node) and x._node.operation.name == SHARED


def _joined(x: Tensor) -> Tensor:
    """Return the first two axes as one."""
    return reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))
