"""Graphs of primitives at random, for what must compute the same as the eager backend: passes, compiled programs.

Three kinds of program, in each of which every result is exact, so that two ways to compute it agree to the last bit:
integers, which wrap around; small whole numbers as floating-point ones, so few and small that no sum or product is
rounded; and any floating-point numbers, NaN, infinities and both zeros included, without what adds many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lamina.compiler.graph.ir import Graph, Update, input_value
from lamina.compiler.graph.printer import text
from lamina.dtypes import DTYPES, DType
from lamina.primitives.primitive import Spec
from lamina_tests.random_operations import Kind, NDArray, Shape, Writer, random_array

SHAPES: tuple[Shape, ...] = ((), (1,), (3,), (2, 3), (3, 2), (1, 3), (2, 1), (3, 3), (2, 3, 2), (1, 2, 3), (4,), (0, 3))
LARGER_SHAPES: tuple[Shape, ...] = (
    (2100,), (2049,), (40, 37), (3, 5, 41), (1, 70), (70, 1), (2, 1024), (33,), (17, 17), (9, 130), (130, 9)
)  # fmt: skip
"""Longer than vectors, than the blocks of a reduction and than what is shared out one by one."""

_ANY = ("negative", "abs", "add", "subtract", "multiply", "where", "equal", "not_equal", "less", "less_equal", "square")
_LOGIC = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert")
_MOVES = (
    "reshape", "squeeze", "expand", "permute_dims", "transpose", "broadcast_to", "slice", "flip", "pad", "concat",
    "take", "alias", "windows",
)  # fmt: skip
_SUMS = (
    "sum",
    "prod",
    "max",
    "min",
    "matmul",
    "matmul",
    "linear",
    "cumulative_sum",
    "cumulative_prod",
    "sum",
    "maximum",
    "minimum",
    "relu",
    "scatter_add",
    "scatter_add_along_axis",
    "convolution",
)
_OF_BITS = (
    "any", "all", "argmax", "argmin", "astype", "number", "sort", "argsort", "take_along_axis", "searchsorted", "pow",
)  # fmt: skip
STEPS: Mapping[Kind, tuple[str, ...]] = {
    "integers": (
        *_ANY, *_LOGIC, *_MOVES, *_SUMS, *_OF_BITS, "floor_divide", "remainder", "bitwise_right_shift",
    ),
    "whole": (
        *_ANY, *_MOVES, *_SUMS, *_OF_BITS, "matmul_bfloat16", "multiply_no_nan", "floor", "sign", "halve",
    ),
    "special": (
        *_ANY, *_MOVES, *_OF_BITS[:-1], "multiply_no_nan", "divide", "sqrt", "floor", "ceil", "trunc", "round",
        "copysign", "halve", "divide",
    ),
}  # fmt: skip
TYPES: Mapping[Kind, tuple[str, ...]] = {
    "integers": ("int32", "uint8", "int64", "int8", "int16", "uint16", "uint32", "uint64"),
    "whole": ("float32", "float64", "float32", "float16", "bfloat16"),
    "special": ("float32", "float64", "float16", "bfloat16"),
}


class Program:
    """A graph and arrays for its inputs."""

    def __init__(self, graph: Graph, inputs: tuple[NDArray, ...], kind: Kind) -> None:
        self.graph = graph
        self.inputs = inputs
        self.kind = kind

    def __repr__(self) -> str:
        return "\n".join((text(self.graph), *(f"%{place} is {x!r}" for place, x in enumerate(self.inputs))))


@st.composite
def programs(
    draw: Callable[..., Any], kind: Kind | None = None, most: int = 14, possible: Sequence[Shape] = SHAPES
) -> Program:
    """Return a strategy of programs.

    Parameters
    ----------
    kind : {"integers", "whole", "special"}, optional
        Any of the three when not given.
    most : int, default 14
        How many operations at most.
    possible : sequence of shapes
        Of inputs.
    """
    kind = draw(st.sampled_from(("integers", "whole", "special"))) if kind is None else kind
    dtype = DTYPES[draw(st.sampled_from(TYPES[kind]))]
    shapes = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=3))
    choice = st.integers(0, 11)
    steps = draw(st.lists(st.tuples(st.sampled_from(STEPS[kind]), choice, choice, choice), min_size=1, max_size=most))
    return _program(kind, dtype, shapes, steps, draw(st.integers(0, 1 << 16)))


def _program(kind: Kind, dtype: DType, shapes: Sequence[Shape], steps: Sequence[Any], seed: int) -> Program:
    generator = np.random.default_rng(seed)
    inputs = [random_array(kind, dtype, shape, generator) for shape in shapes]
    writer = Writer(kind, dtype, [input_value(at, Spec(x.shape, dtype)) for at, x in enumerate(inputs)])
    for name, *choices in steps:
        writer.step(name, *choices)
    made = writer.values[len(inputs) :] or writer.values
    outputs = tuple(made[-3:])
    updates = []
    for at, x in enumerate(writer.values[: len(inputs)]):
        fitting = [each for each in writer.values if each.spec == x.spec]
        updates.append(Update(at, fitting[(seed + at) % len(fitting)]))
    return Program(Graph(tuple(writer.values[: len(inputs)]), outputs, tuple(updates)), tuple(inputs), kind)


def program_at_random(seed: int, most: int = 14, possible: Sequence[Shape] = SHAPES) -> Program:
    """Return the program of a seed: longer than what hypothesis draws, but nothing makes it simpler when it fails."""
    generator = np.random.default_rng(seed)

    def one_of(choices: Sequence[Any]) -> Any:
        return choices[int(generator.integers(len(choices)))]

    kind: Kind = one_of(("integers", "whole", "special"))
    dtype = DTYPES[one_of(TYPES[kind])]
    shapes = [one_of(possible) for _ in range(generator.integers(1, 4))]
    count = int(generator.integers(1, most + 1))
    steps = [(one_of(STEPS[kind]), *generator.integers(0, 12, 3).tolist()) for _ in range(count)]
    return _program(kind, dtype, shapes, steps, seed)
