"""A module of LLVM IR: functions, what they declare, and constant data.

A long one is handed on in parts, each a module that LLVM can make code of while the next is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.values import PTR, VOID, Type, Value

if TYPE_CHECKING:
    from lamina.compiler.target import Target


PART = 800
"""Lines of a part: LLVM makes code of them in 40 ms, 2 of which are for beginning and ending a module."""


class Function(NamedTuple):
    """A function as it is written.

    Attributes
    ----------
    head : str
        The type of its result, its name and its parameters.
    body : str
        The rest, from its attributes on.
    internal : bool
        Whether only this module calls it.
    """

    head: str
    body: str
    internal: bool

    def text(self, *, alone: bool) -> str:
        """Return its definition; ``alone`` where there is no other part that may call it."""
        linkage = ("internal " if alone else "hidden ") if self.internal else ""
        return f"define {linkage}{self.head} {self.body}"


class Module:
    """The text of a module: functions, what they declare, and constant data.

    Parameters
    ----------
    target : Target
        Whose instructions may be relied upon.
    ready : callable, optional
        Is given every part, as soon as it is written. What is in which part depends on what is written alone.

    Attributes
    ----------
    functions : dict of str to Function
        By their names, in the order in which they were written.
    kernels : dict
        The names of functions, by what their code is written from.
    """

    def __init__(self, target: Target, ready: Callable[[str], None] = lambda _: None) -> None:
        self.target = target
        self.functions: dict[str, Function] = {}
        self.declarations: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.cells: dict[str, str] = {}
        self.kernels: dict[Hashable, str] = {}
        self._known: dict[str, str] = {}
        self._ready = ready
        self._part: dict[str, Function] = {}

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
        if sum(each.body.count("\n") for each in self._part.values()) >= PART:
            self._hand_on(alone=False)
        emitter = Emitter(self, name, parameters)
        yield emitter
        last = "void" if emitter.returned is None else f"{result} {emitter.returned.text}"
        given = ", ".join(_parameter(each, type) for each, type in parameters)
        body = "\n".join([*emitter.slots, *emitter.lines])
        self.functions[name] = self._part[name] = Function(
            f"{result} @{name}({given})",
            f"nounwind {notes} {{\nentry:\n{body}\n  ret {last}\n}}\n",
            internal,
        )

    def close(self) -> None:
        """Hand on the last part."""
        self._hand_on(alone=len(self._part) == len(self.functions))

    def _hand_on(self, *, alone: bool) -> None:
        self._ready(self._text(self._part, alone=alone))
        self._part = {}

    def cell(self, name: str) -> Value:
        """Return the address of a pointer that functions of this module share; null at first."""
        self.cells[name] = f"@{name} = internal global ptr null"
        return Value(f"@{name}", PTR)

    def shared(self, name: str) -> str:
        """Return the function that does what the last one written does: itself, or an earlier one equal to it."""
        last = self.functions[name]
        found = self._known.setdefault(last.head.replace(f"@{name}(", "@(") + last.body, name)
        if found != name:
            del self.functions[name], self._part[name]
        return found

    def data(self, content: bytes) -> Value:
        """Return a pointer to constant bytes."""
        text = "".join(f"\\{byte:02x}" for byte in content)
        body = f'[{len(content)} x i8] c"{text}"'
        return Value(self.constants.setdefault(body, f"@table{len(self.constants)}"), PTR)

    def __str__(self) -> str:
        return self._text(self.functions, alone=True)

    def _text(self, functions: Mapping[str, Function], *, alone: bool) -> str:
        """Return some functions as a module, with what they use."""
        written = "\n".join(each.text(alone=alone) for each in functions.values())
        used = set(re.findall(r"@([\w.]+)", written))
        others = [each for name, each in self.functions.items() if name in used and name not in functions]
        data = [(name, body) for body, name in self.constants.items() if name[1:] in used]
        return "\n".join(
            [
                f'target triple = "{self.target.triple}"\n',
                *(f"{name} = private unnamed_addr constant {body}, align 64" for name, body in data),
                *(self.cells.values() if alone else []),
                written,
                *(f"declare hidden {each.head} nounwind" for each in others),
                *(text for name, text in self.declarations.items() if name in used),
                "",
            ]
        )


def _parameter(name: str, type: Type) -> str:
    *attributes, last = name.split()
    return " ".join([str(type), *attributes, f"%{last}"])
