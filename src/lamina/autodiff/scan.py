"""A loop with a state: what recurrent layers, solvers and filters are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.autodiff.effects import journal, put_back
from lamina.autodiff.node import record
from lamina.autodiff.traced_scan import traced_scan
from lamina.autodiff.trees import branches, leaves, mapped, with_leaves
from lamina.backends.thread_state import STATE
from lamina.dtypes import int64
from lamina.errors import DTypeError, ShapeError
from lamina.functions.comparisons import less, where
from lamina.functions.creation import asarray, zeros
from lamina.functions.manipulation import concat, stack, unstack
from lamina.functions.operands import cast
from lamina.primitives.batching import is_batched, lowered
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

Step = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    f: Step,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    stop: Tensor | int | None = None,
) -> tuple[Any, Any]:
    """Apply ``f`` to one element after the other, each time with the carry that it returned before.

    ``carry[t+1], y[t] = f(carry[t], x[t])`` for ``t`` from 0 to ``length - 1``

    The derivative is a loop too, in the other direction. It uses what the steps computed, which is kept:
    ``la.scan(la.checkpoint(f), ...)`` keeps the carries only, and computes each step again. What ``f`` reads from
    outside, such as variables, has gradients like everywhere.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``. The carry it returns is a tree of tensors like the one it was given, in
        structure, shapes and types; ``y`` is any tree of tensors.
    init : tree of Tensor
        The first carry: tensors or numbers, inside of tuples, lists and dicts.
    xs : tree of Tensor, optional
        What the loop runs over: the first axis of each tensor. None for nothing: ``f`` is given None.
    length : int, optional
        How many steps; needed where ``xs`` has no tensors.
    reverse : bool, default False
        Whether to begin at the last element. ``y[t]`` still belongs to ``x[t]``.
    stop : int or Tensor of int without axes, optional
        From which element on steps are left out: there ``y`` is zero and the carry stays as it is. A compiled loop
        takes no time for them, and a tensor may be traced: so one program serves all lengths up to the longest.

    Returns
    -------
    carry : tree of Tensor
        The last one.
    ys : tree of Tensor
        What ``f`` returned besides, each tensor stacked along a new first axis.

    Raises
    ------
    ShapeError
        When lengths differ or are unknown, or the carry changes in structure or shape.
    DTypeError
        When ``f`` does not return a pair of trees of tensors, the carry changes in type, or ``stop`` is no integer.

    Notes
    -----
    Inside of `lamina.compile` the step is traced once and the loop is part of the program, so that neither compiling
    nor the program grow with the length. What it assigns to variables is carried from step to step. Written out step by
    step are a short loop, and one whose function calls ``backward`` on what depends on the carry, for the gradient goes
    on through the steps before.

    Examples
    --------
    >>> import lamina as la
    >>> total, sums = la.scan(lambda total, x: (total + x, total + x), 0.0, la.asarray([1.0, 2.0, 3.0]))
    >>> total, sums
    (Tensor(6., shape=[], dtype=float32), Tensor([1., 3., 6.], shape=[3], dtype=float32))
    >>> fibonacci = lambda pair, _: ((pair[1], pair[0] + pair[1]), pair[0])
    >>> la.scan(fibonacci, (0, 1), length=7)[1]
    Tensor([0, 1, 1, 2, 3, 5, 8], shape=[7], dtype=int64)
    """
    carry = mapped(_operand, init)
    given = [_operand(x) for x in leaves(xs) if x is not None]
    steps = _steps(given, length)
    if steps == 0:
        return carry, _no_results(f, carry, xs, given)
    given = _on_one_device(given)
    end = None if stop is None else _end(stop)
    if isinstance(end, int):
        carry, ys = scan(f, carry, _filled(xs, [x[:end] for x in given]), min(end, steps), reverse)
        return carry, mapped(lambda y: None if y is None else _zeros_behind(y, steps), ys)
    if STATE.tracer is not None and (end is None or not is_batched(end)):
        looped = _traced(f, carry, xs, given, steps, reverse, end)
        if looped is not None:
            return looped
    if end is not None:
        return _written_out(f, carry, xs, given, steps, reverse, end)
    rows = [unstack(x) for x in given]
    order = range(steps - 1, -1, -1) if reverse else range(steps)
    results: list[list[Any]] = [[] for _ in order]
    tree = None
    for number, t in enumerate(order):
        carry, y = _step(f, carry, _filled(xs, [row[t] for row in rows]), check=number == 0)
        results[t] = leaves(y)
        tree = y if tree is None else tree
    columns = zip(*results, strict=True)
    return carry, with_leaves(tree, [_stacked(column) for column in columns])


def _end(stop: Any) -> Tensor | int:
    """Return where to stop: a number, or a tensor of int64 that is traced."""
    end = _operand(stop)
    if not end.dtype.integral:
        raise DTypeError(f"scan: stop is {end.dtype.name}; it counts steps, so give an integer")
    if end.ndim:
        raise ShapeError(f"scan: stop has shape {list(end.shape)}; it is one integer for the whole loop")
    end = lowered(end)
    return max(int(end), 0) if end._backend.has_values else cast(end, int64)._untracked


def _written_out(
    f: Step, carry: Any, xs: Any, given: list[Tensor], steps: int, reverse: bool, end: Tensor
) -> tuple[Any, Any]:
    """Return the result of a loop that is no operation of a trace, and stops where the program will know."""

    def step(state: Any, now: tuple[Any, Tensor]) -> tuple[Any, Any]:
        row, number = now
        taken = less(number, end)
        with journal() as before:
            after, y = f(state, row)
        for variable, value in before.items():
            variable.assign(where(taken, variable._untracked, value._untracked))
        pairs = paired("scan: the carry", state, mapped(_operand, after))
        after = with_leaves(state, [where(taken, new, old) for old, new in pairs])
        return after, mapped(lambda y: None if y is None else where(taken, _operand(y), _operand(y)._scalar(0)), y)

    numbers = end._constant(np.arange(steps), int64)
    return scan(step, carry, (_filled(xs, given), numbers), steps, reverse)


def _zeros_behind(y: Tensor, steps: int) -> Tensor:
    return concat([y, y._full((steps - y.shape[0], *y.shape[1:]), 0)], axis=0) if y.shape[0] < steps else y


def _traced(
    f: Step, carry: Any, xs: Any, given: list[Tensor], steps: int, reverse: bool, stop: Tensor | None
) -> tuple[Any, Any] | None:
    """Return the result of a loop that is one operation of a trace; None where it cannot be."""
    tree = None

    def step(before: list[Tensor], row: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        nonlocal tree
        state = with_leaves(carry, before)
        after, tree = _step(f, state, _filled(xs, row), check=True)
        pairs = paired("scan: the carry", state, mapped(_operand, after))
        return [each for _, each in pairs], [_operand(y) for y in leaves(tree) if y is not None]

    init = list(STATE.tracer.lift("scan", tuple(leaves(carry))))
    looped = traced_scan(step, init, given, steps, reverse, scan, stop)
    if looped is None:
        return None
    last, ys = looped
    columns = iter(ys)
    return with_leaves(carry, last), mapped(lambda y: None if y is None else next(columns), tree)


def _operand(x: Any) -> Tensor:
    if isinstance(x, Operand):
        return x._snapshot
    if x is None or isinstance(x, str):
        raise DTypeError(f"scan: expected a tensor or a number in a tree, got {x!r}")
    return asarray(x)


def _on_one_device(given: list[Tensor]) -> list[Tensor]:
    """Return what the loop runs over; in a trace as tensors of it, so that each is one input and not many."""
    return list(STATE.tracer.lift("scan", tuple(given))) if STATE.tracer is not None else given


def _filled(xs: Any, row: list[Tensor]) -> Any:
    """Return the elements of one step as a tree like ``xs``."""
    rest = iter(row)
    return mapped(lambda x: None if x is None else next(rest), xs)


def _steps(given: list[Tensor], length: int | None) -> int:
    """Return the number of steps, on which everything must agree."""
    scalars = [x for x in given if x.ndim == 0]
    if scalars:
        raise ShapeError("scan: a tensor of xs has no axes; the loop runs along the first axis of each")
    lengths = {x.shape[0] for x in given}
    if length is not None:
        lengths.add(length)
    if not lengths:
        raise ShapeError("scan: there are no xs to run over; say how many steps with length=")
    if len(lengths) > 1 or min(lengths) < 0:
        shapes = ", ".join(str(list(x.shape)) for x in given)
        beside = "" if length is None else f" and length={length}"
        raise ShapeError(f"scan: the first axes of xs must be equally long, got shapes {shapes}{beside}")
    return lengths.pop()


def _step(f: Step, carry: Any, x: Any, check: bool) -> tuple[Any, Any]:
    returned = f(carry, x)
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise DTypeError(f"scan: the function must return a pair (carry, y), got {type(returned).__name__}")
    after, y = returned
    if check:
        after = mapped(_operand, after)
        paired("scan: the carry before a step and the one it returned", carry, after)
    return after, y


def paired(what: str, one: Any, other: Any) -> list[tuple[Any, Any]]:
    """Return the leaves of two trees of tensors side by side; an error unless the trees are alike."""
    first, second = branches(one), branches(other)
    if first is None or second is None:
        if first is not second or (one is None) is not (other is None):
            raise ShapeError(f"{what} differ in structure: {_kind(one)} and {_kind(other)}")
        return [_alike(what, one, other)]
    names, by_name = [name for name, _ in first[1]], dict(second[1])
    if first[0] is not second[0] or set(names) != by_name.keys():
        raise ShapeError(f"{what} differ in structure: {_kind(one)} and {_kind(other)}")
    return [pair for name, child in first[1] for pair in paired(what, child, by_name[name])]


def _alike(what: str, one: Any, other: Any) -> tuple[Any, Any]:
    if one is not None and one.shape != other.shape:
        raise ShapeError(f"{what} differ in shape: {list(one.shape)} and {list(other.shape)}")
    if one is not None and one.dtype is not other.dtype:
        raise DTypeError(f"{what} differ in type: {one.dtype.name} and {other.dtype.name}; cast one with astype")
    return one, other


def _kind(tree: Any) -> str:
    found = branches(tree)
    if found is None:
        return "None" if tree is None else "a tensor"
    names = ", ".join(map(str, (name for name, _ in found[1])))
    return f"a {found[0].__name__} of {names or 'nothing'}"


def _stacked(column: tuple[Any, ...]) -> Any:
    if all(y is None for y in column):
        return None
    return stack([_operand(y) for y in column])


def _no_results(f: Step, carry: Any, xs: Any, given: list[Tensor]) -> Any:
    """Return the results of no steps: their shapes are those of a step that is undone."""
    row = [zeros(x.shape[1:], dtype=x.dtype, device=x.device) for x in given]
    with journal() as noted, record(False):
        try:
            y = _step(f, carry, _filled(xs, row), check=True)[1]
        finally:
            put_back(dict(noted))
    return mapped(lambda each: None if each is None else _operand(each)._full((0, *_operand(each).shape), 0), y)
