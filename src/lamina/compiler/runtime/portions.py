"""How many runs of a program go into one native call: signals such as Ctrl-C are handled between calls."""

from __future__ import annotations

SECONDS = 0.1
"""How long a native call of many runs is to take."""
FIRST_SECONDS = 0.01
"""How long by the estimate alone, which may be wrong by several times."""


class Portions:
    """Divides many runs of a program among native calls, by how long they have taken.

    Parameters
    ----------
    nanoseconds : float
        How long a run should take, roughly.
    """

    def __init__(self, nanoseconds: float) -> None:
        self._most = FIRST_SECONDS / (max(nanoseconds, 1.0) * 1e-9)

    def of(self, times: int) -> int:
        """Return how many of so many runs to do in the next call, at least one."""
        return max(1, min(times, int(self._most)))

    def took(self, seconds: float, times: int) -> None:
        """Note how long a call of so many runs took."""
        self._most = SECONDS * times / max(seconds, 1e-9)
