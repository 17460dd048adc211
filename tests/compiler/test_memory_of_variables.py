"""Where the arrays of updated variables lie, and that nobody who holds one sees it change."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.ownership import aligned_copy, exclusive


def _counted(variable: la.Variable) -> Any:
    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        variable.assign(variable + x)
        return variable.sum()

    return step


def _in_the_middle_of_a_line(shape: tuple[int, ...], number: float) -> Any:
    """Return an array of NumPy's own, which begins at a multiple of 16 bytes as a rule."""
    arrays = [np.full(shape, number, np.float32) for _ in range(8)]
    return next(array for array in arrays if array.ctypes.data % 64)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (64, 33), (0, 4)], ids=str)
def test_small_variables_begin_with_a_cache_line_once_a_program_updates_them(shape: tuple[int, ...]) -> None:
    variables = [la.variable(np.full(shape, number, np.float32)) for number in range(8)]
    for variable in variables:
        step = _counted(variable)
        for _ in range(3):
            step(la.constant(1.0))
    assert [variable._data.ctypes.data % 64 for variable in variables] == [0] * len(variables)
    assert [variable.numpy().tolist() for variable in variables] == [
        np.full(shape, number + 3.0).tolist() for number in range(8)
    ]


def test_large_variables_begin_with_a_cache_line_whatever_is_assigned_to_them() -> None:
    variable = la.variable(np.zeros((256, 300), np.float32))
    step = _counted(variable)
    for number in range(8):
        for _ in range(3):
            step(la.constant(1.0))
        assert variable._data.ctypes.data % 64 == 0
        assert np.all(variable.numpy() == number + 3)
        variable.assign(la.Tensor(_in_the_middle_of_a_line((256, 300), number + 1), la.constant(0.0)._backend))


@pytest.mark.parametrize("made", [la.ones, lambda shape: la.asarray(np.ones(shape)[:, ::-1], dtype=la.float32)])
def test_large_arrays_are_made_where_a_program_that_updates_them_leaves_them(
    made: Callable[[tuple[int, int]], la.Tensor],
) -> None:
    variables = [la.variable(made((256, 300))) for _ in range(4)]
    places = [variable._data.ctypes.data for variable in variables]
    assert [place % 64 for place in places] == [0] * 4
    assert len({place % 4096 for place in places}) == 4
    for variable in variables:
        step = _counted(variable)
        step(la.constant(1.0))
        assert np.all(variable.numpy() == 2)
    assert [variable._data.ctypes.data for variable in variables] == places


def test_updates_happen_where_the_values_are() -> None:
    variable = la.variable(np.zeros((5, 7), np.float32))
    step = _counted(variable)
    step(la.constant(1.0))
    place = variable._data.ctypes.data
    for _ in range(5):
        step(la.constant(1.0))
    assert variable._data.ctypes.data == place


@pytest.mark.parametrize(
    "held",
    [lambda data: data, lambda data: data[1:], lambda data: data[1:][:1], lambda data: data.reshape(-1), memoryview],
    ids=["the array", "a view", "a view of a view", "a reshaped view", "a memory view"],
)
def test_what_others_hold_of_a_variable_never_changes(held: Callable[[Any], Any]) -> None:
    variable = la.variable(np.zeros((3, 4), np.float32))
    step = _counted(variable)
    for _ in range(3):
        step(la.constant(1.0))
    kept = held(variable._data)
    for _ in range(3):
        step(la.constant(1.0))
    assert np.all(np.asarray(kept) == 3)
    assert np.all(variable.numpy() == 6)


def test_memory_that_others_gave_is_not_written_to() -> None:
    theirs = bytearray(np.zeros(6, np.float32))
    variable = la.variable([0.0] * 6)
    step = _counted(variable)
    for _ in range(3):
        step(la.constant(1.0))
    variable.assign(la.Tensor(np.frombuffer(theirs, np.float32), la.constant(0.0)._backend))
    for _ in range(3):
        step(la.constant(1.0))
    assert theirs == bytes(24)
    assert np.all(variable.numpy() == 3)


def test_a_copy_that_is_aligned_belongs_to_its_variable() -> None:
    variable = la.variable([1.0, 2.0])
    variable.assign(la.Tensor(aligned_copy(np.array([3.0, 4.0], np.float32)), la.constant(0.0)._backend))
    assert exclusive((variable,))
    kept = variable._data[1:]
    assert not exclusive((variable,))
    assert kept.tolist() == [4.0]


def _with_a_type_of_its_own(x: Any) -> Any:
    """Return an array as pickling it does, whose type equals that of others and is another object."""
    found = pickle.loads(pickle.dumps(x))
    assert found.dtype == x.dtype
    assert found.dtype is not x.dtype
    return found


@pytest.mark.parametrize("shape", [(), (3,), (300, 300)], ids=str)
def test_variables_made_of_pickled_arrays_are_updated(shape: tuple[int, ...]) -> None:
    given = _with_a_type_of_its_own(np.ones(shape, np.float32))
    variable = la.variable(given)
    step = _counted(variable)
    for number in range(2, 5):
        step(la.constant(1.0))
        assert variable.numpy().tolist() == np.full(shape, number).tolist()
    variable.assign(given)
    step(given)
    assert variable.numpy().tolist() == np.full(shape, 2.0).tolist()


def test_variables_whose_memory_came_from_elsewhere_are_updated() -> None:
    variable = la.variable(np.ones((3, 3), np.float32))
    step = _counted(variable)
    for array in (_with_a_type_of_its_own(np.ones((3, 3), np.float32)), np.ones((3, 3), np.float32)[::-1].T):
        variable._put(la.Tensor(array, variable._backend))
        step(la.constant(1.0))
        assert variable.numpy().tolist() == np.full((3, 3), 2.0).tolist()
