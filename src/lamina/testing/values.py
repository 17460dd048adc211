"""The numbers that operands are filled with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina.backends.protocol import numpy_dtype
from lamina.dtypes import DType, float_info, integer_info
from lamina.primitives import specs
from lamina.primitives.primitive import Primitive, Shape

NDArray = npt.NDArray[Any]

# Rows that add or multiply many elements: the order in which a large number overflows is not part of the
# meaning, so they get none.
ACCUMULATING = frozenset(
    {
        "sum", "prod", "cumulative_sum", "cumulative_prod", "matmul", "matmul_bfloat16", "convolution",
        "scatter_add", "scatter_add_along_axis",
    }
)  # fmt: skip

# The array API leaves an infinite dividend open.
FINITE = frozenset({"floor_divide", "remainder"})

GRID = 128


def grid(low: float, high: float) -> NDArray:
    """Return about `GRID` numbers between two bounds, apart from each other, from zero and each other's multiples."""
    places = np.arange(GRID) + 0.5
    numbers = low + (high - low) * (places + 0.3 * np.sin(12.9898 * places)) / GRID
    return np.asarray(numbers[np.abs(numbers) > 0.015])


class Values:
    """Draws arrays of one type for one primitive."""

    def __init__(
        self, draw: Callable[..., Any], dtype: DType, dtypes: frozenset[DType], primitive: Primitive, smooth: bool
    ) -> None:
        self.draw = draw
        self.dtype = dtype
        self.dtypes = dtypes
        self.primitive = primitive
        self.smooth = smooth
        self._numbers: list[float] = []
        self._left: list[float] = []
        if smooth:
            domain = primitive.domain
            seed = draw(st.integers(0, 2**16))
            self._numbers = np.random.default_rng(seed).permutation(grid(domain.low, domain.high)).tolist()

    def array(self, shape: Shape, position: int = 0) -> NDArray:
        """Return an operand of ``shape``."""
        if self.smooth:
            return self._apart(shape)
        return self._drawn(shape, self._elements(position))

    def _apart(self, shape: Shape) -> NDArray:
        count = int(np.prod(shape, dtype=np.int64))
        while len(self._left) < count:  # Only what is linear, windows and convolutions, takes so many: they may repeat.
            self._left += self._numbers
        taken, self._left = self._left[:count], self._left[count:]
        return np.asarray(taken, dtype=numpy_dtype(self.dtype)).reshape(shape)

    def _drawn(self, shape: Shape, elements: Any) -> NDArray:
        native = numpy_dtype(self.dtype)
        # Floats are drawn in float64, because hypothesis does not know every type, and rounded.
        drawn_as = np.dtype(np.float64) if self.dtype.floating else native
        drawn: NDArray = self.draw(hnp.arrays(drawn_as, shape, elements=elements))
        with np.errstate(all="ignore"):
            return drawn.astype(native)

    def _elements(self, position: int) -> Any:
        if self.dtype.kind == "bool":
            return st.booleans()
        if self.dtype.floating:
            return self._floats()
        if self.primitive.spec is specs.shift and position == 1:
            return st.integers(0, self.dtype.bits + 1 if self.dtype.bits < 64 else 65)
        if self.primitive.name == "pow" and position == 1:
            return st.integers(0, 6)
        limits = integer_info(self.dtype)
        ends = [limits.min, limits.min + 1, limits.max - 1, limits.max, 0, 1, 2, 3]
        return st.one_of(st.sampled_from(ends), st.integers(max(limits.min, -9), 9))

    def _floats(self) -> Any:
        moderate = st.floats(-4.0, 4.0, width=16)
        special = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0]
        if self.primitive.name not in FINITE:
            special += [np.inf, -np.inf, np.nan]
        if self.primitive.name not in ACCUMULATING:
            limits = float_info(self.dtype)
            special += [limits.max, limits.min, limits.smallest_normal, 100.0, -100.0, 1.0 + limits.eps]
        return st.one_of(moderate, st.sampled_from(special))

    def targets(self) -> Any:
        """Return a strategy of types to cast to; floating-point ones where a derivative is wanted."""
        wanted = [each for each in self.dtypes if each.floating or not self.smooth]
        if self.smooth:
            wanted = [self.dtype]
        return st.sampled_from(sorted(wanted, key=lambda each: each.name))

    def castable(self, shape: Shape, dtype: DType) -> NDArray:
        """Return values that another type can hold: what a float out of an integer's range becomes is left open."""
        if self.smooth or not (self.dtype.floating and dtype.integral):
            return self.array(shape)
        low = 0.0 if dtype.kind == "unsigned" else -100.0
        return self._drawn(shape, st.floats(low, 100.0, width=16))

    def matrices(self, shape: Shape) -> NDArray:
        """Return well-conditioned matrices with distinct eigenvalues and singular values."""
        seed = self.draw(st.integers(0, 2**16))
        noise = np.random.default_rng(seed).uniform(-0.3, 0.3, size=shape)
        rows, columns = shape[-2:]
        diagonal = np.eye(rows, columns) * (1.0 + np.arange(columns))
        return np.asarray(noise + diagonal, dtype=numpy_dtype(self.dtype))
