"""Writing LLVM IR: values with types, instructions, loops and branches of one function at a time.

Text is written straight away, without an object for each instruction: a training step has thousands, and the first
call waits for them. Variables are stack slots, which LLVM's first pass turns into registers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lamina.compiler.target import Target


class Type(NamedTuple):
    """A machine type: a scalar, or a vector where ``lanes`` is not 0.

    Attributes
    ----------
    scalar : str
        LLVM's name, such as ``"float"``, ``"i64"`` or ``"ptr"``.
    lanes : int
        How many elements a vector has; 0 for a scalar. A vector of one lane is a vector.
    """

    scalar: str
    lanes: int = 0

    def __str__(self) -> str:
        return f"<{self.lanes} x {self.scalar}>" if self.lanes else self.scalar

    def of(self, lanes: int) -> Type:
        """Return the vector of so many of this type's elements; the scalar for 0."""
        return Type(self.scalar, lanes)

    def with_scalar(self, scalar: str) -> Type:
        """Return a type as wide, of other elements."""
        return Type(scalar, self.lanes)

    @property
    def floating(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.scalar in ("float", "double", "half", "bfloat")

    @property
    def bits(self) -> int:
        """Width of an element."""
        return _BITS[self.scalar] if self.scalar in _BITS else int(self.scalar[1:])

    @property
    def suffix(self) -> str:
        """How the names of LLVM's overloaded intrinsics end for this type."""
        short = _SUFFIXES.get(self.scalar, self.scalar)
        return f"v{self.lanes}{short}" if self.lanes else short


_BITS = {"float": 32, "double": 64, "half": 16, "bfloat": 16, "ptr": 64}
_SUFFIXES = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16", "ptr": "p0"}

VOID, PTR, I1, I8, I16, I32, I64 = (Type(name) for name in ("void", "ptr", "i1", "i8", "i16", "i32", "i64"))
FLOAT, DOUBLE = Type("float"), Type("double")


class Value(NamedTuple):
    """The result of an instruction, an argument or a literal."""

    text: str
    type: Type

    @property
    def literal(self) -> int | None:
        """The number, where this is an integer known now."""
        return int(self.text) if self.text.lstrip("-").isdigit() else None


class Variable(NamedTuple):
    """A stack slot that holds one value of a type; read and written by the emitter's ``get`` and ``set``."""

    slot: str
    type: Type


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
    """

    def __init__(self, triple: str = "", attributes: str = "nounwind", target: Target | None = None) -> None:
        self.triple = triple or (target.triple if target else "")
        self.target = target
        self.attributes = attributes
        self.functions: list[str] = []
        self.declarations: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.cells: dict[str, str] = {}
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


class Emitter:
    """Writes the body of one function, an instruction at a time, in the order of the calls."""

    def __init__(self, module: Module, name: str, parameters: Sequence[tuple[str, Type]]) -> None:
        self.module = module
        self.name = name
        self.arguments = {each.split()[-1]: Value(f"%{each.split()[-1]}", type) for each, type in parameters}
        self.slots: list[str] = []
        self.lines: list[str] = []
        self.returned: Value | None = None
        self._count = 0
        self._block = "entry"

    # --- literals ---

    def integer(self, value: int, type: Type = I64) -> Value:
        """Return an integer of a type, in every lane of a vector."""
        bits = type.bits
        wrapped = value & ((1 << bits) - 1)
        wrapped -= 1 << bits if wrapped >> (bits - 1) and bits > 1 else 0
        text = ("true" if wrapped else "false") if bits == 1 else str(wrapped)
        return self._filled(text, type)

    def floating(self, value: float, type: Type) -> Value:
        """Return a floating-point number, rounded to the type, in every lane of a vector."""
        return self._filled(_literal(value, type.scalar), type)

    def number(self, value: float, type: Type) -> Value:
        """Return a number of a type, whichever it is."""
        return self.floating(float(value), type) if type.floating else self.integer(int(value), type)

    def vector(self, values: Sequence[float], type: Type) -> Value:
        """Return a vector of given numbers; ``type`` is that of an element."""
        parts = ", ".join(f"{type} {self.number(value, type).text}" for value in values)
        return Value(f"<{parts}>", type.of(len(values)))

    def _filled(self, text: str, type: Type) -> Value:
        if not type.lanes:
            return Value(text, type)
        return Value(f"splat ({type.scalar} {text})", type)

    # --- arithmetic ---

    def binary(self, operation: str, a: Value, b: Value) -> Value:
        """Return the result of an instruction of two operands of one type, such as ``"fadd"`` or ``"add nsw"``."""
        return self._new(f"{operation} {a.type} {a.text}, {b.text}", a.type)

    def add(self, a: Value, b: Value) -> Value:
        """Return a sum of integers."""
        if a.text == "0":
            return b
        if b.text == "0":
            return a
        if a.literal is not None and b.literal is not None:
            return self.integer(a.literal + b.literal, a.type)
        return self.binary("add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        """Return a difference of integers."""
        return a if b.text == "0" else self.binary("sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        """Return a product of integers."""
        if a.text == "1" or b.text == "0":
            return b
        if b.text == "1" or a.text == "0":
            return a
        if a.literal is not None and b.literal is not None:
            return self.integer(a.literal * b.literal, a.type)
        return self.binary("mul", a, b)

    def fadd(self, a: Value, b: Value) -> Value:
        """Return a sum of floats."""
        return self.binary("fadd", a, b)

    def fsub(self, a: Value, b: Value) -> Value:
        """Return a difference of floats."""
        return self.binary("fsub", a, b)

    def fmul(self, a: Value, b: Value) -> Value:
        """Return a product of floats."""
        return self.binary("fmul", a, b)

    def fdiv(self, a: Value, b: Value) -> Value:
        """Return a quotient of floats."""
        return self.binary("fdiv", a, b)

    def fneg(self, a: Value) -> Value:
        """Return a float with the other sign."""
        return self._new(f"fneg {a.type} {a.text}", a.type)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once. Without the instruction LLVM calls C's ``fma``; see `multiply_add`."""
        return self.intrinsic("fma", a, b, c)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once or twice, whichever the machine does faster."""
        return self.intrinsic("fmuladd", a, b, c)

    def intrinsic(self, name: str, *operands: Value, result: Type | None = None, extra: str = "") -> Value:
        """Return ``llvm.<name>`` of operands, overloaded on the type of the first; ``extra`` are more arguments."""
        kind = operands[0].type
        return self.call(f"llvm.{name}.{kind.suffix}", result or kind, *operands, extra=extra)

    def call(self, name: str, result: Type, *operands: Value, extra: str = "") -> Value:
        """Call a function by name, declaring it unless this module defines it."""
        types = [operand.type for operand in operands]
        extra_types = [Type(part.split()[0]) for part in extra.split(",")] if extra else []
        self.module.declare(name, result, [*types, *extra_types])
        given = ", ".join([*(f"{each.type} {each.text}" for each in operands), *([extra] if extra else [])])
        return self._called(f"call {result} @{name}({given})", result)

    def call_address(self, address: Value, result: Type, *operands: Value) -> Value:
        """Call a function by its address, which the program is given when it runs."""
        given = ", ".join(f"{each.type} {each.text}" for each in operands)
        return self._called(f"call {result} {address.text}({given})", result)

    def call_here(self, name: str, operands: Sequence[Value], result: Type = VOID) -> Value:
        """Call a function that this module defines."""
        given = ", ".join(f"{each.type} {each.text}" for each in operands)
        return self._called(f"call {result} @{name}({given})", result)

    def _called(self, text: str, result: Type) -> Value:
        if result == VOID:
            self.write(text)
            return Value("", VOID)
        return self._new(text, result)

    # --- comparison and choice ---

    def icmp(self, relation: str, a: Value, b: Value) -> Value:
        """Compare integers: ``"eq"``, ``"ne"``, ``"slt"``, ``"ult"``, ``"sle"`` ..."""
        return self._new(f"icmp {relation} {a.type} {a.text}, {b.text}", a.type.with_scalar("i1"))

    def fcmp(self, relation: str, a: Value, b: Value) -> Value:
        """Compare floats: ``"oeq"``, ``"une"``, ``"olt"``, ``"ole"``, ``"uno"`` ..."""
        return self._new(f"fcmp {relation} {a.type} {a.text}, {b.text}", a.type.with_scalar("i1"))

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """Return ``a`` where the condition holds and ``b`` elsewhere."""
        return self._new(f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}", a.type)

    # --- conversions and lanes ---

    def convert(self, operation: str, a: Value, scalar: str) -> Value:
        """Convert to elements of another type: ``"bitcast"``, ``"sext"``, ``"zext"``, ``"fpext"``, ``"sitofp"`` ..."""
        wanted = a.type.with_scalar(scalar)
        return a if wanted == a.type else self._new(f"{operation} {a.type} {a.text} to {wanted}", wanted)

    def splat(self, a: Value, lanes: int) -> Value:
        """Return a vector with a scalar in every lane."""
        if a.type.lanes or not lanes:
            return a
        wide = a.type.of(lanes)
        if not a.text.startswith("%"):
            return Value(f"splat ({a.type} {a.text})", wide)
        one = self._new(f"insertelement {wide} poison, {a.type} {a.text}, i32 0", wide)
        return self.shuffle(one, one, [0] * lanes)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Return the lanes chosen, counted through ``a`` and then ``b``."""
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self._new(
            f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{len(lanes)} x i32> <{mask}>", a.type.of(len(lanes))
        )

    def extract(self, a: Value, lane: int) -> Value:
        """Return one lane of a vector."""
        return self._new(f"extractelement {a.type} {a.text}, i32 {lane}", a.type.of(0))

    def insert(self, a: Value, element: Value, lane: int) -> Value:
        """Return a vector with one lane replaced."""
        return self._new(f"insertelement {a.type} {a.text}, {element.type} {element.text}, i32 {lane}", a.type)

    def lane_numbers(self, lanes: int, type: Type = I64) -> Value:
        """Return 0, 1, 2, ... in the lanes of a vector."""
        return self.vector(range(lanes), type)

    # --- memory ---

    def at(self, base: Value, index: Value, type: Type) -> Value:
        """Return a pointer to an element of an array whose elements have a (scalar) type."""
        if index.text == "0":
            return base
        return self._new(f"getelementptr {type.of(0)}, ptr {base.text}, {index.type} {index.text}", PTR)

    def load(self, type: Type, pointer: Value, align: int = 0) -> Value:
        """Read a value; aligned as an element unless more is promised."""
        return self._new(f"load {type}, ptr {pointer.text}, align {align or max(type.bits // 8, 1)}", type)

    def store(self, value: Value, pointer: Value, align: int = 0) -> None:
        """Write a value."""
        self.write(
            f"store {value.type} {value.text}, ptr {pointer.text}, align {align or max(value.type.bits // 8, 1)}"
        )

    def slot(self, type: Type, count: int = 1, align: int = 64) -> Value:
        """Return a pointer to memory of this call's own."""
        name = f"%slot{len(self.slots)}"
        size = f", i64 {count}" if count != 1 else ""
        self.slots.append(f"  {name} = alloca {type}{size}, align {align}")
        return Value(name, PTR)

    def variable(self, first: Value) -> Variable:
        """Return a variable that holds ``first`` from here on."""
        name = f"%slot{len(self.slots)}"
        self.slots.append(f"  {name} = alloca {first.type}")
        made = Variable(name, first.type)
        self.set(made, first)
        return made

    def get(self, variable: Variable) -> Value:
        """Return what a variable holds."""
        return self._new(f"load {variable.type}, ptr {variable.slot}", variable.type)

    def set(self, variable: Variable, value: Value) -> None:
        """Put a value into a variable."""
        self.write(f"store {variable.type} {value.text}, ptr {variable.slot}")

    # --- control ---

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

    # --- text ---

    def write(self, instruction: str) -> None:
        """Write an instruction as it is."""
        self.lines.append(f"  {instruction}")

    def result(self, instruction: str, type: Type) -> Value:
        """Write an instruction as it is and return its result."""
        return self._new(instruction, type)

    def _new(self, instruction: str, type: Type) -> Value:
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {instruction}")
        return Value(name, type)


@dataclass(slots=True)
class Repeat:
    """A loop being written by `Emitter.repeat`: its index and the values it carries."""

    index: Value
    values: list[Value]


@dataclass(frozen=True, slots=True)
class While:
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


def _literal(value: float, scalar: str) -> str:
    """Return LLVM's text of a float: the bits of the double that equals it, which every type can be given by."""
    if scalar == "float":
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            value = float("inf") if value > 0 else float("-inf")
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
