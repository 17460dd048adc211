"""A choice between two functions by a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.autodiff.branch import as_branch
from lamina.autodiff.effects import Journal, journal, put_back
from lamina.autodiff.node import next_order
from lamina.autodiff.scan import paired
from lamina.autodiff.trees import leaves, mapped, with_leaves
from lamina.dtypes import bool_
from lamina.errors import DTypeError, ShapeError
from lamina.functions.comparisons import where
from lamina.functions.creation import asarray
from lamina.primitives.batching import is_batched
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

Function = Callable[..., Any]


def cond(predicate: Any, true_fn: Function, false_fn: Function, /, *operands: Any) -> Any:
    """Return ``true_fn(*operands)`` where the predicate holds, and ``false_fn(*operands)`` where it does not.

    A predicate that has a value decides which function is called. Inside of `lamina.compile` a traced predicate has
    none: both functions are computed, and of their results, and of what they assign to variables, those that belong
    to the predicate are taken. The other function has no part in gradients. It must be computable: where it takes
    rows by an index that is out of range, for instance, the program fails. Under `vmap`, calls may choose differently:
    there the results of both are chosen between as by `lamina.where`.

    Parameters
    ----------
    predicate : bool or Tensor of bool without axes
    true_fn, false_fn : callable
        From the operands to a tree of tensors. Both trees are alike in structure, shapes and types.
    *operands : trees of tensors
        What the functions are called with; they may read other tensors and variables besides.

    Returns
    -------
    tree of Tensor
        What the chosen function returned.

    Raises
    ------
    DTypeError, ShapeError
        When the predicate is no single truth value, or, while compiling, the two results are not alike.

    Examples
    --------
    >>> import lamina as la
    >>> half_or_triple = lambda n: la.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n)
    >>> half_or_triple(la.asarray(6)), half_or_triple(la.asarray(7))
    (Tensor(3, shape=[], dtype=int64), Tensor(22, shape=[], dtype=int64))
    >>> la.compile(half_or_triple)(la.asarray(7))
    Tensor(22, shape=[], dtype=int64)
    """
    chosen = _truth(predicate)
    if not isinstance(chosen, Tensor):
        return (true_fn if chosen else false_fn)(*operands)
    yes, assigned_if_true = _tried(true_fn, operands, chosen, True)
    no, assigned_if_false = _tried(false_fn, operands, chosen, False)
    for variable in dict.fromkeys((*assigned_if_true, *assigned_if_false)):
        values = [each.get(variable, variable._untracked) for each in (assigned_if_true, assigned_if_false)]
        variable.assign(where(chosen, *values))
    return _selected(chosen, yes, no)


def _truth(predicate: Any) -> bool | Tensor:
    """Return the truth value; a tensor where it is not known yet."""
    if isinstance(predicate, bool | np.bool_):
        return bool(predicate)
    if not isinstance(predicate, Operand):
        raise DTypeError(f"cond: expected a bool or a tensor of bool as predicate, got {type(predicate).__name__}")
    if predicate.dtype is not bool_:
        raise DTypeError(f"cond: the predicate is {predicate.dtype.name}; compare it with something, as in x > 0")
    if predicate.shape != ():
        raise ShapeError(
            f"cond: the predicate has shape {list(predicate.shape)}, which is not one truth value; "
            "use la.where to choose element by element, or reduce it with all() or any()"
        )
    source = predicate._snapshot
    return bool(source) if source._backend.has_values else source


def _tried(branch: Function, operands: tuple[Any, ...], chosen: Tensor, when: bool) -> tuple[Any, Journal]:
    """Return what a function returns and the variables it assigned, with these as they were before."""
    start = next_order()
    with journal() as before:
        try:
            returned = mapped(_result, branch(*operands))
        finally:
            assigned = {variable: variable._untracked for variable in before}
            put_back(dict(before))
    if not is_batched(chosen):
        # Calls of a mapped function that choose differently share what they read from outside.
        returned = with_leaves(returned, as_branch(chosen, when, leaves(returned), start))
    return returned, assigned


def _result(x: Any) -> Any:
    if isinstance(x, Operand):
        return x._snapshot
    return None if x is None else asarray(x)


def _selected(chosen: Tensor, yes: Any, no: Any) -> Any:
    pairs = paired("cond: what the two functions returned", yes, no)
    return with_leaves(yes, [None if one is None else where(chosen, one, other) for one, other in pairs])
