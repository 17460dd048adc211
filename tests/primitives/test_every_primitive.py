"""Every row of the table on every backend, and proof that the check would notice if one were wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina.backends.numpy_backend import NumPyBackend
from lamina.backends.protocol import Backend
from lamina.primitives.primitive import Primitive
from lamina.primitives.table import TABLE
from lamina.testing import check_primitive

CHECKED = [name for name in TABLE if name != "item"]
DIFFERENTIABLE = [name for name in CHECKED if TABLE[name].derivatives is not None and not TABLE[name].domain.in_steps]
NO_ROWS = {"from_numpy", "to_numpy", "dtype_of", "full", "nonzero"}


@pytest.mark.parametrize("name", CHECKED)
def test_values_shapes_types_and_gradients(device: str, name: str) -> None:
    check_primitive(device, name, examples=8)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_second_derivatives(name: str) -> None:
    check_primitive("cpu", name, examples=4, order=2)


def test_the_table_and_the_protocol_name_the_same_operations() -> None:
    operations = {name for name, value in vars(Backend).items() if callable(value) and not name.startswith("_")}
    elementwise = {name for base in Backend.__mro__[1:-3] for name in vars(base) if not name.startswith("_")}
    assert (operations | elementwise) - NO_ROWS == set(TABLE)


class Broken(NumPyBackend):
    """NumPy with one operation slightly off."""

    def __init__(self, name: str) -> None:
        super().__init__()
        right = getattr(self, name)

        def wrong(*arrays: Any, **params: Any) -> Any:
            result = right(*arrays, **params)
            return (*result[:-1], _off(result[-1])) if isinstance(result, tuple) else _off(np.asarray(result))

        setattr(self, name, wrong)


def _off(x: Any) -> Any:
    if x.dtype.kind == "b":
        return ~x
    return x + np.ones((), x.dtype) if x.dtype.kind in "iu" else (x * np.asarray(1.02, x.dtype)).astype(x.dtype)


@pytest.mark.parametrize("name", CHECKED)
def test_a_wrong_value_is_noticed(name: str) -> None:
    with pytest.raises(AssertionError, match=rf"cpu: {name}\("):
        check_primitive(Broken(name), name, examples=16)


class Scaled:
    """Derivative rules of which one is off by a thousandth."""

    def __init__(self, rules: Any, position: int) -> None:
        self.rules = rules
        self.position = position

    def __getitem__(self, position: int) -> Any:
        rule = self.rules[position]
        if position != self.position:
            return rule
        return lambda *args, **params: rule(*args, **params) * 1.001


WRONG_RULES = [
    (name, position)
    for name in DIFFERENTIABLE
    for position in range(3)
    if isinstance(TABLE[name].derivatives, tuple)
    and position < len(TABLE[name].derivatives)
    and TABLE[name].derivatives[position] is not None
]


@pytest.mark.parametrize(("name", "position"), WRONG_RULES)
def test_a_wrong_derivative_is_noticed(name: str, position: int) -> None:
    row = TABLE[name]
    wrong = Primitive(row.name, row.spec, _scaled(row.derivatives, position), row.domain)
    with pytest.raises(AssertionError, match="central differences"):
        check_primitive("cpu", wrong, examples=8)


def _scaled(rules: Any, position: int) -> tuple[Any, ...]:
    return tuple(Scaled(rules, position)[at] for at in range(len(rules)))
