"""What a forked child must put right: locks held by threads that it does not have, and runs that they began."""

from __future__ import annotations

import os
from typing import Protocol, TypeVar
from weakref import WeakSet


class Renewable(Protocol):
    """Something that can be made as new; locks of `threading` can."""

    def _at_fork_reinit(self) -> None: ...


R = TypeVar("R")

_things: WeakSet[Renewable] = WeakSet()


def fork_safe(thing: R) -> R:
    """Return a lock, or another thing that is to be as new in a forked child.

    Parameters
    ----------
    thing : Lock, RLock or Renewable

    Returns
    -------
    The same.
    """
    _things.add(thing)  # type: ignore[arg-type]  # the types of locks do not show the method
    return thing


def renew() -> None:
    """Make everything as new."""
    for thing in list(_things):
        thing._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew)
