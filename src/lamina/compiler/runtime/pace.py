"""How many threads a short program does best with at the moment, by trying.

On a machine whose other processors are busy, threads that wait for one another take longer than one alone. Results do
not depend on the number of threads, so it may change from run to run.
"""

from __future__ import annotations

from time import perf_counter_ns

_TRIES = 4
"""How many runs are measured each way."""
_KEPT = 256
"""For how many runs the choice holds."""
_CLEARLY = 0.95
"""One thread is chosen where it takes at most this share of the time."""


class Pace:
    """Chooses between one thread and all of them."""

    def __init__(self) -> None:
        self._run = 0
        self._together = self._alone = float("inf")
        self._chosen_alone = False
        self._began = 0

    def begin(self, threads: int) -> int:
        """Return how many threads, of so many, the run that begins now should use."""
        run = self._run
        if run >= 2 * _TRIES:
            return 1 if self._chosen_alone else threads
        self._began = perf_counter_ns()
        return threads if run < _TRIES else 1

    def end(self, repeat: int) -> None:
        """Note that the run has ended, in which the program ran so many times."""
        run = self._run
        self._run = (run + 1) % _KEPT
        if run >= 2 * _TRIES:
            return
        taken = (perf_counter_ns() - self._began) / repeat
        # The first of each kind wakes threads, or warms caches; the fastest counts.
        if run < _TRIES:
            self._together = min(self._together, taken)
        else:
            self._alone = min(self._alone, taken)
        if run == 2 * _TRIES - 1:
            self._chosen_alone = self._alone < _CLEARLY * self._together
            self._together = self._alone = float("inf")
