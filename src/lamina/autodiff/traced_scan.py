"""A loop with a state in a trace: its step is traced once, and its derivative is another such loop.

Of each step the carry before it is kept. The loop backwards computes the step again from it, takes its derivative,
and carries the cotangent of the carry, and the sums of those of what the step reads from outside. The compiler keeps
what would be computed twice, unless the step is checkpointed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina.autodiff.checkpoint import Recomputed, from_outside, marked
from lamina.autodiff.effects import journal, put_back
from lamina.autodiff.node import Joint, Node, next_order, record
from lamina.autodiff.sweep import ancestors, sweep_between
from lamina.backends.thread_state import STATE
from lamina.functions.manipulation import reshape
from lamina.primitives.primitive import Spec
from lamina.primitives.repeated_product import Products
from lamina.primitives.several import Bundle, unpack
from lamina.tensor import Tensor

UNROLLED = 4
"""Up to how many steps a loop is written out: there is more to join then."""

# From the carries and the elements of a step to the carries after it and the rest, all of them leaves.
FlatStep = Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]

# `lamina.scan`, which stands on this module: what the derivative of a loop is made by.
Scan = Callable[..., tuple[Any, Any]]


def traced_scan(
    step: FlatStep, init: list[Tensor], rows: list[Tensor], length: int, reverse: bool, scan: Scan
) -> tuple[list[Tensor], list[Tensor]] | None:
    """Return the last carries and the stacked results of a loop; None for one that must be written out.

    Such is one whose step assigns variables, as dropout does, or needs what no loop can do.
    """
    tracer = STATE.tracer
    if tracer is None or not tracer.loops or length <= UNROLLED:
        return None
    start = next_order()
    specs = [*(Spec(x.shape, x.dtype) for x in init), *(Spec(x.shape[1:], x.dtype) for x in rows)]
    parameters = [tracer.parameter(spec, STATE.recording and spec.dtype.floating) for spec in specs]
    checks = len(tracer.checks)
    with journal() as noted, tracer.in_step():
        after, ys = step(parameters[: len(init)], parameters[len(init) :])
    if noted or len(tracer.checks) > checks:
        put_back(dict(noted))
        del tracer.checks[checks:]
        return None
    before = parameters[: len(init)] if STATE.recording else []
    results = list(tracer.lift("scan", (*after, *ys, *before)))
    values = tracer.loop(
        parameters, results, len(init), length, reverse, (*init, *rows), not _computes_again(results, start)
    )
    if values is None:
        return None
    outside = tracer.lift("scan", tuple(from_outside(results, start)))
    inputs = (*init, *rows, *outside)
    if not STATE.recording or all(x._node is None for x in inputs):
        made = [Tensor(value, tracer.backend) for value in values]
    else:
        loop = _Loop(step, len(init), len(rows), len(ys), reverse, scan)
        node = Node(loop, inputs, {}, values)  # type: ignore[arg-type]
        whole = Tensor(values, tracer.backend, node)
        made = [_as_tracked(x, of) for x, of in zip(unpack(whole, len(values)), results, strict=True)]
    return made[: len(init)], made[len(init) : len(init) + len(ys)]


def _as_tracked(result: Tensor, of: Tensor) -> Tensor:
    """Return a result of the loop, as a constant if its step gave one."""
    return result if of.tracked else result._untracked


def _computes_again(results: list[Tensor], start: int) -> bool:
    """Tell whether a step forgets what it computes, by `lamina.checkpoint`."""
    nodes = [x._node for x in results if x._node is not None]
    inside = ancestors(*nodes, before=start)
    return any(isinstance(node, Node) and node.primitive.name == Recomputed.name for node in inside)


class _Loop:
    """What the node of a loop has for a primitive."""

    name = "scan"

    def __init__(self, step: FlatStep, carries: int, rows: int, ys: int, reverse: bool, scan: Scan) -> None:
        self.derivatives = Joint(self._pull_back)
        self._step = step
        self._carries, self._rows, self._ys = carries, rows, ys
        self._reverse = reverse
        self._scan = scan

    def _pull_back(self, g: Bundle, y: Tensor, operands: tuple[Tensor, ...]) -> list[Any]:
        """Return the cotangents of the first carries, of what the loop ran over, and of what it read from outside."""
        carries, rows = self._carries, self._rows
        results = unpack(y, len(g.parts))
        kept = list(results[carries + self._ys :])
        outside = operands[carries + rows :]
        floating = [at for at in range(carries) if operands[at].dtype.floating]
        first = [_or_zeros(g.parts[at], operands[at]) for at in floating]
        present = [at for at in range(carries, len(g.parts)) if g.parts[at] is not None]
        sums = [at for at, x in enumerate(outside) if not _is_shared(x)]
        zeros = [outside[at]._full(outside[at].shape, 0) for at in sums]
        backward = _Backward(self._step, carries, rows, floating, present, outside, sums)
        over = [*kept, *operands[carries : carries + rows], *(g.parts[at] for at in present)]
        (last, totals), (by_rows, factors) = self._scan(backward, (first, zeros), over, reverse=not self._reverse)
        found: list[Any] = [None] * len(operands)
        for at, cotangent in zip(floating, last, strict=True):
            found[at] = cotangent
        for at, cotangent in zip(backward.rows_found, by_rows, strict=True):
            found[carries + at] = cotangent
        for at, total in zip(sums, totals, strict=True):
            found[carries + rows + at] = total
        for at, pairs in zip(backward.shared_found, factors, strict=True):
            found[carries + rows + at] = Products([(_rows(a), _rows(b)) for a, b in pairs])
        return found


class _Backward:
    """A step of the loop backwards.

    Attributes
    ----------
    rows_found : list of int
        Which elements have a cotangent.
    shared_found : list of int
        Which of what is read from outside has one that is a product: it is not summed, but made at the end.
    """

    def __init__(
        self,
        step: FlatStep,
        carries: int,
        rows: int,
        floating: list[int],
        present: list[int],
        outside: tuple[Tensor, ...],
        sums: list[int],
    ) -> None:
        self._step = step
        self._carries, self._rows = carries, rows
        self._floating, self._present = floating, present
        self._outside, self._sums = outside, sums
        self.rows_found: list[int] = []
        self.shared_found: list[int] = []

    def __call__(self, state: tuple[list[Tensor], list[Tensor]], now: list[Tensor]) -> Any:
        later, totals = state
        cut = self._carries + self._rows
        given = [marked(x) if x.dtype.floating else x for x in now[:cut]]
        with record(True):
            after, ys = self._step(given[: self._carries], given[self._carries :])
        results = [*after, *ys, *given[: self._carries]]
        pairs = [(results[at], g) for at, g in zip(self._floating, later, strict=True)]
        pairs += [(results[at], g) for at, g in zip(self._present, now[cut:], strict=True)]
        nodes = [x._node for x in (*given, *self._outside)]
        found = sweep_between(pairs, [node for node in nodes if node is not None])
        cotangents = [None if node is None else found.get(node) for node in nodes]
        before = [_or_zeros(cotangents[at], given[at]) for at in self._floating]
        self.rows_found = [at for at in range(self._rows) if cotangents[self._carries + at] is not None]
        by_rows = [cotangents[self._carries + at] for at in self.rows_found]
        by_outside: list[Any] = cotangents[cut:]
        sums = [
            total if by_outside[at] is None else total + by_outside[at]
            for at, total in zip(self._sums, totals, strict=True)
        ]
        self.shared_found = [at for at, each in enumerate(by_outside) if isinstance(each, Products)]
        shared = [each for each in by_outside if isinstance(each, Products)]
        factors = [[list(pair) for pair in each.factors] for each in shared]
        return (before, sums), (by_rows, factors)


def _or_zeros(cotangent: Any, x: Tensor) -> Tensor:
    return x._full(x.shape, 0) if cotangent is None else cotangent


def _is_shared(x: Tensor) -> bool:
    """Tell whether cotangents of a tensor are products, see `lamina.primitives.repeated_product`."""
    return isinstance(x._node, Node) and x._node.primitive.name == "shared matrix"


def _rows(x: Tensor) -> Tensor:
    """Return matrices one below the other."""
    return reshape(x, (x.shape[0] * x.shape[1], x.shape[2]))
