"""Every primitive under `lamina.vmap` against a loop over the axis: values and gradients, eager and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import lamina as la
from lamina.backends.registry import CPU
from lamina.primitives.multiple_results import unpack
from lamina.primitives.primitive import Primitive
from lamina.primitives.table import TABLE
from lamina.testing.conformance import operand_dtypes
from lamina.testing.strategies import Case, cases

NDArray = npt.NDArray[Any]
ROWS = [name for name in TABLE if name != "item"]
FACTORISATIONS = ("cholesky", "inv", "matrix_exp", "solve", "solve_triangular", "slogdet", "eigh", "qr", "svd")
SEVERAL = {"slogdet": 2, "eigh": 2, "qr": 2, "svd": 3}
SIZE = 3


def differing(primitive: Primitive, x: NDArray, call: int) -> NDArray:
    """Return an operand for another call: as valid as the one that was drawn."""
    if primitive.name == "random_bits":
        return np.asarray(x + np.uint64(call))
    if primitive.name in FACTORISATIONS:
        return np.asarray(x * (1 + call), x.dtype)
    moved = np.roll(x.reshape(-1), call).reshape(x.shape)
    return np.sort(moved) if primitive.name == "searchsorted" and x.ndim == 1 else moved


def applied(primitive: Primitive, params: dict[str, Any]) -> Any:
    """Return the primitive as a function of its operands to a list of results."""
    count = SEVERAL.get(primitive.name)

    def function(*operands: la.Tensor) -> list[la.Tensor]:
        result = primitive(*operands, **params)
        return [result] if count is None else list(unpack(result, count))

    return function


class Drawn:
    """A case, the axes its operands are mapped over, and the operands that hold them."""

    def __init__(self, draw: Any, primitive: Primitive, case: Case) -> None:
        count = len(case.operands)
        flags = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any))
        self.axes = tuple(
            draw(st.integers(-x.ndim - 1, x.ndim)) if mapped else None
            for x, mapped in zip(case.operands, flags, strict=True)
        )
        self.calls = [
            [
                x if axis is None else differing(primitive, x, call)
                for x, axis in zip(case.operands, self.axes, strict=True)
            ]
            for call in range(SIZE)
        ]
        columns = zip(*self.calls, strict=True)
        self.operands = [
            la.asarray(column[0] if axis is None else np.stack(column, axis=axis))
            for column, axis in zip(columns, self.axes, strict=True)
        ]


def assert_close(found: la.Tensor, wanted: la.Tensor) -> None:
    assert found.shape == wanted.shape
    assert found.dtype is wanted.dtype
    if found.dtype.floating:
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def drawn(data: Any, name: str, smooth: bool = True) -> tuple[Primitive, Case, Drawn]:
    primitive = TABLE[name]
    dtypes = operand_dtypes(CPU, primitive)
    dtype = la.float64 if la.float64 in dtypes else dtypes[0]
    case = data.draw(cases(primitive, dtype, frozenset({la.float64, la.int64}), smooth=smooth))
    return primitive, case, Drawn(data.draw, primitive, case)


def looped(primitive: Primitive, case: Case, calls: list[list[NDArray]]) -> list[la.Tensor]:
    one = applied(primitive, case.params)
    results = [one(*[la.asarray(x) for x in call]) for call in calls]
    return [la.stack(list(column)) for column in zip(*results, strict=True)]


@pytest.mark.parametrize("name", ROWS)
@given(st.data())
@settings(deadline=None, max_examples=4, suppress_health_check=list(HealthCheck))
def test_a_mapped_primitive_is_a_loop(name: str, data: Any) -> None:
    primitive, case, chosen = drawn(data, name)
    found = la.vmap(applied(primitive, case.params), in_axes=chosen.axes)(*chosen.operands)
    for got, wanted in zip(found, looped(primitive, case, chosen.calls), strict=True):
        assert_close(got, wanted)


@pytest.mark.parametrize("name", [name for name in ROWS if TABLE[name].derivatives is not None])
@given(st.data())
@settings(deadline=None, max_examples=3, suppress_health_check=list(HealthCheck))
def test_the_gradient_of_a_mapped_primitive_is_that_of_a_loop(name: str, data: Any) -> None:
    primitive, case, chosen = drawn(data, name)
    one = applied(primitive, case.params)
    places = tuple(at for at, x in enumerate(chosen.operands) if x.dtype.floating)

    def total(results: list[la.Tensor]) -> la.Tensor:
        weighed = [
            (y * (1.0 + la.arange(y.size, dtype=y.dtype)).reshape(y.shape).sin()).sum()
            for y in results
            if y.dtype.floating
        ]
        return sum(weighed, start=la.asarray(0.0, dtype=chosen.operands[places[0]].dtype))

    def mapped(*operands: la.Tensor) -> la.Tensor:
        return total(la.vmap(one, in_axes=chosen.axes)(*operands))

    def loop(*operands: la.Tensor) -> la.Tensor:
        rows = [
            [x] * SIZE if axis is None else la.unstack(x, axis=axis)
            for x, axis in zip(operands, chosen.axes, strict=True)
        ]
        results = [one(*row) for row in zip(*rows, strict=True)]
        return total([la.stack(list(column)) for column in zip(*results, strict=True)])

    found, wanted = (la.grad(f, argnums=places)(*chosen.operands) for f in (mapped, loop))
    for got, expected in zip(found, wanted, strict=True):
        assert_close(got, expected)
    if name in FACTORISATIONS:
        return
    by_call = la.vmap(la.grad(lambda *x: total(one(*x)), argnums=places), in_axes=chosen.axes)(*chosen.operands)
    for at, call in enumerate(chosen.calls):
        alone = la.grad(lambda *x: total(one(*x)), argnums=places)(*[la.asarray(x) for x in call])
        for got, expected in zip(by_call, alone, strict=True):
            assert_close(got[at], expected)


@pytest.mark.parametrize("name", ROWS)
@given(st.data())
@settings(deadline=None, max_examples=2, suppress_health_check=list(HealthCheck))
def test_a_primitive_mapped_twice_is_two_loops(name: str, data: Any) -> None:
    primitive, case, chosen = drawn(data, name)
    one = applied(primitive, case.params)
    outer = tuple(None if axis is None else 0 for axis in chosen.axes)
    twice = la.vmap(la.vmap(one, in_axes=chosen.axes), in_axes=outer)
    found = twice(*[x if axis is None else la.stack([x, x]) for x, axis in zip(chosen.operands, outer, strict=True)])
    for got, wanted in zip(found, looped(primitive, case, chosen.calls), strict=True):
        assert_close(got[0], wanted)
        assert_close(got[1], wanted)
    # The outer function maps what the inner one does not, and both map the first that differs.
    first = next(at for at, axis in enumerate(chosen.axes) if axis is not None)
    only = tuple(axis if at == first else None for at, axis in enumerate(chosen.axes))
    rest = tuple(axis if at != first else None for at, axis in enumerate(chosen.axes))
    if all(axis is None for axis in rest):
        return
    crossed = la.vmap(la.vmap(one, in_axes=only), in_axes=rest)(*chosen.operands)
    for outer_call in range(SIZE):
        row = [
            [x if at == first else y for at, (x, y) in enumerate(zip(call, chosen.calls[outer_call], strict=True))]
            for call in chosen.calls
        ]
        for got, wanted in zip(crossed, looped(primitive, case, row), strict=True):
            assert_close(got[outer_call], wanted)


@pytest.mark.parametrize("name", ROWS)
@given(st.data())
@settings(deadline=None, max_examples=1, suppress_health_check=list(HealthCheck))
def test_a_mapped_primitive_compiles(name: str, data: Any) -> None:
    primitive, case, chosen = drawn(data, name)
    mapped = la.vmap(applied(primitive, case.params), in_axes=chosen.axes)
    for got, wanted in zip(la.compile(mapped)(*chosen.operands), mapped(*chosen.operands), strict=True):
        assert_close(got, wanted)
