"""The operations of random graphs: each appended to a program where its operands fit, numbers small enough to be exact.

See `lamina_tests.random_graphs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lamina.backends.protocol import numpy_dtype
from lamina.compiler.graph.ir import Value, constant, full
from lamina.dtypes import DTYPES, DType, bool_, float32, integer_info
from lamina.errors import LaminaError
from lamina.primitives.primitive import Spec
from lamina_tests.graphs import apply

NDArray = npt.NDArray[Any]
Kind = Literal["integers", "whole", "special"]
Shape = tuple[int, ...]

LARGEST = {"float16": 2.0**10, "bfloat16": 2.0**7}
"""Up to which magnitude sums of whole numbers stay exact in a type; 2^21 in the wider ones."""
_NUMBERS = {
    "integers": (0, 1, 2, 3, 4),
    "whole": (0, 1, -1, 2, -3),
    "special": (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf),
}
_SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, math.inf, -math.inf, math.nan, 6e4, 6e-5)
_TWO = frozenset(
    {
        "add", "subtract", "multiply", "divide", "multiply_no_nan", "equal", "not_equal", "less", "less_equal",
        "maximum", "minimum", "copysign", "bitwise_and", "bitwise_or", "bitwise_xor",
    }
)  # fmt: skip


def random_array(kind: Kind, dtype: DType, shape: Shape, generator: np.random.Generator) -> NDArray:
    """Return numbers of a kind, as a program of that kind takes."""
    if kind == "integers":
        limits = integer_info(dtype)
        small = np.asarray(generator.integers(max(limits.min, -4), 5, shape)).astype(numpy_dtype(dtype))
        wide = generator.choice(np.asarray([limits.min, limits.max, 0, 1], numpy_dtype(dtype)), shape)
        return np.asarray(np.where(generator.random(shape) < 0.8, small, wide), numpy_dtype(dtype))
    drawn = generator.integers(-3, 4, shape) if kind == "whole" else generator.choice(_SPECIAL, shape)
    return np.asarray(drawn).astype(numpy_dtype(dtype))


@dataclass
class Writer:
    """Appends operations to a program; what does not fit is left out."""

    kind: Kind
    dtype: DType
    values: list[Value]
    bounds: dict[Value, float] = field(default_factory=dict)

    @property
    def largest(self) -> float:
        """How large a number may be without being rounded."""
        return LARGEST.get(self.dtype.name, 2.0**21)

    def step(self, name: str, first: int, second: int, third: int) -> None:
        """Append an operation on values that there are; the numbers choose them, from the newest on."""
        x, y = (self.values[-1 - at % len(self.values)] for at in (first, second))
        make = getattr(self, f"_{name}", None)
        try:
            made = make(x, y, third) if make else self._elementwise(name, x, y, third)
        except LaminaError:  # Shapes or types that do not fit each other.
            return
        if made is not None and math.prod(made.shape) <= 4096 and self.bound(made) <= self.largest:
            self.values.append(made)

    def bound(self, value: Value) -> float:
        """Return how large an element of a program of whole numbers may be."""
        if self.kind != "whole":
            return 0.0
        found = self.bounds.get(value)
        if found is None:
            found = self.bounds[value] = self._bounded(value)
        return found

    def _bounded(self, value: Value) -> float:
        inner = [self.bound(each) for each in value.operands] or [3.0]
        x = value.operands[0] if value.operands else None
        if value.op in ("full", "constant"):
            return 3.0
        if x is not None and value.op in ("sum", "cumulative_sum", "scatter_add", "scatter_add_along_axis"):
            return inner[0] * max(math.prod(x.shape), 1)
        if x is not None and value.op in ("prod", "cumulative_prod"):
            return float(max(inner[0], 1.0) ** math.prod(x.shape)) if math.prod(x.shape) < 30 else math.inf
        if x is not None and value.op in ("matmul", "matmul_bfloat16"):
            rounded = 1.0 + (2.0**-6 if value.op == "matmul_bfloat16" else 0.0)
            return inner[0] * inner[1] * max(x.shape[-1], 1) * rounded
        if value.op == "convolution":
            return inner[0] * inner[1] * max(math.prod(value.operands[1].shape[1:]), 1)
        if value.op in ("multiply", "multiply_no_nan", "pow"):
            return inner[0] * inner[-1] if value.op != "pow" else max(inner[0], 1.0) ** 3
        if x is not None and value.op in ("argmax", "argmin", "argsort", "searchsorted"):
            return float(max(math.prod(x.shape), 1))
        if value.op in ("take", "take_along_axis"):
            return inner[0]
        return sum(inner) if value.op in ("add", "subtract") else max(inner)

    def number(self, choice: int, dtype: DType | None = None) -> Value:
        """Return a number that rules may know."""
        dtype = self.dtype if dtype is None else dtype
        numbers = _NUMBERS[self.kind]
        given = numbers[choice % len(numbers)]
        if dtype is bool_:
            return full(Spec((), bool_), bool(choice % 2))
        shape = () if choice % 3 else (3,)
        return full(Spec(shape, dtype), abs(given) if dtype.kind == "unsigned" else given)

    # --- elementwise ---

    def _elementwise(self, name: str, x: Value, y: Value, choice: int) -> Value | None:
        if name in ("add", "subtract", "multiply", "divide", "multiply_no_nan", "equal", "copysign", "bitwise_or"):
            y = self.number(choice, x.dtype) if choice < 4 else y
            x, y = (y, x) if choice == 0 else (x, y)
        if x.dtype is bool_ and not (name.startswith("bitwise") or name in ("equal", "not_equal")):
            return None
        two = name in _TWO
        if two and x.dtype is not y.dtype:
            return None
        if x.dtype is not bool_ and name.startswith("bitwise") and self.kind != "integers":
            return None
        return apply(name, x, y) if two else apply(name, x)

    def _number(self, x: Value, y: Value, choice: int) -> Value:
        if choice < 6:
            return self.number(choice, x.dtype)
        shape = ((3,), (2, 3), (1, 3))[choice % 3]
        array = random_array(self.kind, self.dtype, shape, np.random.default_rng(choice))
        return constant(array, Spec(shape, self.dtype))

    def _where(self, x: Value, y: Value, choice: int) -> Value | None:
        conditions = [each for each in self.values if each.dtype is bool_]
        if choice == 0 or not conditions:
            conditions = [full(Spec((), bool_), bool(choice % 2))]
        x = self.number(choice, y.dtype) if choice in (1, 2) else x
        return apply("where", conditions[-1 - choice % len(conditions)], x, y)

    def _square(self, x: Value, y: Value, choice: int) -> Value | None:
        return None if x.dtype is bool_ else apply("multiply", x, x)

    def _halve(self, x: Value, y: Value, choice: int) -> Value | None:
        if not x.dtype.floating or (self.kind == "whole" and choice % 2):
            return None
        factor = full(Spec((), x.dtype), -0.5 if self.kind == "special" else -1.0)
        return apply("divide", x, factor)

    def _copysign(self, x: Value, y: Value, choice: int) -> Value | None:
        if x.dtype is bool_ or x.dtype is not y.dtype:
            return None
        # The sign of NaN has no meaning: arithmetic may leave either.
        is_number = apply("equal", y, y)
        return apply("copysign", x, apply("where", is_number, y, self.number(2, y.dtype)))

    def _pow(self, x: Value, y: Value, choice: int) -> Value | None:
        return None if x.dtype is bool_ else apply("pow", x, full(Spec((), x.dtype), choice % 4))

    def _astype(self, x: Value, y: Value, choice: int) -> Value | None:
        if self.kind == "special" and x.dtype.floating:
            targets = ["float64", "float32", "bool", x.dtype.name]
        else:
            targets = (
                ["int64", "int32", "float32", "bool", x.dtype.name] if self.kind == "whole" else ["int64", "uint8"]
            )
        return apply("astype", x, dtype=DTYPES[targets[choice % len(targets)]])

    def _floor_divide(self, x: Value, y: Value, choice: int) -> Value:
        return apply("floor_divide", x, self.number(choice, x.dtype) if choice < 8 else y)

    def _remainder(self, x: Value, y: Value, choice: int) -> Value:
        return apply("remainder", x, self.number(choice, x.dtype) if choice < 8 else y)

    def _bitwise_right_shift(self, x: Value, y: Value, choice: int) -> Value:
        return apply("bitwise_right_shift", x, full(Spec((), x.dtype), choice))

    # --- reductions, scans, products ---

    def _reduced(self, name: str, x: Value, choice: int) -> Value | None:
        if x.dtype is bool_ and name not in ("any", "all"):
            return None
        axes = tuple(axis for axis in range(len(x.shape)) if choice == 11 or choice >> axis & 1)
        return apply(name, x, axes=axes, keepdims=bool(choice & 8))

    def _sum(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._reduced("sum", x, choice)

    def _prod(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._reduced("prod", x, choice)

    def _max(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._reduced("max", x, choice)

    def _min(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._reduced("min", x, choice)

    def _any(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._reduced("any", x, choice)

    def _all(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._reduced("all", x, choice)

    def _along(self, name: str, x: Value, choice: int, **params: Any) -> Value | None:
        if not x.shape or x.dtype is bool_ or 0 in x.shape:
            return None
        return apply(name, x, axis=choice % len(x.shape), **params)

    def _cumulative_sum(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._along("cumulative_sum", x, choice)

    def _argmax(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._along("argmax", x, choice, keepdims=choice > 5)

    def _argmin(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._along("argmin", x, choice, keepdims=choice > 5)

    def _sort(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._along("sort", x, choice, descending=choice > 5, stable=True)

    def _argsort(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._along("argsort", x, choice, descending=choice > 5, stable=True)

    def _searchsorted(self, x: Value, y: Value, choice: int) -> Value | None:
        if len(x.shape) != 1 or x.dtype is bool_ or x.dtype is not y.dtype:
            return None
        ordered = apply("sort", x, axis=0, descending=False, stable=True)
        return apply("searchsorted", ordered, y, side="left" if choice % 2 else "right")

    def _cumulative_prod(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._along("cumulative_prod", x, choice)

    def _take_along_axis(self, x: Value, y: Value, choice: int) -> Value | None:
        places = self._argsort(x, y, choice)
        return None if places is None else apply("take_along_axis", x, places, axis=choice % len(x.shape))

    def _scatter_add(self, x: Value, y: Value, choice: int) -> Value | None:
        if not x.shape or x.dtype is bool_:
            return None
        axis = choice % len(x.shape)
        places = np.random.default_rng(choice).integers(-3, 3, x.shape[axis])
        return apply("scatter_add", x, constant(places, Spec(places.shape, DTYPES["int64"])), axis=axis, size=3)

    def _scatter_add_along_axis(self, x: Value, y: Value, choice: int) -> Value | None:
        places = self._argsort(x, y, choice)
        if places is None:
            return None
        size = x.shape[choice % len(x.shape)] + choice % 3
        return apply("scatter_add_along_axis", x, places, axis=choice % len(x.shape), size=size)

    def _matmul_bfloat16(self, x: Value, y: Value, choice: int) -> Value | None:
        return self._matmul(x, y, choice, "matmul_bfloat16") if x.dtype is y.dtype is float32 else None

    def _matmul(self, x: Value, y: Value, choice: int, row: str = "matmul") -> Value | None:
        x, y = (each if len(each.shape) > 1 else apply("reshape", each, shape=(*each.shape, 1)) for each in (x, y))
        if len(x.shape) < 2 or len(y.shape) < 2:
            return None
        if x.shape[-1] != y.shape[-2]:
            y = self._transpose(y, y, 0)
        if x.shape[-1] != y.shape[-2] and x.shape[-2] == y.shape[-2]:
            x = self._transpose(x, x, 0)
        return apply(row, x, y)

    def _linear(self, x: Value, y: Value, choice: int) -> Value | None:
        """A product, biased and transposed back, as gradients of weights are."""
        made = self._matmul(x, y, choice)
        if made is None or self.bound(made) > self.largest:
            return None
        return self._transpose(apply("add", made, self.number(choice, made.dtype)), x, 0)

    def _convolution(self, x: Value, y: Value, choice: int) -> Value | None:
        """One value seen through windows as large as another, each made fit by flattening its first axes."""
        ndim = 3 + choice % 2
        if x.dtype is bool_ or x.dtype is not y.dtype:
            return None
        x, y = (self._of_axes(each, ndim) for each in (x, y))
        groups = 2 if choice > 5 and x.shape[1] % 2 == 0 == y.shape[0] % 2 else 1
        if x.shape[1] != groups * y.shape[1]:
            x = self._of_axes(apply("reshape", x, shape=(math.prod(x.shape[:2]), 1, *x.shape[2:])), ndim)
            y = self._of_axes(apply("reshape", y, shape=(math.prod(y.shape[:2]), 1, *y.shape[2:])), ndim)
            groups = 1
        fits = tuple(min(pair) for pair in zip(x.shape[2:], y.shape[2:], strict=True))
        y = apply("slice", y, start=(0,) * ndim, stop=(*y.shape[:2], *fits), step=(1,) * ndim)
        steps = tuple((choice + axis) % 2 + 1 for axis in range(ndim - 2))
        return apply("convolution", x, y, stride=steps, dilation=(1,) * (ndim - 2), groups=groups)

    def _of_axes(self, x: Value, ndim: int) -> Value:
        """Return a value with a number of axes: the first ones flattened, or new ones before."""
        more = len(x.shape) - ndim
        shape = (1,) * -more + x.shape if more < 0 else (math.prod(x.shape[: more + 1]), *x.shape[more + 1 :])
        return apply("reshape", x, shape=shape)

    # --- moves ---

    def _windows(self, x: Value, y: Value, choice: int) -> Value | None:
        axes = min(1 + choice % 2, len(x.shape))
        sizes = x.shape[len(x.shape) - axes :]
        if not axes or 0 in sizes:
            return None
        size = tuple(1 + (choice + at) % min(each, 3) for at, each in enumerate(sizes))
        apart = tuple(2 if choice > 7 and 2 * count - 1 <= each else 1 for count, each in zip(size, sizes, strict=True))
        return apply("windows", x, size=size, stride=(1 + choice // 4 % 3,) * axes, dilation=apart)

    def _transpose(self, x: Value, y: Value, choice: int) -> Value:
        ndim = len(x.shape)
        return apply("permute_dims", x, axes=(*range(ndim - 2), *range(ndim - 1, max(ndim - 3, -1), -1)))

    def _permute_dims(self, x: Value, y: Value, choice: int) -> Value:
        return apply("permute_dims", x, axes=tuple(np.random.default_rng(choice).permutation(len(x.shape)).tolist()))

    def _reshape(self, x: Value, y: Value, choice: int) -> Value:
        size = math.prod(x.shape)
        wanted = [(size,), (*x.shape, 1), (1, size), (2, size // 2), (size // 3, 3), (2, 3, size // 6), y.shape]
        return apply("reshape", x, shape=wanted[choice % len(wanted)])

    def _squeeze(self, x: Value, y: Value, choice: int) -> Value:
        return apply("reshape", x, shape=tuple(size for size in x.shape if size != 1))

    def _expand(self, x: Value, y: Value, choice: int) -> Value:
        axis = choice % (len(x.shape) + 1)
        return apply("reshape", x, shape=(*x.shape[:axis], 1, *x.shape[axis:]))

    def _broadcast_to(self, x: Value, y: Value, choice: int) -> Value:
        return apply("broadcast_to", x, shape=y.shape if choice % 2 else (2, *x.shape))

    def _alias(self, x: Value, y: Value, choice: int) -> Value:
        return apply("alias", x)

    def _slice(self, x: Value, y: Value, choice: int) -> Value:
        draw = np.random.default_rng(choice)
        start = tuple(int(draw.integers(0, size + 1)) // 2 for size in x.shape)
        stop = tuple(int(draw.integers(low, size + 1)) for low, size in zip(start, x.shape, strict=True))
        return apply("slice", x, start=start, stop=stop, step=tuple(draw.integers(1, 3, len(x.shape)).tolist()))

    def _flip(self, x: Value, y: Value, choice: int) -> Value:
        return apply("flip", x, axes=tuple(axis for axis in range(len(x.shape)) if choice >> axis & 1))

    def _pad(self, x: Value, y: Value, choice: int) -> Value:
        low, high, interior = (
            tuple(each) for each in np.random.default_rng(choice).integers(0, 2, (3, len(x.shape))).tolist()
        )
        return apply("pad", x, low=low, high=high, interior=interior, value=choice % 2)

    def _concat(self, x: Value, y: Value, choice: int) -> Value | None:
        if not x.shape:
            return None
        return apply("concat", *((x, y, x)[: 1 + choice % 3]), axis=choice % len(x.shape))

    def _take(self, x: Value, y: Value, choice: int) -> Value | None:
        if not x.shape or 0 in x.shape:
            return None
        axis = choice % len(x.shape)
        places = np.random.default_rng(choice).integers(-x.shape[axis], x.shape[axis], ((2,), (), (2, 2))[choice % 3])
        return apply("take", x, constant(np.asarray(places), Spec(np.shape(places), DTYPES["int64"])), axis=axis)
