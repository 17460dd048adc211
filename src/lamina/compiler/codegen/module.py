"""A module of LLVM IR: functions, what they declare, and constant data."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import PTR, VOID, Type, Value

if TYPE_CHECKING:
    from lamina.compiler.target import Target


class Module:
    """The text of a module: functions, what they declare, and constant data.

    Parameters
    ----------
    triple : str
        Default the target's.
    attributes : str
        Of every function.
    target : Target, optional
        Whose instructions may be relied upon; without it only those that every processor has.

    Attributes
    ----------
    kernels : dict
        The names of functions, by what their code is written from.
    """

    def __init__(self, triple: str = "", attributes: str = "nounwind", target: Target | None = None) -> None:
        self.triple = triple or (target.triple if target else "")
        self.target = target
        self.attributes = attributes
        self.functions: list[str] = []
        self.declarations: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.cells: dict[str, str] = {}
        self.kernels: dict[Hashable, str] = {}
        self._known: dict[str, str] = {}

    def declare(self, name: str, result: Type, parameters: Sequence[Type]) -> None:
        """Make a function of another module, or an intrinsic, known by its name."""
        self.declarations[name] = f"declare {result} @{name}({', '.join(map(str, parameters))})"

    def table(self, type: Type, values: Sequence[Value]) -> Value:
        """Return a pointer to constant data; equal tables exist once."""
        body = f"[{len(values)} x {type}] [{', '.join(f'{type} {value.text}' for value in values)}]"
        name = self.constants.setdefault(body, f"@table{len(self.constants)}")
        return Value(name, PTR)

    @contextmanager
    def function(
        self,
        name: str,
        parameters: Sequence[tuple[str, Type]],
        *,
        internal: bool = True,
        notes: str = "",
        result: Type = VOID,
    ) -> Iterator[Emitter]:
        """Write a function inside a ``with`` block.

        Parameters
        ----------
        name : str
        parameters : sequence of (str, Type)
            A name may be preceded by attributes, as in ``("noalias x", PTR)``.
        internal : bool
            Whether only this module calls it.
        notes : str
            Further attributes, such as ``"noinline"``.
        result : Type
            Of what it returns, which is put into the emitter's ``returned``.
        """
        emitter = Emitter(self, name, parameters)
        yield emitter
        last = "void" if emitter.returned is None else f"{result} {emitter.returned.text}"
        linkage = "internal " if internal else ""
        given = ", ".join(_parameter(each, type) for each, type in parameters)
        body = "\n".join([*emitter.slots, *emitter.lines])
        head = f"define {linkage}{result} @{name}({given}) {self.attributes} {notes}"
        self.functions.append(f"{head} {{\nentry:\n{body}\n  ret {last}\n}}\n")

    def cell(self, name: str) -> Value:
        """Return the address of a pointer that functions of this module share; null at first."""
        self.cells[name] = f"@{name} = internal global ptr null"
        return Value(f"@{name}", PTR)

    def shared(self, name: str) -> str:
        """Return the function that does what the last one written does: itself, or an earlier one equal to it."""
        key = self.functions[-1].replace(f"@{name}(", "@(")
        found = self._known.setdefault(key, name)
        if found != name:
            self.functions.pop()
        return found

    def data(self, content: bytes) -> Value:
        """Return a pointer to constant bytes."""
        text = "".join(f"\\{byte:02x}" for byte in content)
        body = f'[{len(content)} x i8] c"{text}"'
        return Value(self.constants.setdefault(body, f"@table{len(self.constants)}"), PTR)

    def __str__(self) -> str:
        head = f'target triple = "{self.triple}"\n' if self.triple else ""
        data = [f"{name} = private unnamed_addr constant {body}, align 64" for body, name in self.constants.items()]
        return "\n".join([head, *data, *self.cells.values(), *self.functions, *self.declarations.values(), ""])


def _parameter(name: str, type: Type) -> str:
    *attributes, last = name.split()
    return " ".join([str(type), *attributes, f"%{last}"])
