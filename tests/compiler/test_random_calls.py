"""Calls in a row, at random, with variables between them: compiled as eager, and what somebody holds stays."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la

NDArray = npt.NDArray[Any]
SHAPES = ((), (3,), (0,), (2, 3), (3, 3), (40, 37))


def _misaligned(x: NDArray) -> NDArray:
    memory = np.empty(x.nbytes + 1, np.uint8)
    found = memory[1:].view(x.dtype).reshape(x.shape)
    found[...] = x
    return found


def _read_only(x: NDArray) -> NDArray:
    found = x.copy()
    found.flags.writeable = False
    return found


def _every_other(x: NDArray) -> NDArray:
    return np.repeat(x, 2, axis=0)[::2] if x.ndim else x


LAYOUTS: dict[str, Callable[[NDArray], NDArray]] = {
    "in order": lambda x: x.copy(),
    "by columns": lambda x: x.copy(order="F"),
    "backwards": lambda x: x[::-1].copy()[::-1] if x.ndim else x,
    "misaligned": _misaligned,
    "read-only": _read_only,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "every other row": _every_other,
    "pickled": lambda x: pickle.loads(pickle.dumps(x)),
    "the same row": lambda x: np.broadcast_to(x[:1], x.shape) if x.ndim and len(x) else x,
}
UNARY: tuple[Callable[[la.Tensor], la.Tensor], ...] = (
    lambda x: x * 3 - 1,
    la.flip,
    lambda x: x + la.sum(x).astype(x.dtype),
    lambda x: la.maximum(x, la.flip(x)),
)
BETWEEN = ("an array", "another's value", "a result", "what eager code computed", "held", "changed in place")
GIVEN = (*LAYOUTS, "a tensor", "a variable", "its value", "a result", "again")

number = st.integers(0, 11)
steps = st.lists(
    st.tuples(st.sampled_from(["unary", "binary", "assign", "assign", "exchange"]), number, number),
    min_size=1,
    max_size=6,
)
calls = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(BETWEEN), number, number), max_size=2),
        st.tuples(st.sampled_from(GIVEN), st.sampled_from(GIVEN)),
        st.integers(0, 3),
    ),
    min_size=2,
    max_size=5,
)


class World:
    """Variables, and a step that reads and assigns them: once as it is, once compiled."""

    def __init__(self, program: Any, first: list[NDArray], compiled: bool) -> None:
        self.variables = [la.variable(x, trainable=False) for x in first]
        self.program = program
        self.step: Any = la.compile(self._step) if compiled else self._step
        self.last: Any = ()

    def _step(self, x: Any, y: Any) -> list[la.Tensor]:
        made = [la.asarray(x), la.asarray(y), self.variables[0].value]
        for what, a, b in self.program:
            one, variable = made[a % len(made)], self.variables[b % len(self.variables)]
            if what == "unary":
                made.append(UNARY[b % len(UNARY)](one))
            elif what == "binary":
                made.append(one * made[b % len(made)] - one)
            elif what == "assign":
                variable.assign(one)
            else:
                other, value = self.variables[a % len(self.variables)], variable.value
                variable.assign(other.value)
                other.assign(value)
        return made[-2:]

    def between(self, what: str, a: int, b: int, array: NDArray) -> None:
        variable, other = self.variables[a % len(self.variables)], self.variables[b % len(self.variables)]
        if what == "an array":
            variable.assign(array)
        elif what == "another's value":
            variable.assign(other.value if b % 2 else other)
        elif what == "what eager code computed":
            variable.assign(other * 2 + 1)
        elif what == "a result" and self.last:
            variable.assign(self.last[b % len(self.last)])

    def argument(self, what: str, a: int, array: NDArray) -> Any:
        variable = self.variables[a % len(self.variables)]
        if what == "a result" and self.last:
            return self.last[a % len(self.last)]
        return {"a tensor": la.asarray(array), "a variable": variable, "its value": variable.value}.get(what, array)


def check(dtype: str, shape: tuple[int, ...], program: Any, in_a_row: Any, seed: int) -> None:
    random = np.random.default_rng(seed)

    def drawn(layout: str = "in order") -> NDArray:
        return LAYOUTS.get(layout, np.copy)(random.integers(0, 5, shape).astype(dtype))

    first = [drawn() for _ in range(3)]
    worlds = [World(program, first, compiled) for compiled in (False, True)]
    held: list[tuple[Any, NDArray]] = []
    arrays: list[NDArray] = []
    for actions, given_as, times in in_a_row:
        for what, a, b in actions:
            array = drawn(tuple(LAYOUTS)[a % len(LAYOUTS)])
            for world in worlds:
                world.between(what, a, b, array)
            if what == "held":
                values = [world.variables[a % 3].value for world in worlds]
                held += [(each, each.numpy().copy()) for each in values]
            elif what == "changed in place" and arrays and arrays[-1].flags.writeable:
                arrays[-1][...] = b
        arrays += [drawn(what) for what in given_as if what != "again" or not arrays]
        given = [
            [world.argument(what, at, arrays[-1 - at % len(arrays)]) for at, what in enumerate(given_as)]
            for world in worlds
        ]
        before = [x.copy() for x in arrays]
        for world, own in zip(worlds, given, strict=True):
            world.last = [world.step(*own) for _ in range(times)][-1] if times else world.step(*own)
            held += [(each, each.numpy().copy()) for each in world.last]
        eager, compiled = ([*world.last, *world.variables] for world in worlds)
        for one, other in zip(compiled, eager, strict=True):
            assert one.dtype is other.dtype
            np.testing.assert_array_equal(one.numpy(), other.numpy())
        for now, then in [*zip(arrays, before, strict=True), *((tensor.numpy(), array) for tensor, array in held)]:
            np.testing.assert_array_equal(now, then)


dtypes, shapes = st.sampled_from(["int64", "uint8", "int16"]), st.sampled_from(SHAPES)


@settings(max_examples=30)
@given(dtypes, shapes, steps, calls, st.integers(0, 99))
def test_calls_in_a_row_do_what_eager_ones_do(dtype: str, shape: Any, program: Any, in_a_row: Any, seed: int) -> None:
    check(dtype, shape, program, in_a_row, seed)


@pytest.mark.slow
@settings(max_examples=3000)
@given(dtypes, shapes, steps, calls, st.integers(0, 99))
def test_thousands_of_calls_in_a_row_do_what_eager_ones_do(
    dtype: str, shape: Any, program: Any, in_a_row: Any, seed: int
) -> None:
    check(dtype, shape, program, in_a_row, seed)
