"""Putting object code into memory, ready to be called."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING
from weakref import ref

from lamina.compiler.runtime.elf import Placed
from lamina.compiler.runtime.signals import uninterrupted
from lamina.errors import BackendError
from lamina.forking import fork_safe, forks_wait

if TYPE_CHECKING:
    from lamina.compiler.runtime.linking import Linked


class Loaded:
    """Machine code in memory, for as long as this object lives.

    Whoever calls an address keeps the `Loaded` that it came from: the code is unmapped some time after it.

    Parameters
    ----------
    objects : sequence of bytes
        Object files of this machine; functions of one may call those of another.
    """

    def __init__(self, objects: Sequence[bytes]) -> None:
        self._addresses: dict[str, int] = {}
        self._linked: Linked | None = None
        self._placed = Placed.of(objects)
        if self._placed is None:
            self._link(objects)
        else:
            self._addresses.update(self._placed.addresses)

    def _link(self, objects: Sequence[bytes]) -> None:
        with forks_wait():
            from lamina.compiler.runtime.linking import Linked
        with _lock:
            _let_go()
            self._linked = Linked(objects)
            _lifelines.append((ref(self), self._linked))

    def address(self, symbol: str) -> int:
        """Return where a function begins.

        Raises
        ------
        BackendError
            There is no such function, or the code refers to something that does not exist.
        """
        if symbol not in self._addresses:
            self._find(symbol)
        return self._addresses[symbol]

    @uninterrupted()
    def _find(self, symbol: str) -> None:
        if self._linked is None:
            raise BackendError(f"no function {symbol!r} in this object code")
        self._addresses[symbol] = self._linked.address(symbol)


def _let_go() -> None:
    """Unmap the code whose `Loaded` is gone: not when that happens, for then Ctrl-C may come in between."""
    for each in [each for each in _lifelines if each[0]() is None]:
        _lifelines.remove(each)
        each[1].close()


_lifelines: list[tuple[ref[Loaded], Linked]] = []
_lock = fork_safe(Lock())


@uninterrupted()
def load(*objects: bytes) -> Loaded:
    """Put object code of this machine into memory, ready to be called; files of one program together."""
    return Loaded(objects)
