"""The arguments of a call, and the records by which machine code tells whether those of another are like them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.autodiff.trees import branches
from lamina.compiler.calling.plan import ARRAY, DICT, LIST, SAME, TENSOR, TUPLE, Argument
from lamina.compiler.calling.records import Records
from lamina.compiler.signature import frozen
from lamina.compiler.tracing.inputs import Input
from lamina.tensor import Tensor
from lamina.variable import Variable

_HOLDERS = {tuple: TUPLE, list: LIST, dict: DICT}


class Given:
    """What a call passes, seen as a tree whose root is the tuple of the arguments.

    Parameters
    ----------
    args : tuple
    kwargs : dict
        Comes last in the tuple, if there is any.
    static : frozenset of int and str
        Positions and names of which nothing is traced.

    Attributes
    ----------
    simple : bool
        Whether machine code can look at all of it: tuples, lists and dicts, plain arrays, constant tensors.
    flat : bool
        Whether all that is traced stands in the tuple itself.
    traced : list of type
        The classes of what is traced.
    positions : list of int
        Where that stands in what holds it.
    kinds : list
        What arguments must be again.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[int | str]) -> None:
        self.simple = self.flat = True
        self.traced: list[type] = []
        self.positions: list[int] = []
        self.kinds: list[Any] = []
        self._words: list[list[int]] = []
        self._held: list[Any] = []
        self._static = static
        self._add(TUPLE, tuple, 0, 0, 0, size=len(args) + bool(kwargs))
        for at, value in enumerate(args):
            self._take(value, 0, at, 0, at in static)
        if kwargs:
            root = self._holder(DICT, kwargs, 0, len(args), 0)
            for at, (name, value) in enumerate(kwargs.items()):
                self._take(value, root, at, id(name), name in static)

    def records(self, inputs: Sequence[Input]) -> Records:
        """Return the records of the machine code for a program with these inputs."""
        place_of = {source.argument: place for place, source in enumerate(inputs)}
        records = (ctypes.c_int64 * (Argument.WORDS * len(self._words)))()
        start, leaf = ctypes.addressof(records), 0
        for at, words in enumerate(self._words):
            own = list(words)
            own[Argument.PARENT] = start + 8 * Argument.WORDS * words[Argument.PARENT]
            if own[Argument.KIND] in (TENSOR, ARRAY):
                own[Argument.PLACE] = place_of[leaf]
                leaf += 1
            records[at * Argument.WORDS : (at + 1) * Argument.WORDS] = own  # type: ignore[assignment]
        return Records(records, len(self._words), self._held)

    def _take(self, value: Any, parent: int, at: int, key: int, static: bool) -> None:
        kind = value.__class__
        if static or isinstance(value, Variable):
            self._same(value, parent, at, key)
        elif kind is Tensor or kind is np.ndarray:
            self._traced(value, parent, at, key)
        elif (found := branches(value)) is not None:
            self._branch(value, found[1], parent, at, key)
        elif isinstance(value, np.ndarray):  # of another class: how it is to be read is its own matter
            self.simple = False
        else:
            self._same(value, parent, at, key)

    def _same(self, value: Any, parent: int, at: int, key: int) -> None:
        # Equal values in other objects are no reason for another path.
        self.kinds.append(frozen(value))
        self._add(SAME, value, parent, at, key)

    def _traced(self, value: Any, parent: int, at: int, key: int) -> None:
        tensor = value.__class__ is Tensor
        array = value._data if tensor else value
        # What is differentiated by is Python's matter, and bytes in another order than the processor's are copied.
        if (tensor and value._node is not None) or not array.dtype.isnative:
            self.simple = False
        shape = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
        self.kinds.append((value.__class__, array.shape, array.dtype))
        self._held += [shape, array.dtype]
        words = self._add(TENSOR if tensor else ARRAY, value.__class__, parent, at, key, size=array.ndim)
        words[Argument.DTYPE], words[Argument.SHAPE] = id(array.dtype), ctypes.addressof(shape)
        self.traced.append(value.__class__)
        self.positions.append(at)
        self.flat = self.flat and parent == 0

    def _branch(self, value: Any, children: list[tuple[Any, Any]], parent: int, at: int, key: int) -> None:
        kind = value.__class__
        named_tuple = isinstance(value, tuple) and hasattr(kind, "_fields") and kind.__iter__ is tuple.__iter__
        if kind not in _HOLDERS and not named_tuple:
            self.simple = False
            return
        holder = self._holder(_HOLDERS.get(kind, TUPLE), value, parent, at, key)
        for place, (name, child) in enumerate(children):
            self._take(child, holder, place, id(name) if kind is dict else 0, False)

    def _holder(self, kind: int, value: Any, parent: int, at: int, key: int) -> int:
        """Note a tuple, list or dict, and return its number."""
        names = tuple(value) if kind == DICT else len(value)
        self.kinds.append((value.__class__, names))
        self._held.append(names)
        self._add(kind, value.__class__, parent, at, key, size=len(value))
        return len(self._words) - 1

    def _add(self, kind: int, thing: Any, parent: int, at: int, key: int, size: int = 0) -> list[int]:
        words = [0] * Argument.WORDS
        words[Argument.KIND], words[Argument.OBJECT], words[Argument.SIZE] = kind, id(thing), size
        words[Argument.PARENT], words[Argument.AT], words[Argument.KEY] = parent, at, key
        self._held.append(thing)
        self._words.append(words)
        return words
