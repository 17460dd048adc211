"""Functions as layers."""

from __future__ import annotations

from dataclasses import dataclass, fields

from lamina.nn.module import Module
from lamina.tensor import Tensor

settings = dataclass(eq=False, repr=False)
"""Makes the annotated attributes of a class its settings."""


class FunctionLayer(Module):
    """The base of layers that apply a function with settings: their dataclass fields, which ``repr`` shows."""

    def extra_repr(self) -> str:
        values = ((each.name, getattr(self, each.name)) for each in fields(self))  # type: ignore[arg-type]
        return ", ".join(
            f"{name}={list(value.shape)}" if isinstance(value, Tensor) else f"{name}={value!r}"
            for name, value in values
            if value is not None
        )
