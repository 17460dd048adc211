"""Random numbers that are not Lamina's: a trace keeps those it saw, and every call gets the same."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from lamina.errors import TracingWarning


@contextmanager
def told_apart(function: object, stacklevel: int) -> Iterator[None]:
    """Warn when what runs inside, the trace of a function, draws from the generators of Python or NumPy.

    Parameters
    ----------
    function : object
        Named in the warning.
    stacklevel : int
        Of the call to which the warning points, counted from the one that enters this context.
    """
    before = _of_python(), _of_numpy()
    yield
    for name, earlier, now in zip(_NAMES, before, (_of_python(), _of_numpy()), strict=True):
        if now != earlier:
            warnings.warn(
                f"{function!r} drew from {name} while it was traced: the number is part of the program, the same at "
                "every call; draw with la.random, or pass the number as la.asarray(x)",
                TracingWarning,
                stacklevel=stacklevel + 2,
            )


def _of_python() -> Hashable:
    """Return its words and the place among them; where it has not been loaded, as where nothing was drawn."""
    state_of = _loaded("random", "getstate")
    if state_of is None:
        return _FRESH_OF_PYTHON
    words: tuple[int, ...] = state_of()[1]
    return _FRESH_OF_PYTHON if words[-1] == _FRESH_OF_PYTHON else words


def _of_numpy() -> Hashable:
    """Return the place in the sequence and the words there; where NumPy has not loaded its generator, as then."""
    state_of = _loaded("numpy.random", "get_state")
    if state_of is None:
        return _FRESH
    state = state_of(legacy=False)["state"]
    return _FRESH if state["pos"] == _FRESH else (state["pos"], state["key"].tobytes())


def _loaded(module: str, function: str) -> Any:
    """Return a function of a module; None where it has not been loaded, or another thread is about to."""
    return getattr(sys.modules.get(module), function, None)


_NAMES = ("Python's random", "np.random")
_FRESH, _FRESH_OF_PYTHON = 623, 624
"""The places of generators from which nothing was drawn: NumPy's and Python's."""
