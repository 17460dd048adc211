"""The graph: what a traced function computes, as operations on typed values.

A graph is in static single assignment form: a `Value` is one result of one operation, made once. Values know their
operands; nothing knows its uses, which a pass counts when it needs them.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lamina.primitives.primitive import Spec

_numbers = count()
NO_PARAMS: Mapping[str, Any] = MappingProxyType({})


class Value:
    """A node of the graph.

    Attributes
    ----------
    op : str
        A primitive of the table, or one of the leaves: ``"input"`` (``params["index"]``), ``"constant"``
        (``params["array"]``, a NumPy array) and ``"full"`` (``params["value"]``, a Python number everywhere).
    operands : tuple of Value
    params : mapping
        The primitive's parameters.
    spec : Spec, or tuple of Spec for a primitive with several results
        Shape and type.
    number : int
        Larger than those of the operands: sorting by it is a topological order.
    """

    __slots__ = ("number", "op", "operands", "params", "spec")

    def __init__(self, op: str, operands: tuple[Value, ...], params: Mapping[str, Any], spec: Any) -> None:
        self.op, self.operands, self.params, self.spec = op, operands, params, spec
        self.number = next(_numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.spec.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The type of the elements, a `lamina.dtypes.DType`."""
        return self.spec.dtype

    @property
    def size(self) -> int:
        """How many elements there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How much memory they take."""
        return self.size * int(self.dtype.itemsize)

    def remade(self, operands: Sequence[Value]) -> Value:
        """Return the same operation on other operands."""
        return Value(self.op, tuple(operands), self.params, self.spec)

    def __repr__(self) -> str:
        return f"%{self.number} = {self.op}({', '.join(f'%{each.number}' for each in self.operands)}) : {self.spec}"


class Update(NamedTuple):
    """A value that an input's memory holds after the program: what became of a variable.

    Attributes
    ----------
    input : int
        Which input.
    value : Value
        Of the input's shape and type.
    """

    input: int
    value: Value


class Line(NamedTuple):
    """A line of the user's program; as text it ends a sentence."""

    file: str
    number: int

    def __str__(self) -> str:
        text = linecache.getline(self.file, self.number).strip()
        return f"\n  {self.file}, line {self.number}" + (f": {text}" if text else "")


@dataclass(frozen=True)
class Graph:
    """A traced function.

    Attributes
    ----------
    inputs : tuple of Value
        Arguments, variables and captured tensors, in the order in which a caller passes their memory.
    outputs : tuple of Value
        What is returned, in fresh memory.
    updates : tuple of Update
        What is written back into inputs, after everything has read them.
    checks : tuple of Value
        What must hold before anything is written back: operations ``check``, see `check`.
    lines : mapping of str to list of Line
        Where the operations stand that may be given an index out of range, by what is said then; for people.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    updates: tuple[Update, ...]
    checks: tuple[Value, ...] = ()
    lines: Mapping[str, Sequence[Line]] = field(default_factory=dict)

    def roots(self) -> tuple[Value, ...]:
        """Return the values asked for."""
        return (*self.outputs, *(update.value for update in self.updates), *self.checks)

    def values(self) -> list[Value]:
        """Return every value that something asked for depends on, operands before results."""
        return in_order(reached(self.roots()))

    def uses(self) -> dict[Value, list[Value]]:
        """Return, for every value, the operations that read it, once for each operand it is."""
        users: dict[Value, list[Value]] = {value: [] for value in self.values()}
        for value in users:
            for operand in value.operands:
                users[operand].append(value)
        return users

    def replaced(self, new: Mapping[Value, Value]) -> Graph:
        """Return a graph in which values are those that take their places; the others stay."""
        inputs, outputs, checks = (
            tuple([new.get(value, value) for value in values]) for values in (self.inputs, self.outputs, self.checks)
        )
        updates = tuple([update._replace(value=new.get(update.value, update.value)) for update in self.updates])
        return Graph(inputs, outputs, updates, checks, self.lines)


def in_order(values: Iterable[Value]) -> list[Value]:
    """Return values sorted, operands before results."""
    return sorted(values, key=attrgetter("number"))


def reached(roots: Iterable[Value], enter: Callable[[Value], bool] | None = None) -> set[Value]:
    """Return values and all that they depend on, but not what only those depend on for which ``enter`` is false."""
    seen: set[Value] = set()
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if value not in seen:
            seen.add(value)
            if enter is None or enter(value):
                waiting.extend(value.operands)
    return seen


# --- making values ----------------------------------------------------------------------------------------


def input_value(index: int, spec: Spec) -> Value:
    """Return the input of a number."""
    return Value("input", (), {"index": index}, spec)


def constant(array: npt.NDArray[Any], spec: Spec) -> Value:
    """Return a value that is known; one number everywhere becomes ``full``."""
    array = np.asarray(array)
    first = array.reshape(-1)[:1]
    if array.size and array.size <= _LOOKED_AT and (array.tobytes() == np.repeat(first, array.size).tobytes()):
        return full(spec, first[0].item() if first.dtype.kind != "V" else float(first[0]))
    return Value("constant", (), {"array": array}, spec)


_LOOKED_AT = 1 << 20


def full(spec: Spec, value: bool | int | float) -> Value:
    """Return one number everywhere."""
    return Value("full", (), {"value": value}, spec)


def check(condition: Value, number: int, error: Exception) -> Value:
    """Return the operation that fails with an error, the program's ``number``-th, unless a bool without axes holds."""
    return Value(CHECK, (condition,), {"number": number, "error": error}, condition.spec)


def after(x: Value, others: Sequence[Value], *, again: bool) -> Value:
    """Return what a value is, to be read only once others are computed; see `AFTER`."""
    return Value(AFTER, (x, *others), {"again": again}, x.spec)


AFTER = "after"
"""Its first operand, in the same memory. What reads it comes after the kernels that compute the other operands, with
which the threads have met in between; no rule looks through it, so that nothing made of it is equal to what is made of
the operand itself. With ``again`` what reads it computes again what has been computed before."""
CHECK = "check"
SCAN = "scan"
"""A loop with a state; see `lamina.compiler.tracing.loops`."""


def next_number() -> int:
    """Return a number between those of the values made so far and those made from here on."""
    return next(_numbers)


def operation(op: str, operands: Sequence[Value], spec: Any, params: Mapping[str, Any] = NO_PARAMS) -> Value:
    """Return the result of a primitive."""
    return Value(op, tuple(operands), params, spec)
