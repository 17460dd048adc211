"""Which backends there are, and which is the default.

A backend is registered under the device string that chooses it, by a function that makes it: no array library
is loaded until it is asked for. Installed packages register more through entry points in the group
``lamina.backends``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lamina.backends.array_api import ArrayAPIBackend
from lamina.backends.cupy_backend import CuPyBackend
from lamina.backends.numpy_backend import NumPyBackend
from lamina.dtypes import DTYPES, DType
from lamina.errors import BackendError
from lamina.watched import changed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from lamina.backends.protocol import Backend

ENTRY_POINT_GROUP = "lamina.backends"
Factory = Callable[[], "Backend"]


def _strict() -> Backend:
    try:
        import array_api_strict
    except ImportError as error:
        raise BackendError("strict: this backend needs the package array-api-strict; pip install it") from error
    return ArrayAPIBackend(array_api_strict, "strict")


CPU = NumPyBackend()
_factories: dict[str, Factory] = {"cpu": lambda: CPU, "cuda": CuPyBackend, "strict": _strict}
_made: dict[str, Backend] = {"cpu": CPU}
_lock = threading.RLock()
_default: Backend = CPU
_plugins_found = False


def register(name: str, factory: Factory) -> None:
    """Make ``device=name`` choose the backend that ``factory`` returns.

    Parameters
    ----------
    name : str
        A device string that is not taken.
    factory : callable
        Called once, when the device is first asked for.

    Raises
    ------
    BackendError
        When the name is taken.
    """
    with _lock:
        if name in _factories:
            raise BackendError(f"register: the device {name!r} is taken; the devices are {', '.join(_factories)}")
        _factories[name] = factory


def get_backend(device: str | None = None) -> Backend:
    """Return the backend of a device, the default one when none is named.

    Raises
    ------
    BackendError
        When there is no such device, or it cannot be used here; the message says why.
    """
    if device is None:
        return _default
    found = _made.get(device)
    return found if found is not None else _make(device)


def _make(device: str) -> Backend:
    with _lock:
        _find_plugins()
        if not isinstance(device, str) or device not in _factories:
            hint = "; x.astype(dtype) changes a type" if isinstance(device, DType) or device in DTYPES else ""
            raise BackendError(f"device: {device!r} is not known; the devices are {', '.join(_factories)}{hint}")
        if device not in _made:
            _made[device] = _factories[device]()
        return _made[device]


def devices() -> list[str]:
    """Return the names of all registered devices, usable here or not."""
    with _lock:
        _find_plugins()
        return list(_factories)


def usable_devices() -> list[str]:
    """Return the names of the devices that can be used here."""
    usable = []
    for name in devices():
        try:
            get_backend(name)
        except BackendError:
            continue
        usable.append(name)
    return usable


def _find_plugins() -> None:
    global _plugins_found
    if _plugins_found:
        return
    _plugins_found = True
    # Imported here: reading the metadata of packages is slow to load, and most programs never need it.
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINT_GROUP):
        # A plugin is loaded when its device is asked for, and cannot take over one of ours.
        _factories.setdefault(point.name, partial(_from_plugin, point))


def _from_plugin(point: EntryPoint) -> Backend:
    try:
        made: Backend = point.load()()
    except BackendError:
        raise
    except Exception as error:
        raise BackendError(
            f"{point.name}: the backend that the entry point {point.value!r} names cannot be loaded: {error}"
        ) from error
    return made


def set_default_device(device: str) -> None:
    """Make new tensors on ``device`` where no device is named."""
    global _default
    _default = get_backend(device)
    changed()


@contextmanager
def default_device(device: str) -> Iterator[None]:
    """Make new tensors on ``device`` inside a ``with`` block.

    Examples
    --------
    >>> import lamina as la
    >>> with la.default_device("cpu"):
    ...     la.zeros(2).device
    'cpu'
    """
    global _default
    before = _default
    set_default_device(device)
    try:
        yield
    finally:
        _default = before
        changed()
