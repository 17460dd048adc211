"""What a function does beside its result: to note the variables that it assigns, and to undo it.

A function that runs again, to compute what was not kept, must find variables as they were, so that dropout draws the
same numbers, and must leave them as they are, so that running statistics are not updated twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.backends.thread_state import STATE

if TYPE_CHECKING:
    from lamina.tensor import Tensor
    from lamina.variable import Variable

Journal = dict["Variable", "Tensor"]


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
