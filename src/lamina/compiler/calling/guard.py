"""Calls in machine code: in Python, the checks before a small step and the results would take longer than the step.

The code is written by `lamina.compiler.calling.call_code`, once for all functions; each call that it knows is a plan.
It is a function of CPython's own kind, so that a call of it costs no more than one of `id`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import FunctionType
from typing import Any

from lamina.compiler.calling.object_layout import FUNCTIONS, Holder, Offsets, Planned, functions, offsets
from lamina.compiler.runtime.cache import Entry, program
from lamina.compiler.runtime.once import once
from lamina.compiler.runtime.processor import host
from lamina.forking import forks_wait


class _MethodDef(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_NO_ARGUMENTS, _ONE_ARGUMENT = 0x4, 0x8  # METH_NOARGS, METH_O
_ARGUMENTS_AND_NAMES = 0x82  # METH_FASTCALL with METH_KEYWORDS


def holder(words: Any, held: Any) -> Holder:
    """Return a plan as the machine code wants it.

    Parameters
    ----------
    words : array of int64
        The plan.
    held : object
        What all its addresses lead to.
    """
    return Holder(words, (held, _code()))


def builtin(plan: Holder) -> Callable[[tuple[Any, ...]], Any]:
    """Return a function of a tuple of arguments that does what a plan says.

    It returns the results, or the object under ``MISSED`` where anything is not as the plan has it.
    """
    return _function(_code().call, plan)


def checked(plan: Holder) -> tuple[Callable[[tuple[Any, ...]], Any], Callable[[], None]]:
    """Return the `builtin` of a plan that only checks, and what is to be called after the program has run.

    In between the arrays of arguments and variables stay, whatever other threads do.
    """
    code = _code()
    return _function(code.call, plan), _function(code.drop, plan)


def _function(method: _MethodDef, plan: Holder) -> Callable[..., Any]:
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return make(("PyCFunction_NewEx", ctypes.pythonapi))(ctypes.addressof(method), plan, None)  # type: ignore[no-any-return]


@once
def install(kind: type[Planned]) -> None:
    """Let calls of a class go through its plans first; what they all miss is left to its ``__call__`` of now."""
    code, in_python = _code(), kind.__call__
    if not isinstance(in_python, FunctionType):  # another thread had just done it when this process was forked
        return
    code.table[len(FUNCTIONS)] = id(in_python)
    code.kept.append(in_python)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
    method = make(("PyDescr_NewMethod", ctypes.pythonapi))(kind, ctypes.addressof(code.dispatch))
    setattr(kind, "__call__", method)  # noqa: B010 - types do not let it be assigned


class _Code:
    """The machine code, how CPython is told of it, and the addresses that it calls."""

    def __init__(self, found: Offsets) -> None:
        target = host()

        def compiled() -> Entry:
            with forks_wait():
                from lamina.compiler.calling.call_code import module
                from lamina.compiler.runtime.machine_code import assemble

            return Entry((assemble(module(found, target), target),), {})

        # What is written depends on the layout alone, so on a second start it is not written again.
        self._loaded = program(["call", repr(found), target], compiled).code
        self.table = (ctypes.c_void_p * (len(FUNCTIONS) + 1))(*(functions() or ()))
        self.kept: list[Any] = []
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._loaded.address("connect"))(ctypes.addressof(self.table))
        self.call = _MethodDef(b"call", self._loaded.address("call"), _ONE_ARGUMENT, None)
        self.drop = _MethodDef(b"drop", self._loaded.address("drop"), _NO_ARGUMENTS, None)
        self.dispatch = _MethodDef(b"__call__", self._loaded.address("dispatch"), _ARGUMENTS_AND_NAMES, None)


@once
def _code() -> _Code:
    found = offsets()
    assert found is not None
    return _Code(found)
