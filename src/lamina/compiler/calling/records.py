"""The records of a plan: what the machine code of a call looks at, beside the arguments."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import CellType
from typing import Any

import numpy as np

from lamina.backends.thread_state import STATE
from lamina.compiler.calling.object_layout import READ, WRITTEN, counts, offsets
from lamina.compiler.calling.plan import ATTRIBUTE, CALLED, ITEM, Cell, Name, Output
from lamina.compiler.specialisation import Specialisation
from lamina.compiler.tracing.environment import Environment
from lamina.ownership import CACHE_LINE, LARGE
from lamina.random import default_generator
from lamina.watched import REVISION


class Records:
    """Records in memory, as long as somebody holds this.

    Parameters
    ----------
    memory : ctypes array of int64
    number : int
    held : object
        What their addresses lead to.
    """

    def __init__(self, memory: ctypes.Array[ctypes.c_int64], number: int, held: Any) -> None:
        self.number = number
        self.address = ctypes.addressof(memory)
        self._kept = memory, held

    @classmethod
    def of(cls, words: Sequence[int], width: int, held: Any) -> Records:
        """Return records that follow one another."""
        return cls((ctypes.c_int64 * max(1, len(words)))(*words), len(words) // width, held)


def name_records(specialisation: Specialisation, environment: Environment) -> Records:
    """Return where names must lead: those of the surroundings, and what this thread is doing."""
    names: list[tuple[int, Any, Any, Any]] = [
        (ATTRIBUTE, STATE, "recording", STATE.recording),
        (ATTRIBUTE, STATE, "tracer", None),
        (ATTRIBUTE, STATE, "matmul_precision", STATE.matmul_precision),
    ]
    names += [(ITEM, get.__self__, name, was) for get, name, was in environment.entries]  # type: ignore[attr-defined]
    slots = [each for each in environment.slots if each[0].__class__ is not CellType]
    names += [(ATTRIBUTE, owner, name, was) for owner, name, was in slots]
    if specialisation.draws:
        names.append((CALLED, default_generator, None, default_generator()))
    words = [word for kind, *things in names for word in (kind, *map(id, things))]
    return Records.of(words, Name.WORDS, names)


def watched_records(environment: Environment, revision: int) -> Records:
    """Return addresses, and the objects that they must name: what is in cells, and the number of the revision.

    An integer that is held is told by its identity: no other object with that number is ever put there.
    """
    found = offsets()
    assert found is not None
    words = [id(REVISION) + found.revision, id(revision)]
    for owner, _, was in environment.slots:
        if owner.__class__ is CellType:
            words += [id(owner) + found.cell, id(was)]
    return Records.of(words, 2, (environment, revision))


def variable_records(specialisation: Specialisation) -> Records:
    """Return how variables must be: which arrays they share, who else may hold those, and where the large ones begin.

    What was assigned since may begin anywhere. The long way moves it, which takes longer than a short call.
    """
    alone = counts()
    words: list[int] = []
    dtypes = []
    for place, source in enumerate(specialisation.trace.inputs):
        written = place in specialisation.updated
        # Each further variable of an input holds its array twice: itself, and by its tensor.
        held = alone[0] + 2 * (len(source.variables) - 1) if written else 0
        for variable in source.variables:
            dtypes.append(variable._data.dtype)
            words += [id(variable), id(source.variables[0]), place, WRITTEN if written else READ, id(dtypes[-1])]
            words += [held, alone[1] if written else 0]
            words.append(CACHE_LINE - 1 if written and variable._data.nbytes >= LARGE else 0)
            words.append(0)
    return Records.of(words, Cell.WORDS, (specialisation, dtypes))


def captured_records(specialisation: Specialisation) -> Records:
    """Return the places and addresses of tensors from outside."""
    words: list[int] = []
    arrays = []
    for place, source in enumerate(specialisation.trace.inputs):
        if source.captured is not None:
            arrays.append(np.ascontiguousarray(source.captured._data))
            words += [place, arrays[-1].ctypes.data]
    return Records.of(words, 2, arrays)


def output_records(specialisation: Specialisation) -> Records:
    """Return what the outputs are."""
    words: list[int] = []
    shapes = []
    for shape, dtype in specialisation.program.outputs:
        shapes.append((ctypes.c_int64 * max(1, len(shape)))(*shape))
        words += [id(dtype), len(shape), ctypes.addressof(shapes[-1])]
    return Records.of(words, Output.WORDS, (shapes, specialisation))
