"""How many threads compiled functions use.

A signal such as Ctrl-C that arrives while a program runs is handled when it returns, as for every native call; a long
program runs beside the thread that handles signals (see `lamina.compiler.runtime.interruption`).
"""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lamina.errors import DataError, DTypeError

VARIABLE = "LAMINA_NUM_THREADS"
MOST_THREADS = 1024


def get_num_threads() -> int:
    """Return how many threads a compiled function may use.

    Until `set_num_threads` says otherwise: the environment variable ``LAMINA_NUM_THREADS``, or the number of
    processors that this process may run on.

    Returns
    -------
    int

    Raises
    ------
    DataError
        The environment variable is not a number of threads.

    Examples
    --------
    >>> from lamina.compiler.runtime.threads import get_num_threads
    >>> get_num_threads() >= 1
    True
    """
    if not shared[Shared.THREADS]:
        shared[Shared.THREADS] = _first_count()
    return shared[Shared.THREADS]


def set_num_threads(threads: int) -> None:
    """Choose how many threads compiled functions use from now on. Results do not depend on it.

    Parameters
    ----------
    threads : int
        From 1 to 1024. More than there are processors makes programs slower.

    Raises
    ------
    DTypeError
        The number is not an integer.
    DataError
        The number is out of range.

    Examples
    --------
    >>> from lamina.compiler.runtime.threads import get_num_threads, num_threads
    >>> with num_threads(1):
    ...     get_num_threads()
    1
    """
    shared[Shared.THREADS] = _checked(threads, "set_num_threads")


@contextmanager
def num_threads(threads: int) -> Iterator[None]:
    """Use so many threads inside a ``with`` block.

    Parameters
    ----------
    threads : int
        From 1 to 1024.

    Raises
    ------
    DTypeError, DataError
        As `set_num_threads` does.
    """
    before = get_num_threads()
    set_num_threads(threads)
    try:
        yield
    finally:
        set_num_threads(before)


def _checked(threads: Any, what: str) -> int:
    if isinstance(threads, bool):
        raise DTypeError(f"{what}: the number of threads must be an integer, got {threads!r}")
    try:
        number = operator.index(threads)
    except TypeError:
        raise DTypeError(f"{what}: the number of threads must be an integer, got {threads!r}") from None
    if not 1 <= number <= MOST_THREADS:
        raise DataError(f"{what}: the number of threads must be from 1 to {MOST_THREADS}, got {number}")
    return number


def _first_count() -> int:
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        try:
            wanted = int(given)
        except ValueError:
            raise DataError(f"{VARIABLE}: the number of threads must be an integer, got {given!r}") from None
        return _checked(wanted, VARIABLE)
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST_THREADS)
    return min(os.cpu_count() or 1, MOST_THREADS)


# --- what machine code knows of threads ---


class Shared:
    """The words by which machine code finds the threads; see `shared`."""

    THREADS = 0
    """What `get_num_threads` returns; 0 until it has been asked."""
    LAUNCH = 1
    """Address of ``launch(control, program, buffers, threads)``; see `lamina.compiler.runtime.thread_pool_code`."""
    CONTROL = 2
    """Address of the pool's control block; 0 where there is no pool."""
    WANTED = 3
    """The most threads that the pool was made for."""
    WORDS = 4


shared = (ctypes.c_int64 * Shared.WORDS)()
"""Read, with the interpreter lock held, by the machine code of calls."""
