"""What a forked child must put right: locks held by threads that it does not have, and runs that they began."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, Protocol, TypeVar
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


@contextmanager
def forks_wait() -> Iterator[None]:
    """Let other threads fork after the block and not inside: for one that imports modules.

    A child would find a module that a thread was importing locked for ever, and half of it there. Nothing else is done
    inside that takes a lock: whoever forks waits with every one that it has.
    """
    with _importing:
        yield


_importing = RLock()
_waited_for: list[Any] = [_importing]
_held: list[Any] = []


def forks_wait_for(lock: Any) -> None:
    """Let every fork from now on wait for a lock, and give it back in both processes."""
    _waited_for.append(lock)


def _before() -> None:
    for lock in _waited_for:  # what the thread that is waited for adds to them as well
        lock.__enter__()
        _held.append(lock)


def _after() -> None:
    # Not those of the list, to which another thread may have added one.
    while _held:
        _held.pop().__exit__(None, None, None)


def _after_in_child() -> None:
    _after()
    renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after_in_child)
