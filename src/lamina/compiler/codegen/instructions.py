"""Writing LLVM IR: instructions of one function, one after the other.

Text is written straight away, without an object for each instruction: a training step has thousands, and the first
call waits for them. Variables are stack slots, which LLVM's first pass turns into registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.compiler.codegen.values import I8, I64, PTR, VOID, Type, Value, Variable, float_literal

if TYPE_CHECKING:
    from lamina.compiler.codegen.module import Module


class Instructions:
    """Writes instructions of one function, in the order of the calls; `Emitter` adds loops and branches."""

    def __init__(self, module: Module, name: str, parameters: Sequence[tuple[str, Type]]) -> None:
        self.module = module
        self.name = name
        self.arguments = {each.split()[-1]: Value(f"%{each.split()[-1]}", type) for each, type in parameters}
        self.slots: list[str] = []
        self.lines: list[str] = []
        self.returned: Value | None = None
        self._count = 0

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
        return self._filled(float_literal(value, type.scalar), type)

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
        return self.result(f"{operation} {a.type} {a.text}, {b.text}", a.type)

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
        return self.result(f"fneg {a.type} {a.text}", a.type)

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
        return self.result(text, result)

    # --- comparison and choice ---

    def icmp(self, relation: str, a: Value, b: Value) -> Value:
        """Compare integers: ``"eq"``, ``"ne"``, ``"slt"``, ``"ult"``, ``"sle"`` ..."""
        return self.result(f"icmp {relation} {a.type} {a.text}, {b.text}", a.type.with_scalar("i1"))

    def fcmp(self, relation: str, a: Value, b: Value) -> Value:
        """Compare floats: ``"oeq"``, ``"une"``, ``"olt"``, ``"ole"``, ``"uno"`` ..."""
        return self.result(f"fcmp {relation} {a.type} {a.text}, {b.text}", a.type.with_scalar("i1"))

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """Return ``a`` where the condition holds and ``b`` elsewhere."""
        return self.result(f"select {condition.type} {condition.text}, {a.type} {a.text}, {b.type} {b.text}", a.type)

    # --- conversions and lanes ---

    def convert(self, operation: str, a: Value, scalar: str) -> Value:
        """Convert to elements of another type: ``"bitcast"``, ``"sext"``, ``"zext"``, ``"fpext"``, ``"sitofp"`` ..."""
        wanted = a.type.with_scalar(scalar)
        return a if wanted == a.type else self.result(f"{operation} {a.type} {a.text} to {wanted}", wanted)

    def splat(self, a: Value, lanes: int) -> Value:
        """Return a vector with a scalar in every lane."""
        if a.type.lanes or not lanes:
            return a
        wide = a.type.of(lanes)
        if not a.text.startswith("%"):
            return Value(f"splat ({a.type} {a.text})", wide)
        one = self.result(f"insertelement {wide} poison, {a.type} {a.text}, i32 0", wide)
        return self.shuffle(one, one, [0] * lanes)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Return the lanes chosen, counted through ``a`` and then ``b``."""
        mask = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.result(
            f"shufflevector {a.type} {a.text}, {b.type} {b.text}, <{len(lanes)} x i32> <{mask}>", a.type.of(len(lanes))
        )

    def extract(self, a: Value, lane: int) -> Value:
        """Return one lane of a vector."""
        return self.result(f"extractelement {a.type} {a.text}, i32 {lane}", a.type.of(0))

    def insert(self, a: Value, element: Value, lane: int) -> Value:
        """Return a vector with one lane replaced."""
        return self.result(f"insertelement {a.type} {a.text}, {element.type} {element.text}, i32 {lane}", a.type)

    def lane_numbers(self, lanes: int, type: Type = I64) -> Value:
        """Return 0, 1, 2, ... in the lanes of a vector."""
        return self.vector(range(lanes), type)

    # --- memory ---

    def at(self, base: Value, index: Value, type: Type) -> Value:
        """Return a pointer to an element of an array whose elements have a (scalar) type."""
        if index.text == "0":
            return base
        return self.result(f"getelementptr {type.of(0)}, ptr {base.text}, {index.type} {index.text}", PTR)

    def offset(self, base: Value, distance: int) -> Value:
        """Return a pointer so many bytes further."""
        return self.at(base, self.integer(distance), I8)

    def load(self, type: Type, pointer: Value) -> Value:
        """Read a value, aligned as an element."""
        return self.result(f"load {type}, ptr {pointer.text}, align {max(type.bits // 8, 1)}", type)

    def store(self, value: Value, pointer: Value, align: int = 0) -> None:
        """Write a value, aligned as an element where nothing else is said."""
        self.write(
            f"store {value.type} {value.text}, ptr {pointer.text}, align {align or max(value.type.bits // 8, 1)}"
        )

    def load_atomic(self, pointer: Value, order: str = "acquire") -> Value:
        """Read a word that other threads write."""
        return self.result(f"load atomic i64, ptr {pointer.text} {order}, align 8", I64)

    def store_atomic(self, value: Value, pointer: Value, order: str = "release") -> None:
        """Write a word that other threads read."""
        self.write(f"store atomic {value.type} {value.text}, ptr {pointer.text} {order}, align {value.type.bits // 8}")

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
        return self.result(f"load {variable.type}, ptr {variable.slot}", variable.type)

    def set(self, variable: Variable, value: Value) -> None:
        """Put a value into a variable."""
        self.write(f"store {variable.type} {value.text}, ptr {variable.slot}")

    # --- text ---

    def write(self, instruction: str) -> None:
        """Write an instruction as it is."""
        self.lines.append(f"  {instruction}")

    def result(self, instruction: str, type: Type) -> Value:
        """Write an instruction as it is and return its result."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {instruction}")
        return Value(name, type)
