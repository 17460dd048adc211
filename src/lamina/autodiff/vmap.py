"""A function of one example as a function of many."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import numpy as np

from lamina.autodiff.row_gradient import RowGradient
from lamina.autodiff.trees import Path, branches, in_words, replaced
from lamina.backends.batching import BatchingBackend, Level
from lamina.backends.thread_state import STATE
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.manipulation import moveaxis
from lamina.functions.operands import PYTHON_NUMBERS, one_axis
from lamina.primitives.batching import entered, is_batched, lifted, unwrapped, wrapped
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

Axes = Any
"""An axis or None for everything, or a tree of them like the beginning of the tree they belong to."""

RANDOMNESS = ("error", "same", "different")


def vmap(
    function: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0, *, randomness: str = "error"
) -> Callable[..., Any]:
    """Return a function that computes for a whole axis what ``function`` computes for one place along it.

    ``vmap(f)(x)[i] = f(x[i])``

    The function runs once, on tensors that do not show the axis; each operation is one for all places. Derivatives
    inside are those of one place: ``vmap(grad(f))`` gives a gradient for each example, and so do ``loss.backward()``
    inside of the function and the variables it reads. Derivatives outside are sums over all of them. Mapped functions
    may be inside one another, inside of `lamina.compile`, and hold loops, choices and checkpoints.

    Parameters
    ----------
    function : callable
        From trees of tensors to a tree of tensors; a module serves too.
    in_axes : int, None, or tree of them, default 0
        The axis of each argument that is mapped over, None for one that all calls see whole. A tuple has an entry for
        each positional argument, which may be a tree like the beginning of the argument. Negative axes count from the
        end. Arguments given by name are seen whole.
    out_axes : int, None, or tree of them, default 0
        Where the axis is in the results; None where a result is the same for all calls.
    randomness : {"error", "same", "different"}, default "error"
        What random numbers inside are: refused; the same in all calls, as one call draws them; or different, as if the
        calls drew one after the other: the generator counts on by as many draws.

    Returns
    -------
    callable

    Raises
    ------
    ShapeError
        When called: where lengths differ, an argument has no such axis, or ``in_axes`` does not fit the arguments.
    TracingError
        Where the function asks for a value that differs from call to call, as ``if x > 0`` does: choose with
        `lamina.where` or `lamina.cond`. So it is with what changes a shape, as ``x[x > 0]``.
    AssignmentError
        Where a value that differs is assigned to a variable. One made inside of the function can hold it.

    Notes
    -----
    These run in a loop over the axis inside: ``searchsorted`` in sorted values that differ, random numbers by a key
    that differs, and the derivative of a function that was compiled and called before. A compiled function that is
    called inside becomes a part of the function; compile the whole, ``la.compile(la.vmap(f))``.

    Examples
    --------
    >>> import lamina as la
    >>> distance = lambda x, y: ((x - y) ** 2).sum()
    >>> points = la.asarray([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]])
    >>> la.vmap(distance, in_axes=(0, None))(points, la.zeros(2))
    Tensor([ 0., 25.,  2.], shape=[3], dtype=float32)

    The gradient for each example, and all pairs:

    >>> la.vmap(la.grad(distance), in_axes=(0, None))(points, la.zeros(2))
    Tensor([[0., 0.],
            [6., 8.],
            [2., 2.]], shape=[3, 2], dtype=float32)
    >>> pairs = la.vmap(la.vmap(distance, in_axes=(None, 0)), in_axes=(0, None))
    >>> pairs(points, points)[1]
    Tensor([25.,  0., 13.], shape=[3], dtype=float32)

    Sources: R. Frostig et al., "Compiling machine learning programs via high-level tracing", SysML 2018; names and
    the meaning of ``randomness`` as in PyTorch's ``torch.func``.
    """
    if randomness not in RANDOMNESS:
        raise DataError(f"vmap: randomness is {randomness!r}; choose one of {', '.join(map(repr, RANDOMNESS))}")

    @wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        given = [_Given(function, *each) for each in _spread("in_axes", in_axes, args, ())]
        level = Level(_size(function, given), randomness)
        backend = level.over(_around(given))
        arguments = iter([each.seen(backend) for each in given])
        with entered(backend):
            returned = function(*_filled(args, arguments), **kwargs)
            found = [(path, _tensor(x), axis) for path, x, axis in _spread("out_axes", out_axes, returned, ())]
        results = iter([_outside(path, x, axis, level) for path, x, axis in found])
        return _filled(returned, results)

    return mapped


# --- trees ------------------------------------------------------------------------------------------------


def _children(tree: Any) -> list[tuple[Any, Any]] | None:
    """Return what is on a branch; of a gradient by rows there is one kind for all calls, which is no branch."""
    found = None if isinstance(tree, Operand) else branches(tree)
    return None if found is None else found[1]


def _spread(what: str, axes: Axes, tree: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Yield the path of each leaf of a tree, the leaf and its axis."""
    children = _children(tree)
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        if children is None:
            yield path, tree, axes
        for name, child in children or ():
            yield from _spread(what, axes, child, (*path, name))
        return
    wanted = branches(axes)
    if wanted is None:
        raise ShapeError(f"vmap: {what} holds {axes!r}; give integers, None, or trees of them")
    by_name = dict(wanted[1])
    if children is None or isinstance(tree, dict) != isinstance(axes, dict) or by_name.keys() != dict(children).keys():
        place = in_words("", path) or ("the arguments" if what == "in_axes" else "the result")
        raise ShapeError(
            f"vmap: {what} {axes!r} does not fit {place}, {_described(tree, children)}; give as many entries, or one "
            "integer or None for all of it"
        )
    for name, child in children:
        yield from _spread(what, by_name[name], child, (*path, name))


def _described(tree: Any, children: list[tuple[Any, Any]] | None) -> str:
    kind = type(tree).__name__
    return kind if children is None else f"{kind} of {len(children)}"


def _filled(tree: Any, new: Iterator[Any]) -> Any:
    """Return a tree with other leaves, in order."""
    children = _children(tree)
    return next(new) if children is None else replaced(tree, [_filled(child, new) for _, child in children])


# --- in ---------------------------------------------------------------------------------------------------


class _Given:
    """A leaf of the arguments, and the axis it is mapped over."""

    def __init__(self, function: Callable[..., Any], path: Path, value: Any, axis: int | None) -> None:
        self.path = path
        self.value = asarray(value) if isinstance(value, np.ndarray) else value
        self.axis: int | None = None
        if axis is None or value is None:
            return
        if not isinstance(self.value, Operand):
            name = _name(_names(function), path)
            raise ShapeError(
                f"vmap: {name} is a {type(value).__name__}, which has no axis {axis}; give None in in_axes"
            )
        self.axis = one_axis("vmap", axis, self.value.ndim)

    @property
    def length(self) -> int:
        """How long the axis is."""
        assert self.axis is not None
        return self.value.shape[self.axis]

    def seen(self, backend: BatchingBackend) -> Any:
        """Return what the function is given."""
        if self.axis is None:
            return self.value
        whole = lifted(self.value, backend.inner)
        return wrapped(moveaxis(whole, self.axis, 0) if self.axis else whole, backend.level)


def _size(function: Callable[..., Any], given: Sequence[_Given]) -> int:
    mapped = [each for each in given if each.axis is not None]
    if not mapped:
        raise ShapeError("vmap: there is nothing to map over; in_axes must have an axis for one argument at least")
    sizes = {each.length for each in mapped}
    if len(sizes) > 1:
        names = _names(function)
        lengths = ", ".join(f"{_name(names, each.path)} has {each.length} along axis {each.axis}" for each in mapped)
        raise ShapeError(f"vmap: the axes that are mapped over must be equally long: {lengths}")
    return sizes.pop()


def _names(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


def _name(names: list[str], path: Path) -> str:
    place = path[0]
    return in_words(names[place] if place < len(names) else f"argument {place}", path[1:])


def _around(given: Sequence[_Given]) -> Any:
    """Return the backend that the function's computing is done on: an outer mapped function's, a trace's, or theirs."""
    if STATE.batching is not None:
        return STATE.batching
    if STATE.tracer is not None:
        return STATE.tracer.backend
    return next(each.value._backend for each in given if each.axis is not None)


# --- out --------------------------------------------------------------------------------------------------


def _tensor(x: Any) -> Any:
    """Return what a function returned as a tensor; None is none."""
    if isinstance(x, RowGradient):
        return x.dense()
    if isinstance(x, Operand):
        return x._snapshot
    if x is None:
        return None
    if not isinstance(x, (np.ndarray, np.generic, *PYTHON_NUMBERS)):
        raise DTypeError(f"vmap: the function returned a {type(x).__name__}; return tensors, numbers and trees of them")
    return asarray(x)


def _outside(path: Path, x: Any, axis: int | None, level: Level) -> Any:
    """Return a result as it is outside."""
    if x is None:
        return None
    if axis is None:
        return _same(path, x, level)
    whole = unwrapped(x, level)
    return moveaxis(whole, 0, axis) if one_axis("vmap", axis, whole.ndim) else whole


def _same(path: Path, x: Tensor, level: Level) -> Tensor:
    """Return a result that is the same for all calls."""
    if not is_batched(x) or x._backend.level is not level:  # type: ignore[attr-defined]
        return x
    if x._data.is_mapped:
        place = in_words("the result", path)
        raise ShapeError(f"vmap: {place} differs from call to call; give it an axis in out_axes, not None")
    return unwrapped(x, level)[0]
