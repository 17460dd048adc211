"""The record of a computation: which operation made a tensor, from what.

A tensor that depends on a tracked leaf carries a `Node`. Nodes are numbered as they are made, so an
operand's node always has a lower number than the result's: sorting by number is a topological order.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import count
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from lamina.backends.thread_state import STATE

if TYPE_CHECKING:
    from lamina.tensor import Tensor
    from lamina.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")

next_order = count().__next__


# (cotangent of the result, result, *operands, **parameters) -> cotangent of one operand
DerivativeRule = Callable[..., Any]


class DerivativeRules(Protocol):
    """One derivative rule for each operand, ``None`` where the result does not depend on it smoothly."""

    def __getitem__(self, position: int, /) -> DerivativeRule | None: ...


class Operation(Protocol):
    """What a node knows of the operation that made its tensor: a primitive, or what has rules of its own."""

    @property
    def name(self) -> str: ...
    @property
    def derivatives(self) -> DerivativeRules | None: ...


class Node:
    """One application of an operation: its operands, its static parameters and the value it gave."""

    __slots__ = ("inputs", "operation", "order", "params", "value")

    def __init__(self, operation: Operation, inputs: tuple[Tensor, ...], params: dict[str, Any], value: Any) -> None:
        self.operation = operation
        self.inputs = inputs
        self.params = params
        self.value = value
        self.order = next_order()


class Step:
    """An operation with derivative rules, one for each operand, that is in the record only: no backend knows of it."""

    __slots__ = ("derivatives", "name")

    def __init__(self, name: str, *rules: DerivativeRule) -> None:
        self.name = name
        self.derivatives = rules


def recorded(operation: Operation, inputs: tuple[Tensor, ...], params: dict[str, Any], value: Tensor) -> Tensor:
    """Return the values of a tensor as what an operation made."""
    return value._make(value._data, value._backend, Node(operation, inputs, params, value._data))


class Joint:
    """The derivative rules of all operands as one, for what computes their cotangents together.

    Attributes
    ----------
    rule : callable
        ``rule(g, y, operands, **params)``: from the cotangent of the result, the result and the operands to a
        sequence of cotangents; None for an operand that the result does not depend on.
    """

    __slots__ = ("rule",)

    def __init__(self, rule: Callable[..., Sequence[Any]]) -> None:
        self.rule = rule

    def __getitem__(self, position: int, /) -> Callable[..., Any]:
        return lambda g, y, *operands, **params: self.rule(g, y, operands, **params)[position]


class Leaf:
    """Where a sweep ends: a variable, or an input of a function being differentiated."""

    __slots__ = ("_variable", "order")

    def __init__(self, variable: Variable | None = None) -> None:
        # Weak, so that a variable and its leaf are not a cycle that keeps a large array alive.
        self._variable = None if variable is None else weakref.ref(variable)
        self.order = next_order()

    @property
    def variable(self) -> Variable | None:
        """The variable this leaf stands for; none for a function's input."""
        return None if self._variable is None else self._variable()


class no_grad(threading.local):  # noqa: N801 - read as a word of the language, not as a class
    """Compute without recording, so that nothing inside can be differentiated.

    Also usable as a decorator. One may be entered again and again, also inside itself and by several threads.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, 2.0])
    >>> with la.no_grad():
    ...     y = w * 2
    >>> y.tracked
    False
    """

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(STATE.recording)
        STATE.recording = False

    def __exit__(self, *error: object) -> None:
        STATE.recording = self._before.pop()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return the function so that its calls do not record."""

        @wraps(function)
        def unrecorded(*args: P.args, **kwargs: P.kwargs) -> R:
            with record(False):
                return function(*args, **kwargs)

        return unrecorded


@contextmanager
def record(on: bool) -> Iterator[None]:
    """Record, or not, inside; what the sweep uses to differentiate its own steps."""
    before = STATE.recording
    STATE.recording = on
    try:
        yield
    finally:
        STATE.recording = before
