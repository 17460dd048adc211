"""Derivatives of functions: each takes a function of tensors and gives a function or a result.

They compose to any order: the sweep inside records its own steps whenever something outside can ask for
their derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import numpy as np

from lamina.autodiff.gradients import fitting, seed
from lamina.autodiff.node import Leaf, Node, record
from lamina.autodiff.sweep import sweep
from lamina.autodiff.trees import branches, leaves, with_leaves
from lamina.autodiff.vmap import vmap
from lamina.backends.thread_state import STATE
from lamina.errors import DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.primitives.batching import inside
from lamina.primitives.elementwise import alias
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

Function = Callable[..., Any]
Pullback = Callable[[Tensor], tuple[Tensor, ...]]


def _marked(name: str, x: Any) -> Tensor:
    """Return ``x`` under a new node, at which the sweep of this derivative ends.

    The node keeps its link to what ``x`` was made from, so that an enclosing derivative goes on behind it.
    """
    if hasattr(x, "parameters"):
        raise DTypeError(
            f"{name}: expected tensors, got {type(x).__name__}; loss.backward() returns the gradients of its parameters"
        )
    value = inside(x._snapshot if isinstance(x, Tensor) else asarray(x))
    if not value.dtype.floating:
        raise DTypeError(f"{name}: can differentiate by floating-point inputs only, got {value.dtype.name}; cast it")
    if value.tracked and STATE.recording:
        return alias(value)
    return Tensor(value._data, value._backend, Leaf())


def _node(x: Tensor) -> Node | Leaf:
    assert x._node is not None
    return x._node


def _run(name: str, f: Function, inputs: Sequence[Any]) -> tuple[Tensor, list[Tensor]]:
    """Return the result of ``f`` on marked inputs, and the inputs."""
    marked = [_marked(name, x) for x in inputs]
    with record(True):
        y = f(*marked)
    if not isinstance(y, Tensor):
        raise DTypeError(f"{name}: the function must return a Tensor, got {type(y).__name__}")
    return y._snapshot, marked


def _cotangents(y: Tensor, cotangent: Tensor, marked: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the cotangent of each input; zeros for one that ``y`` does not depend on."""
    found = sweep(y, cotangent, [_node(x) for x in marked])
    return tuple(_or_zeros(found, x) for x in marked)


def _or_zeros(found: dict[Node | Leaf, Tensor], x: Tensor) -> Tensor:
    g = found.get(_node(x))
    return x._full(x.shape, 0) if g is None else g


def vjp(f: Function, *inputs: Any) -> tuple[Tensor, Pullback]:
    """Return ``f(*inputs)`` and its pullback, which takes a cotangent of the result to those of the inputs.

    Parameters
    ----------
    f : callable
        From tensors to a tensor.
    *inputs : Tensor or array-like
        Floating-point.

    Returns
    -------
    value : Tensor
    pullback : callable
        ``pullback(cotangent)`` is a tuple, one cotangent for each input: the product of the cotangent with
        the Jacobian.

    Examples
    --------
    >>> import lamina as la
    >>> y, pullback = la.vjp(lambda x: x ** 2, la.asarray([1.0, 3.0]))
    >>> pullback(la.asarray([1.0, 10.0]))
    (Tensor([ 2., 60.], shape=[2], dtype=float32),)
    """
    y, marked = _run("vjp", f, inputs)

    def pullback(cotangent: Tensor) -> tuple[Tensor, ...]:
        return _cotangents(y, seed("vjp", y, cotangent), marked)

    return y, pullback


def jvp(f: Function, inputs: Sequence[Any], tangents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return ``f(*inputs)`` and its derivative in the direction of ``tangents``.

    The pullback is linear in its cotangent, so its own pullback is the derivative sought: two reverse sweeps
    instead of a second table of rules.

    Parameters
    ----------
    f : callable
        From tensors to a tensor.
    inputs : sequence of Tensor or array-like
        Floating-point.
    tangents : sequence of Tensor
        One for each input, of its shape and type.

    Returns
    -------
    value : Tensor
    tangent : Tensor
        The product of the Jacobian with the tangents, of the shape of the value.

    Examples
    --------
    >>> import lamina as la
    >>> la.jvp(lambda x: x ** 3, [la.asarray(2.0)], [la.asarray(1.0)])
    (Tensor(8., shape=[], dtype=float32), Tensor(12., shape=[], dtype=float32))
    """
    if len(inputs) != len(tangents):
        raise ShapeError(f"jvp: {len(tangents)} tangents for {len(inputs)} inputs; give one each")
    y, marked = _run("jvp", f, inputs)
    for x, tangent in zip(marked, tangents, strict=True):
        fitting("jvp", "the tangent", tangent, "its input", x)
    dummy = Tensor(y._full(y.shape, 1)._data, y._backend, Leaf())
    with record(True):
        pulled = _cotangents(y, dummy, marked)
    total = y._full(y.shape, 0)
    for g, tangent in zip(pulled, tangents, strict=True):
        total = total + _cotangents(g, tangent, [dummy])[0]
    return y, total


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Tensor, Any]]:
    """Return a function that gives the value of ``f``, a scalar, and its gradient.

    Parameters
    ----------
    f : callable
        Returns a tensor without axes.
    argnums : int or sequence of int, default 0
        Which positional arguments to differentiate by; several give a tuple of gradients. The gradient of a dict, of a
        dataclass, and of a list or tuple of tensors, one inside another too, is one like it.

    Raises
    ------
    ShapeError
        When called, if the result has axes or an argument that ``argnums`` names is missing.

    Examples
    --------
    >>> import lamina as la
    >>> value, (by_x, by_y) = la.value_and_grad(lambda x, y: x * y, argnums=(0, 1))(la.asarray(2.0), la.asarray(5.0))
    >>> value.item(), by_x.item(), by_y.item()
    (10.0, 5.0, 2.0)
    >>> value, grads = la.value_and_grad(lambda p: (p["w"] * p["b"]).sum())({"w": la.ones(2), "b": la.asarray(3.0)})
    >>> grads["b"].item()
    2.0
    """
    several = not isinstance(argnums, int)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Tensor, Any]:
        positions = _positions("grad", argnums, len(args))

        chosen = [_Argument(args[position]) for position in positions]

        def of_chosen(*tensors: Tensor) -> Any:
            complete, rest = list(args), iter(tensors)
            for position, each in zip(positions, chosen, strict=True):
                complete[position] = each.like(rest)
            return f(*complete, **kwargs)

        y, marked = _run("grad", of_chosen, [x for each in chosen for x in each.leaves])
        if y.shape != ():
            raise ShapeError(
                f"grad: the function must return a scalar, got shape {list(y.shape)}; reduce it, or use vjp or jacobian"
            )
        found = iter(_cotangents(y, y._full((), 1), marked))
        gradients = tuple(each.like(found) for each in chosen)
        return y, gradients if several else gradients[0]

    return differentiated


class _Argument:
    """What is differentiated by: an array-like, or a tree of them."""

    def __init__(self, value: Any) -> None:
        kinds = Operand | np.ndarray
        sequence = isinstance(value, list | tuple) and not any(isinstance(each, kinds) for each in leaves(value))
        self._tree = None if sequence or branches(value) is None else value
        self.leaves = [value] if self._tree is None else leaves(value)

    def like(self, rest: Iterator[Tensor]) -> Any:
        """Return a tree like this one, or a tensor, made of the next tensors."""
        return next(rest) if self._tree is None else with_leaves(self._tree, [next(rest) for _ in self.leaves])


def _positions(name: str, argnums: int | Sequence[int], count: int) -> list[int]:
    """Return which of ``count`` positional arguments are meant, counted from the start."""
    chosen = argnums if isinstance(argnums, Sequence) else (argnums,)
    for position in chosen:
        if not -count <= position < count:
            raise ShapeError(f"{name}: argument {position} was asked for, but {count} were given by position")
    positions = [position % count for position in chosen]
    if len(set(positions)) != len(positions):
        raise ShapeError(f"{name}: argnums {tuple(chosen)} names an argument twice; name each once")
    return positions


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of ``f``, which returns a scalar.

    Parameters
    ----------
    f : callable
        Returns a tensor without axes.
    argnums : int or sequence of int, default 0
        Which positional arguments to differentiate by; several give a tuple of gradients.

    Examples
    --------
    >>> import lamina as la
    >>> la.grad(lambda x: x ** 3)(la.asarray(2.0))
    Tensor(12., shape=[], dtype=float32)
    >>> la.grad(la.grad(lambda x: x ** 3))(la.asarray(2.0))
    Tensor(12., shape=[], dtype=float32)
    """
    both = value_and_grad(f, argnums)

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return differentiated


def jacobian(f: Function, argnums: int = 0) -> Callable[..., Tensor]:
    """Return a function that gives the derivative of every element of the result by every element of the input.

    Its result has the shape of the result of ``f`` followed by that of the input. One sweep, mapped by `lamina.vmap`
    over the elements of the result, gives all of it.

    Examples
    --------
    >>> import lamina as la
    >>> la.jacobian(lambda x: x ** 2)(la.asarray([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], shape=[2, 2], dtype=float32)
    """

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Tensor:
        (position,) = _positions("jacobian", argnums, len(args))

        def of_one(x: Tensor) -> Any:
            complete = list(args)
            complete[position] = x
            return f(*complete, **kwargs)

        y, (x,) = _run("jacobian", of_one, [args[position]])
        if y.size == 0:
            return x._full((*y.shape, *x.shape), 0)
        directions = y._constant(np.eye(y.size).reshape(y.size, *y.shape), y.dtype)
        rows = vmap(lambda direction: _cotangents(y, direction, [x])[0])(directions)
        return rows.reshape(*y.shape, *x.shape)  # type: ignore[no-any-return]

    return differentiated


def hessian(f: Function, argnums: int = 0) -> Callable[..., Tensor]:
    """Return a function that gives the second derivatives of ``f``, which returns a scalar.

    Examples
    --------
    >>> import lamina as la
    >>> la.hessian(lambda x: (x ** 3).sum())(la.asarray([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], shape=[2, 2], dtype=float32)
    """
    return jacobian(grad(f, argnums), argnums)
