"""The elementwise primitives as instructions: one row each, by the kind of their operands.

A row's functions take the emitter, the types and the operands in register form, all scalars or all vectors of the
same lanes. What they compute is what `lamina.backends.elementwise` says, and bit for bit what NumPy computes, but for
the mathematical functions, whose error `mathematics.ULP_BOUND` states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lamina.compiler.codegen import floats, integers
from lamina.compiler.codegen.conversion import converted
from lamina.compiler.codegen.elements import converts_halves, narrow
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.mathematics import FUNCTIONS, rounding
from lamina.compiler.codegen.mathematics.lanes import Lanes
from lamina.compiler.codegen.values import Value
from lamina.dtypes import DType, float16


class Types(NamedTuple):
    """The type of the operands (the last, for ``where``) and that of the result."""

    operand: DType
    result: DType


Emission = Callable[..., Value]
"""``emission(f, types, *operands)`` writes instructions and returns the result."""


class Rule(NamedTuple):
    """How one primitive is written.

    Attributes
    ----------
    cost : int
        Instructions for a vector of float32, roughly; a division counts as five.
    floating, signed, unsigned, boolean : Emission or None
        For operands of each kind; None where the primitive does not take them.
    exact : bool
        Whether narrow floats give a result that is one already, and needs no rounding.
    fault : Emission or None
        Returns the lanes, as bools, whose operands are an error.
    """

    cost: int
    floating: Emission | None = None
    signed: Emission | None = None
    unsigned: Emission | None = None
    boolean: Emission | None = None
    exact: bool = False
    fault: Emission | None = None


def emit_elementwise(f: Emitter, op: str, types: Types, operands: Sequence[Value]) -> Value:
    """Return what a primitive makes of operands, all scalars or all vectors: rounded, if it is a narrow float."""
    rule = ELEMENTWISE[op]
    value = _emission(rule, op, types.operand)(f, types, *operands)
    return value if rule.exact else narrow(f, types.result, value)


def emit_fault(f: Emitter, op: str, types: Types, operands: Sequence[Value]) -> Value | None:
    """Return whether operands are an error, for each lane a bool; None where no operands of these types are."""
    rule = ELEMENTWISE[op]
    if rule.fault is None or types.operand.kind != "signed":
        return None
    return rule.fault(f, types, *operands)


def cost(op: str) -> int | None:
    """Return roughly how many instructions a primitive takes; None if it is not elementwise."""
    rule = ELEMENTWISE.get(op)
    return None if rule is None else rule.cost


def _emission(rule: Rule, op: str, dtype: DType) -> Emission:
    kinds = {"floating": rule.floating, "signed": rule.signed, "unsigned": rule.unsigned, "bool": rule.boolean}
    found = kinds[dtype.kind]
    if found is None:
        raise KeyError(f"{op} has no instructions for {dtype.name}")
    return found


# --- how rows are made ---


def _instruction(name: str) -> Emission:
    """An instruction of two operands."""
    return lambda f, types, a, b: f.binary(name, a, b)


def _intrinsic(name: str, extra: str = "") -> Emission:
    """One of LLVM's functions."""
    return lambda f, types, *operands: f.intrinsic(name, *operands, extra=extra)


def _arithmetic(cost: int, floating: Emission, integer: Emission, unsigned: Emission | None = None) -> Rule:
    return Rule(cost, floating, integer, unsigned or integer)


def _exact(
    cost: int, floating: Emission | None, signed: Emission | None = None, unsigned: Emission | None = None
) -> Rule:
    return Rule(cost, floating, signed, unsigned, exact=True)


def _formula(function: Callable[..., Lanes]) -> Emission:
    """What is written with operators of lanes."""
    return lambda f, types, *operands: function(*[Lanes(f, x) for x in operands]).value


def _call(name: str) -> Emission:
    """A mathematical function."""
    formula = _formula(FUNCTIONS[name])
    return lambda f, types, *operands: formula(f, types, *[_opaque(f, types.operand, x) for x in operands])


def _copysign(f: Emitter, types: Types, x: Value, y: Value) -> Value:
    return f.intrinsic("copysign", x, _opaque(f, types.operand, y))


def _opaque(f: Emitter, dtype: DType, x: Value) -> Value:
    """Return a number through whose rounding to a half LLVM does not look: the bits that are cut off were zeros.

    Its code generator takes a sign from before it was rounded. Where that was a double, and the result of ``copysign``
    is a half, it calls a function that not every machine has.
    """
    if dtype is not float16 or not converts_halves(f):
        return x
    bits = f.convert("bitcast", x, "i32")
    return f.convert("bitcast", f.binary("and", bits, f.integer(-1 << 13, bits.type)), "float")


def _function(cost: int, name: str) -> Rule:
    return Rule(cost, _call(name))


def _comparison(floating: str, signed: str, unsigned: str) -> Rule:
    def of_floats(f: Emitter, types: Types, a: Value, b: Value) -> Value:
        return f.fcmp(floating, a, b)

    def by(relation: str) -> Emission:
        return lambda f, types, a, b: f.icmp(relation, a, b)

    return Rule(1, of_floats, by(signed), by(unsigned), by(unsigned), exact=True)


def _bitwise(name: str) -> Rule:
    each = _instruction(name)
    return Rule(1, None, each, each, each)


def _every(cost: int, emission: Emission, exact: bool = True) -> Rule:
    return Rule(cost, emission, emission, emission, emission, exact)


def _itself(f: Emitter, types: Types, x: Value) -> Value:
    return x


def _inverted(f: Emitter, types: Types, x: Value) -> Value:
    return f.binary("xor", x, f.integer(-1, x.type))


ELEMENTWISE: dict[str, Rule] = {
    # one operand
    "negative": _exact(1, lambda f, types, x: f.fneg(x), integers.negative, integers.negative),
    "abs": _exact(1, _intrinsic("fabs"), _intrinsic("abs", "i1 false"), _itself),
    "sign": _exact(4, floats.sign, integers.sign, integers.sign_unsigned),
    "floor": _exact(1, _formula(rounding.floor)),
    "ceil": _exact(1, _formula(rounding.ceil)),
    "trunc": _exact(1, _formula(rounding.trunc)),
    "round": _exact(1, _formula(rounding.to_even)),
    "bitwise_invert": Rule(1, None, _inverted, _inverted, _inverted),
    "sqrt": Rule(6, _intrinsic("sqrt")),
    "relu": _exact(2, floats.relu, integers.relu, _itself),
    # mathematical functions
    "exp": _function(16, "exp"),
    "expm1": _function(30, "expm1"),
    "log": _function(34, "log"),
    "log1p": _function(44, "log1p"),
    "log2": _function(49, "log2"),
    "log10": _function(49, "log10"),
    "sin": _function(92, "sin"),
    "cos": _function(92, "cos"),
    "tan": _function(100, "tan"),
    "asin": _function(25, "asin"),
    "acos": _function(30, "acos"),
    "atan": _function(31, "atan"),
    "sinh": _function(38, "sinh"),
    "cosh": _function(32, "cosh"),
    "tanh": _function(29, "tanh"),
    "asinh": _function(59, "asinh"),
    "acosh": _function(54, "acosh"),
    "atanh": _function(54, "atanh"),
    "erf": _function(31, "erf"),
    "sigmoid": _function(24, "sigmoid"),
    # two operands
    "add": _arithmetic(1, _instruction("fadd"), _instruction("add")),
    "subtract": _arithmetic(1, _instruction("fsub"), _instruction("sub")),
    "multiply": _arithmetic(1, _instruction("fmul"), _instruction("mul")),
    "multiply_no_nan": Rule(4, floats.multiply_no_nan),
    "divide": Rule(5, _instruction("fdiv")),
    "pow": Rule(180, _call("pow"), integers.power, integers.power, fault=integers.negative_exponent),
    "atan2": _function(48, "atan2"),
    "floor_divide": _arithmetic(40, _formula(floats.floor_divide), integers.floor_divide, integers.divide_unsigned),
    "remainder": _arithmetic(40, _formula(floats.remainder), integers.remainder, integers.remainder_unsigned),
    "maximum": _exact(3, floats.maximum, _intrinsic("smax"), _intrinsic("umax")),
    "minimum": _exact(3, floats.minimum, _intrinsic("smin"), _intrinsic("umin")),
    "copysign": _exact(2, _copysign),
    "nextafter": _exact(12, floats.nextafter),
    "equal": _comparison("oeq", "eq", "eq"),
    "not_equal": _comparison("une", "ne", "ne"),
    "less": _comparison("olt", "slt", "ult"),
    "less_equal": _comparison("ole", "sle", "ule"),
    "bitwise_and": _bitwise("and"),
    "bitwise_or": _bitwise("or"),
    "bitwise_xor": _bitwise("xor"),
    "bitwise_left_shift": Rule(2, None, integers.shift_left, integers.shift_left),
    "bitwise_right_shift": Rule(2, None, integers.shift_right, integers.shift_right_unsigned),
    # others
    "where": _every(1, lambda f, types, condition, a, b: f.select(condition, a, b)),
    "astype": _every(1, lambda f, types, x: converted(f, x, *types), exact=False),
    "alias": _every(0, _itself),
}
"""Every elementwise primitive."""
