"""What a function does beside its result: to note the variables that it assigns, and to undo it.

A function that runs again, to compute what was not kept, must find variables as they were, so that dropout draws the
same numbers, and must leave them as they are, so that running statistics are not updated twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lamina.backends.precision import get_matmul_precision, matmul_precision
from lamina.backends.thread_state import STATE
from lamina.primitives.batching import entered

if TYPE_CHECKING:
    from lamina.tensor import Tensor
    from lamina.variable import Variable

Journal = dict["Variable", "Tensor"]

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def journal() -> Iterator[Journal]:
    """Note inside what each variable that is assigned held before."""
    outer = STATE.journal
    noted: Journal = {}
    STATE.journal = noted
    try:
        yield noted
    finally:
        STATE.journal = outer
        if outer is not None:
            for variable, value in noted.items():
                outer.setdefault(variable, value)


@contextmanager
def rewound(noted: Journal) -> Iterator[None]:
    """Let variables hold what was noted, and undo at the end what is assigned inside."""
    with journal() as before:
        try:
            put_back(noted)
            yield
        finally:
            put_back(dict(before))


def put_back(noted: Journal) -> None:
    """Let variables hold what was noted."""
    for variable, value in noted.items():
        # One that holds it already counts as not assigned, which a trace distinguishes.
        if variable._snapshot._data is not value._data:
            variable.assign(value)


@contextmanager
def standing_for(values: Mapping[Variable, Tensor]) -> Iterator[None]:
    """Let variables stand for tensors inside; what they hold, and what is assigned to them inside, is not seen.

    They are changed, not copied, so no other thread may use them meanwhile.
    """
    before, outer = [each._cell for each in values], STATE.standing_for
    STATE.standing_for = {**(outer or {}), **values}
    try:
        for variable, value in values.items():
            variable._cell = (value._data, value._backend, value._node, value)
        yield
    finally:
        STATE.standing_for = outer
        for variable, cell in zip(values, before, strict=True):
            variable._cell = cell


def in_the_same_way(f: Callable[P, R]) -> Callable[P, R]:
    """Return the function so that it runs as it would run now, though called later: in a sweep, for example.

    Products are as precise, a mapped function is still the one that it is in, and variables stand for the same.
    """
    precision, batching, values = get_matmul_precision(), STATE.batching, STATE.standing_for

    @wraps(f)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with matmul_precision(precision), entered(batching), standing_for(values or {}):
            return f(*args, **kwargs)

    return run
