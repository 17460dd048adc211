"""How many threads a short program does best with at the moment, by trying.

On a machine whose other processors are busy, threads that wait for one another take longer than one alone. Results do
not depend on the number of threads, so it may change from run to run.
"""

from __future__ import annotations

import ctypes
from time import perf_counter_ns

_TRIES = 4
"""How many runs are measured each way."""
_KEPT = 1016
"""For how many runs the choice holds."""
_FOREVER = 2**62
_CLEARLY = 0.95
"""One thread is chosen where it takes at most this share of the time."""


class Choice:
    """The words by which machine code runs a program as it was found best; see `ThreadChoice.words`."""

    LEFT = 0
    """For how many runs the choice holds."""
    THREADS = 1
    """The most threads to use meanwhile."""
    RESERVED = 2
    """For how many threads the program has memory."""
    WORDS = 3


class ThreadChoice:
    """Chooses between one thread and all of them.

    Parameters
    ----------
    most : int
        The most threads that the program can use.
    short : bool
        Whether it is so short that one thread may do better; others always use all.

    Attributes
    ----------
    words : ctypes array of int64
        See `Choice`.
    """

    def __init__(self, most: int, short: bool) -> None:
        self.words = (ctypes.c_int64 * Choice.WORDS)()
        self._most = most
        self._run = 0
        self._together = self._alone = float("inf")
        self._began: int | None = None
        if not short:
            self.always()

    def always(self) -> None:
        """Use all threads from now on."""
        self.words[Choice.LEFT], self.words[Choice.THREADS] = _FOREVER, self._most

    def begin(self, threads: int) -> int:
        """Return how many threads, of so many, the run that begins now should use."""
        if self.words[Choice.LEFT] > 0:
            self.words[Choice.LEFT] -= 1
            self._began = None
            return min(threads, self.words[Choice.THREADS])
        self._began = perf_counter_ns()
        return threads if self._run < _TRIES else 1

    def end(self, repeat: int) -> None:
        """Note that the run has ended, in which the program ran so many times."""
        if self._began is None:
            return
        taken = (perf_counter_ns() - self._began) / repeat
        # The first of each kind wakes threads, or warms caches; the fastest counts.
        if self._run < _TRIES:
            self._together = min(self._together, taken)
        else:
            self._alone = min(self._alone, taken)
        self._run += 1
        if self._run == 2 * _TRIES:
            alone = self._alone < _CLEARLY * self._together
            self.words[Choice.LEFT], self.words[Choice.THREADS] = _KEPT, 1 if alone else self._most
            self._run, self._together, self._alone = 0, float("inf"), float("inf")
