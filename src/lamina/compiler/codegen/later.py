"""Functions whose modules are loaded when one is called: a first call waits for each, and most programs need few."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from lamina.forking import forks_wait


def later(path: str) -> Callable[..., Any]:
    """Return a function of `lamina.compiler.codegen`, by its path there; its module is loaded when it is called."""
    module, _, name = f"lamina.compiler.codegen.{path}".rpartition(".")

    def call(*args: Any, **kwargs: Any) -> Any:
        with forks_wait():
            found = import_module(module)
        return getattr(found, name)(*args, **kwargs)

    return call
