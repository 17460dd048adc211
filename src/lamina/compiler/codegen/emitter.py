"""Writing a function in LLVM IR: its instructions, loops and branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lamina.compiler.codegen.instructions import Instructions
from lamina.compiler.codegen.values import Type, Value

if TYPE_CHECKING:
    from lamina.compiler.codegen.module import Module


class Emitter(Instructions):
    """Writes the body of one function, an instruction at a time, in the order of the calls."""

    def __init__(self, module: Module, name: str, parameters: Sequence[tuple[str, Type]]) -> None:
        super().__init__(module, name, parameters)
        self._block = "entry"

    @contextmanager
    def loop(self, start: Value, stop: Value, step: int = 1) -> Iterator[Value]:
        """Repeat what is written inside for an index from ``start`` up to ``stop``, which may be empty."""
        self._count += 1
        number, before = self._count, self._block
        head, body, latch, end = (f"{part}{number}" for part in ("head", "body", "latch", "end"))
        index = Value(f"%i{number}", start.type)
        self.write(f"br label %{head}")
        self._start(head)
        self.write(f"{index.text} = phi {start.type} [ {start.text}, %{before} ], [ {index.text}.next, %{latch} ]")
        self.write(f"%more{number} = icmp slt {start.type} {index.text}, {stop.text}")
        self.write(f"br i1 %more{number}, label %{body}, label %{end}")
        self._start(body)
        yield index
        self.write(f"br label %{latch}")
        self._start(latch)
        self.write(f"{index.text}.next = add nsw {start.type} {index.text}, {step}")
        self.write(f"br label %{head}")
        self._start(end)

    @contextmanager
    def repeat(self, start: Value, stop: Value, carried: Sequence[Value], step: int = 1) -> Iterator[Repeat]:
        """Repeat what is written inside, at least once, handing values from each round to the next.

        Inside, ``values`` are those of this round, which are ``carried`` in the first, and are replaced by those of
        the next; after the block they are the last.
        """
        self._count += 1
        number, before = self._count, self._block
        body, end, index = f"body{number}", f"end{number}", Value(f"%i{number}", start.type)
        firsts = [(Value(f"%c{number}.{place}", first.type), first) for place, first in enumerate(carried)]
        self.write(f"br label %{body}")
        self._start(body)
        place = len(self.lines)
        made = Repeat(index, [value for value, _ in firsts])
        yield made
        self.write(f"{index.text}.next = add nsw {start.type} {index.text}, {step}")
        self.write(f"%more{number} = icmp slt {start.type} {index.text}.next, {stop.text}")
        self.write(f"br i1 %more{number}, label %{body}, label %{end}")
        last = [(index, start.text, f"{index.text}.next")]
        last += [(value, first.text, now.text) for (value, first), now in zip(firsts, made.values, strict=True)]
        self.lines[place:place] = [
            f"  {value.text} = phi {value.type} [ {first}, %{before} ], [ {now}, %{self._block} ]"
            for value, first, now in last
        ]
        self._start(end)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run what is written inside only if a condition holds."""
        self._count += 1
        then, end = f"then{self._count}", f"end{self._count}"
        self.write(f"br i1 {condition.text}, label %{then}, label %{end}")
        self._start(then)
        yield
        self.write(f"br label %{end}")
        self._start(end)

    @contextmanager
    def while_(self) -> Iterator[While]:
        """Repeat what is written inside until ``leave_unless`` finds its condition false."""
        self._count += 1
        made = While(self, f"again{self._count}", f"end{self._count}")
        self.write(f"br label %{made.head}")
        self._start(made.head)
        yield made
        self.write(f"br label %{made.head}")
        self._start(made.end)

    def leave(self, condition: Value, value: Value | None = None) -> None:
        """Return from the function if a condition holds; with a value, if it has one."""
        self._count += 1
        go, stay = f"leave{self._count}", f"stay{self._count}"
        self.write(f"br i1 {condition.text}, label %{go}, label %{stay}")
        self._start(go)
        self.write("ret void" if value is None else f"ret {value.type} {value.text}")
        self._start(stay)

    def _start(self, block: str) -> None:
        self.lines.append(f"{block}:")
        self._block = block


@dataclass(eq=False, slots=True)
class Repeat:
    """A loop being written by `Emitter.repeat`: its index and the values it carries."""

    index: Value
    values: list[Value]


class While(NamedTuple):
    """A loop being written by `Emitter.while_`."""

    emitter: Emitter
    head: str
    end: str

    def leave_unless(self, condition: Value) -> None:
        """Leave the loop here if a condition does not hold."""
        emitter = self.emitter
        emitter._count += 1
        stay = f"stay{emitter._count}"
        emitter.write(f"br i1 {condition.text}, label %{stay}, label %{self.end}")
        emitter._start(stay)
