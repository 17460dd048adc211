"""What is made once in a process, whichever of its threads asks first.

`functools.cache` lets two threads that ask at the same time make two, one of which is dropped while it is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

from lamina.forking import fork_safe

P = ParamSpec("P")
R = TypeVar("R")


def once(make: Callable[P, R]) -> Callable[P, R]:
    """Return a function that is called once for the same arguments, and what it returned then is returned again.

    A thread that asks meanwhile waits for it. What a thread that a forked child does not have was making, the child
    makes again.

    Parameters
    ----------
    make : callable
        Of hashable arguments by place.
    """
    lock = fork_safe(RLock())
    made: dict[tuple[Hashable, ...], R] = {}

    @wraps(make)
    def known(*args: P.args, **kwargs: P.kwargs) -> R:
        if args not in made:
            with lock:
                if args not in made:
                    made[args] = make(*args, **kwargs)
        return made[args]

    return known
