"""Checks for users of the framework: gradients of a function, and conformance of a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.errors import BackendError
from lamina.testing.gradients import check_gradients

if TYPE_CHECKING:
    from lamina.backends.protocol import Backend
    from lamina.primitives.primitive import Primitive

__all__ = ["check_backend", "check_gradients", "check_primitive"]


def check_backend(backend: Backend | str, *, examples: int = 25) -> None:
    """Raise an error unless a backend does all that Lamina needs of one.

    Every row of the table of primitives is run with every type that the backend has, on operands drawn by
    hypothesis: empty, of one element, broadcast, negative, infinite, NaN, at the ends of the integers, over
    any axes with and without ``keepdims``. Values are compared with NumPy, shapes and types with the row's
    own rule, gradients with central differences in float64. The cases are the same at every run.

    Parameters
    ----------
    backend : Backend or str
        An object with the methods of `lamina.backends.protocol.Backend`, or the device string of a
        registered one.
    examples : int, default 25
        Cases for each primitive and type.

    Raises
    ------
    AssertionError
        Listing, for each primitive that fails, the simplest case found: types, shapes, parameters, values.
    BackendError
        When hypothesis is not installed, or the device is unknown.

    Examples
    --------
    A backend over another array library that follows the array API, and its test::

        import array_library
        from lamina.backends.array_api import ArrayAPIBackend
        from lamina.testing import check_backend

        def test_my_backend():
            check_backend(ArrayAPIBackend(array_library, "mine"))

    While writing one, `check_primitive` runs a single row:

    >>> from lamina.testing import check_primitive
    >>> check_primitive("cpu", "matmul", examples=5)
    """
    _conformance().check_backend(backend, examples=examples)


def check_primitive(backend: Backend | str, primitive: Primitive | str, *, examples: int = 25, order: int = 1) -> None:
    """Raise an error unless one primitive is right on a backend; what `check_backend` does for each.

    Parameters
    ----------
    backend : Backend or str
        As for `check_backend`.
    primitive : Primitive or str
        A row, or its name.
    examples : int, default 25
        Cases for each type.
    order : int, default 1
        2 checks the derivative of the derivative as well.

    Raises
    ------
    AssertionError
        With the simplest case that fails: types, shapes, parameters, values, and the element that is wrong.
    BackendError
        When hypothesis is not installed, or the device or primitive is unknown.
    """
    _conformance().check_primitive(backend, primitive, examples=examples, order=order)


def _conformance() -> Any:
    try:
        import hypothesis  # noqa: F401
    except ImportError as error:
        raise BackendError(
            'check_backend: the cases are drawn by the package hypothesis; pip install "lamina[testing]"'
        ) from error
    from lamina.testing import conformance

    return conformance
