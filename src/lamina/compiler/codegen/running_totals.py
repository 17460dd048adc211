"""Running totals of a reduction: what they begin with, how elements are added to them, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from lamina.compiler.codegen.elements import literal, narrow, register_type
from lamina.compiler.codegen.elementwise import Types, emit_elementwise
from lamina.compiler.codegen.expressions import Body, Step, folded
from lamina.compiler.codegen.values import Value, Variable
from lamina.compiler.graph import ir
from lamina.compiler.schedule.accesses import in_memory
from lamina.compiler.schedule.kernels import Reduction
from lamina.compiler.schedule.views import Affine, Index, walk
from lamina.dtypes import DType, bool_, integer_info


class RunningTotals:
    """The totals of one kernel, with vectors along one of its loops.

    Attributes
    ----------
    lengths : dict of int to int
        How long the loops are that are reduced over.
    inner : list of int
        Those among them that vectors do not lie along.
    before, after : list of Value
        What the kernel computes of the elements, and of the totals.
    sweeps : list of lists of Value
        The reductions that are computed together, each after those that it depends on.
    """

    def __init__(self, body: Body, kernel: Reduction, lanes: int, lane_loop: int, places: Sequence[Affine]) -> None:
        self.body = body
        self.f = body.f
        self.kernel = kernel
        self.lanes = lanes
        self.lane_loop = lane_loop
        self.lengths = _lengths(kernel, places)
        self.inner = [loop for loop in sorted(self.lengths) if loop != lane_loop]
        # Without loops there is nothing to tell the two kinds of value apart, nor any need to.
        self.before = [each for each in kernel.computed if kernel.index_of(each) is None]
        self.after = [each for each in kernel.computed if kernel.index_of(each) is not None]
        self.sweeps = sweeps_of(body, kernel)

    def first(self, width: int, values: Sequence[ir.Value]) -> list[Variable]:
        """Return running totals of nothing yet."""
        return [self.f.variable(self._neutral(value, width)) for value in values]

    def _neutral(self, value: ir.Value, width: int) -> Value:
        dtype = value.operands[0].dtype
        if value.op in ("any", "all"):
            return literal(self.f, bool_, value.op == "all", width)
        number = {
            "sum": 0,  # a sum of negative zeros is plain zero
            "prod": 1,
            "max": _least(dtype),
            "min": _greatest(dtype),
        }[value.op]
        return self.f.number(number, register_type(dtype).of(width))

    def elements(self, step: Step, values: Sequence[ir.Value]) -> list[Value]:
        """Return what is reduced at a step; in the last sweep, store what else is to be kept of it."""
        kernel, f = self.kernel, self.f
        found = []
        stored = self.before if values is self.sweeps[-1] else []
        step.compute(stored)
        for value in values:
            operand = value.operands[0]
            element = step.of(operand, kernel.place_of(operand))
            if value.op in ("any", "all") and operand.dtype is not bool_:
                zero = literal(f, operand.dtype, 0, element.type.lanes)
                element = emit_elementwise(f, "not_equal", Types(operand.dtype, bool_), [element, zero])
            found.append(element)
        step.keep(stored)
        return found

    def combine(self, value: ir.Value, a: Value, b: Value) -> Value:
        """Return what two totals are together."""
        f, dtype = self.f, value.operands[0].dtype
        match value.op:
            case "sum":
                return f.fadd(a, b) if dtype.floating else f.add(a, b)
            case "prod":
                return f.fmul(a, b) if dtype.floating else f.mul(a, b)
            case "any":
                return f.binary("or", a, b)
            case "all":
                return f.binary("and", a, b)
        name = "maximum" if value.op == "max" else "minimum"
        return emit_elementwise(f, name, Types(dtype, dtype), [a, b])

    def across(self, value: ir.Value, vector: Value) -> Value:
        """Return the total of a vector's lanes."""
        return folded(self.f, vector, partial(self.combine, value)) if vector.type.lanes else vector

    def bind(self, step: Step, totals: Mapping[ir.Value, Value]) -> None:
        """Make rounded totals known at a step."""
        for value, total in totals.items():
            step.bind(value, narrow(self.f, value.dtype, total))

    def finish(self, step: Step, totals: Mapping[ir.Value, Value]) -> None:
        """Compute what is made of the totals, and store what is to be kept."""
        self.bind(step, totals)
        step.compute(self.after)
        step.keep(self.after)


def _lengths(kernel: Reduction, places: Sequence[Affine]) -> dict[int, int]:
    """Return the loops that are reduced over with their lengths.

    Neighbours that all of memory runs through in one go are one, which has the number of the last.
    """
    found: dict[int, int] = {}
    before = [each for each in kernel.computed if kernel.index_of(each) is None]
    stored = [kernel.stored_at(each) for each in before]
    for loop in sorted(kernel.reduced):
        length = kernel.dims[loop]
        if loop - 1 in found and all(place[loop - 1] == place[loop] * length for place in (*places, *stored)):
            length *= found.pop(loop - 1)
        found[loop] = length
    return found


def sweeps_of(body: Body, kernel: Reduction) -> list[list[ir.Value]]:
    """Return the reductions that are computed together, each after those that it depends on."""
    number: dict[ir.Value, int] = {}
    for value in kernel.values:
        earlier: list[int] = []

        def inside(inner: ir.Value, at: Index, earlier: list[int] = earlier) -> bool:
            if inner in number:
                earlier.append(number[inner])
                return False
            return in_memory(kernel, body.fused, inner, at) is None

        operand = value.operands[0]
        walk([(operand, kernel.place_of(operand))], len(kernel.dims), inside)
        number[value] = max(earlier, default=-1) + 1
    return [[each for each in kernel.values if number[each] == at] for at in range(max(number.values()) + 1)]


def _least(dtype: DType) -> float:
    return -math.inf if dtype.floating else integer_info(dtype).min


def _greatest(dtype: DType) -> float:
    return math.inf if dtype.floating else integer_info(dtype).max
