"""Operands and parameters for every primitive, drawn by hypothesis from the row's spec rule.

A spec rule is shared by a family of rows, so a new row in an existing family needs nothing here. A new
family adds one function to `FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lamina.dtypes import DType, as_dtype
from lamina.errors import BackendError
from lamina.primitives import specs, window_specs
from lamina.primitives.primitive import Primitive, Shape
from lamina.testing.arity import operand_count
from lamina.testing.values import Values

NDArray = npt.NDArray[Any]
Draw = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One application of a primitive: NumPy operands and canonical parameters."""

    operands: tuple[NDArray, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{as_dtype(x.dtype).name}{list(x.shape)}" for x in self.operands)
        options = "".join(f", {name}={value!r}" for name, value in self.params.items())
        return f"({given}{options})"

    def values(self) -> str:
        """Return the operands themselves, one a line."""
        return "\n".join(
            f"  operand {position}: {np.array2string(np.asarray(x), separator=', ', threshold=200)}"
            for position, x in enumerate(self.operands)
        )


Family = Callable[[Draw, Values, Primitive], Case]


def cases(primitive: Primitive, dtype: DType, dtypes: frozenset[DType], *, smooth: bool = False) -> Any:
    """Return a strategy of cases for one primitive.

    Parameters
    ----------
    primitive : Primitive
    dtype : DType
        Of the operands, indices and conditions aside.
    dtypes : frozenset of DType
        What the backend has: a cast goes to any of them.
    smooth : bool, default False
        Draw values inside the row's domain, all apart from each other, where a derivative can be compared
        with differences; otherwise anything, infinities, NaN and the ends of the integers included.
    """
    family = FAMILIES.get(primitive.spec)
    if family is None:
        raise BackendError(
            f"check_primitive: there is no strategy for the spec rule of {primitive.name!r}; "
            "add its family to lamina.testing.strategies.FAMILIES"
        )

    @st.composite
    def strategy(draw: Draw) -> Case:
        return family(draw, Values(draw, dtype, dtypes, primitive, smooth), primitive)

    return strategy()


def _shape(draw: Draw, low: int = 0, smallest: int = 0) -> Shape:
    return draw(hnp.array_shapes(min_dims=low, max_dims=3, min_side=smallest, max_side=3))  # type: ignore[no-any-return]


def _axis(draw: Draw, shape: Shape) -> int:
    return draw(st.integers(0, len(shape) - 1))  # type: ignore[no-any-return]


def _axes(draw: Draw, ndim: int) -> Shape:
    chosen = draw(st.lists(st.booleans(), min_size=ndim, max_size=ndim))
    return tuple(axis for axis, taken in enumerate(chosen) if taken)


def _broadcastable(draw: Draw, count: int) -> tuple[Shape, ...]:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=3))
    return tuple(shapes.input_shapes)


# --- elementwise ------------------------------------------------------------------------------------------


def _elementwise(draw: Draw, values: Values, primitive: Primitive) -> Case:
    shapes = _broadcastable(draw, operand_count(primitive))
    return Case(tuple(values.array(shape, position) for position, shape in enumerate(shapes)))


def _where(draw: Draw, values: Values, primitive: Primitive) -> Case:
    condition, x, y = _broadcastable(draw, 3)
    return Case((draw(hnp.arrays(np.bool_, condition)), values.array(x), values.array(y)))


def _astype(draw: Draw, values: Values, primitive: Primitive) -> Case:
    dtype = draw(values.targets())
    return Case((values.castable(_shape(draw), dtype),), {"dtype": dtype})


def _same_shape(draw: Draw, values: Values, primitive: Primitive) -> Case:
    return Case((values.array(_shape(draw)),))


# --- reductions -------------------------------------------------------------------------------------------


def _reduction(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw))
    return Case((x,), {"axes": _axes(draw, x.ndim), "keepdims": draw(st.booleans())})


def _nonempty_reduction(draw: Draw, values: Values, primitive: Primitive) -> Case:
    shape = _shape(draw)
    axes = tuple(axis for axis in _axes(draw, len(shape)) if shape[axis])
    return Case((values.array(shape),), {"axes": axes, "keepdims": draw(st.booleans())})


def _arg_reduction(draw: Draw, values: Values, primitive: Primitive) -> Case:
    shape = _shape(draw, 1)
    full = [axis for axis, size in enumerate(shape) if size]
    if not full:
        shape, full = (2, *shape), [0]
    return Case((values.array(shape),), {"axis": draw(st.sampled_from(full)), "keepdims": draw(st.booleans())})


def _along_axis(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw, 1))
    return Case((x,), {"axis": _axis(draw, x.shape)})


def _sort(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw, 1))
    return Case((x,), {"axis": _axis(draw, x.shape), "descending": draw(st.booleans()), "stable": True})


def _searchsorted(draw: Draw, values: Values, primitive: Primitive) -> Case:
    line = np.sort(values.array((draw(st.integers(0, 5)),)))
    return Case((line, values.array(_shape(draw))), {"side": draw(st.sampled_from(["left", "right"]))})


# --- shape ------------------------------------------------------------------------------------------------


def _reshape(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw))
    factors = [each for each in x.shape if each != 1]
    shape = draw(st.permutations([*factors, *[1] * draw(st.integers(0, 2))]))
    if len(shape) > 1 and draw(st.booleans()):
        shape = [shape[0] * shape[1], *shape[2:]]
    return Case((x,), {"shape": tuple(shape)})


def _broadcast_to(draw: Draw, values: Values, primitive: Primitive) -> Case:
    shape = _shape(draw)
    kept = tuple(1 if narrow else size for size, narrow in zip(shape, _flags(draw, len(shape)), strict=True))
    return Case((values.array(kept[draw(st.integers(0, len(kept))) :]),), {"shape": shape})


def _flags(draw: Draw, count: int) -> list[bool]:
    return draw(st.lists(st.booleans(), min_size=count, max_size=count))  # type: ignore[no-any-return]


def _permute_dims(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw))
    return Case((x,), {"axes": tuple(draw(st.permutations(range(x.ndim))))})


def _flip(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw))
    return Case((x,), {"axes": _axes(draw, x.ndim)})


def _slice(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw))
    start = tuple(draw(st.integers(0, size)) for size in x.shape)
    stop = tuple(draw(st.integers(low, size)) for low, size in zip(start, x.shape, strict=True))
    return Case((x,), {"start": start, "stop": stop, "step": tuple(draw(st.integers(1, 3)) for _ in x.shape)})


def _pad(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw))
    low, high, interior = (tuple(draw(st.integers(0, 2)) for _ in x.shape) for _ in range(3))
    return Case((x,), {"low": low, "high": high, "interior": interior, "value": draw(st.sampled_from([0, 1]))})


def _concat(draw: Draw, values: Values, primitive: Primitive) -> Case:
    shape = _shape(draw, 1)
    axis = _axis(draw, shape)
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    parts = tuple(values.array((*shape[:axis], length, *shape[axis + 1 :])) for length in lengths)
    return Case(parts, {"axis": axis})


# --- indexing ---------------------------------------------------------------------------------------------


def _indices(draw: Draw, shape: Shape, size: int) -> NDArray:
    """Return indices into an axis, counted from either end; none where the axis is empty."""
    if size == 0:
        shape = (*shape[:-1], 0) if shape else (0,)
        return np.zeros(shape, np.int64)
    dtype = draw(st.sampled_from([np.int64, np.int32, np.uint8]))
    low = 0 if dtype is np.uint8 else -size
    return draw(hnp.arrays(dtype, shape, elements=st.integers(low, size - 1)))  # type: ignore[no-any-return]


def _take(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw, 1))
    axis = _axis(draw, x.shape)
    indices = _indices(draw, draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)), x.shape[axis])
    return Case((x, indices), {"axis": axis})


def _scatter(draw: Draw, values: Values, primitive: Primitive) -> Case:
    size = draw(st.integers(0, 4))
    indices = _indices(draw, draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)), size)
    if values.smooth and primitive.name != "scatter_add":
        # Every index is used: where nothing is scattered there is infinity, of which differences say nothing.
        used, numbers = np.unique(indices % max(size, 1), return_inverse=True)
        indices, size = numbers.reshape(indices.shape), used.size
    rest = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    axis = draw(st.integers(0, len(rest)))
    shape = (*rest[:axis], *indices.shape, *rest[axis:])
    return Case((values.array(shape), indices), {"axis": axis, "size": size})


def _put_rows(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw, 1))
    # Some repeat, and some are no row's.
    places = draw(st.lists(st.integers(-1, x.shape[0]), max_size=4).map(lambda some: [0, *some]))
    indices = np.array(places, draw(st.sampled_from([np.int64, np.int32])))
    return Case((x, values.array((len(indices), *x.shape[1:])), indices), {})


def _take_along_axis(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw, 1))
    axis = _axis(draw, x.shape)
    length = draw(st.integers(0, 4)) if x.shape[axis] else 0
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    indices = _indices(draw, shape, x.shape[axis]) if x.shape[axis] else np.zeros(shape, np.int64)
    return Case((x, indices), {"axis": axis})


def _scatter_add_along_axis(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = values.array(_shape(draw, 1))
    size = draw(st.integers(1, 4))
    return Case((x, _indices(draw, x.shape, size)), {"axis": _axis(draw, x.shape), "size": size})


# --- windows ----------------------------------------------------------------------------------------------


def _sizes_of_windows(draw: Draw, axes: int) -> tuple[Shape, dict[str, Shape]]:
    """Return sizes of axes that one to three windows lie in, with something left over at the end, and how they lie."""
    size, stride, dilation = (tuple(draw(st.integers(1, most)) for _ in range(axes)) for most in (3, 3, 2))
    ends = [apart * (count - 1) for count, apart in zip(size, dilation, strict=True)]
    more = [step * draw(st.integers(0, 2)) + draw(st.integers(0, step - 1)) for step in stride]
    sizes = tuple(end + 1 + rest for end, rest in zip(ends, more, strict=True))
    return sizes, {"size": size, "stride": stride, "dilation": dilation}


def _windows(draw: Draw, values: Values, primitive: Primitive) -> Case:
    sizes, params = _sizes_of_windows(draw, draw(st.integers(1, 2)))
    before = draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=2))
    return Case((values.array((*before, *sizes)),), dict(params))


def _convolution(draw: Draw, values: Values, primitive: Primitive) -> Case:
    sizes, params = _sizes_of_windows(draw, draw(st.integers(1, 2)))
    window = params.pop("size")
    groups, batch = draw(st.integers(1, 2)), draw(st.integers(0, 2))
    inner, outputs = draw(st.integers(0, 2)), groups * draw(st.integers(1, 2))
    x, w = values.array((batch, groups * inner, *sizes)), values.array((outputs, inner, *window))
    return Case((x, w), {**params, "groups": groups})


# --- products, decompositions, chance ---------------------------------------------------------------------


def _matmul(draw: Draw, values: Values, primitive: Primitive) -> Case:
    first, second = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=2)
    ).input_shapes
    rows, inner, columns = (draw(st.integers(0, 3)) for _ in range(3))
    return Case((values.array((*first, rows, inner)), values.array((*second, inner, columns))))


def _matrices(draw: Draw, values: Values, *, square: bool) -> NDArray:
    batch = draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=2))
    rows = draw(st.integers(1, 3))
    columns = rows if square else draw(st.integers(1, 3))
    return values.matrices((*batch, rows, columns))


def _square_matrix(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = _matrices(draw, values, square=True)
    if primitive.name == "cholesky":
        x = (x @ np.swapaxes(x, -1, -2)).astype(x.dtype)
    return Case((x,))


def _solve(draw: Draw, values: Values, primitive: Primitive) -> Case:
    a = _matrices(draw, values, square=True)
    batch = draw(st.sampled_from([(), a.shape[:-2], (1,) * (a.ndim - 2)]))
    return Case((a, values.matrices((*batch, a.shape[-1], draw(st.integers(1, 3))))))


def _solve_triangular(draw: Draw, values: Values, primitive: Primitive) -> Case:
    case = _solve(draw, values, primitive)
    return Case(case.operands, {"upper": draw(st.booleans()), "unitriangular": draw(st.booleans())})


def _eigh(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = _matrices(draw, values, square=True)
    return Case((((x + np.swapaxes(x, -1, -2)) / 2).astype(x.dtype),))


def _slogdet(draw: Draw, values: Values, primitive: Primitive) -> Case:
    return Case((_matrices(draw, values, square=True),))


def _qr(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = _matrices(draw, values, square=False)
    # The complete form has a derivative only where it is the reduced one.
    tall = x.shape[-2] > x.shape[-1]
    mode = "reduced" if values.smooth and tall else draw(st.sampled_from(["reduced", "complete"]))
    return Case((x,), {"mode": mode})


def _svd(draw: Draw, values: Values, primitive: Primitive) -> Case:
    x = _matrices(draw, values, square=False)
    return Case((x,), {"full_matrices": not values.smooth and draw(st.booleans())})


def _random_bits(draw: Draw, values: Values, primitive: Primitive) -> Case:
    words = st.one_of(st.sampled_from([0, 1, 2**32 - 1, 2**32, 2**64 - 1]), st.integers(0, 2**64 - 1))
    key, counter = (np.asarray(draw(words), dtype=np.uint64) for _ in range(2))
    return Case((key, counter), {"size": draw(st.integers(0, 9))})


FAMILIES: dict[Any, Family] = {
    specs.elementwise: _elementwise,
    specs.floating_elementwise: _elementwise,
    specs.numeric_elementwise: _elementwise,
    specs.bitwise: _elementwise,
    specs.shift: _elementwise,
    specs.comparison: _elementwise,
    specs.where: _where,
    specs.astype: _astype,
    specs.identity: _same_shape,
    specs.reduction: _reduction,
    specs.nonempty_reduction: _nonempty_reduction,
    specs.bool_reduction: _reduction,
    specs.arg_reduction: _arg_reduction,
    specs.along_axis: _along_axis,
    specs.sort: _sort,
    specs.argsort: _sort,
    specs.searchsorted: _searchsorted,
    specs.reshape: _reshape,
    specs.broadcast_to: _broadcast_to,
    specs.permute_dims: _permute_dims,
    specs.flip: _flip,
    specs.slice_: _slice,
    specs.pad: _pad,
    specs.concat: _concat,
    specs.take: _take,
    specs.scatter: _scatter,
    specs.put_rows: _put_rows,
    specs.take_along_axis: _take_along_axis,
    specs.scatter_add_along_axis: _scatter_add_along_axis,
    window_specs.windows: _windows,
    window_specs.convolution: _convolution,
    specs.matmul: _matmul,
    specs.matmul_bfloat16: _matmul,
    specs.square_matrix: _square_matrix,
    specs.solve: _solve,
    specs.solve_triangular: _solve_triangular,
    specs.slogdet: _slogdet,
    specs.eigh: _eigh,
    specs.qr: _qr,
    specs.svd: _svd,
    specs.random_bits: _random_bits,
}
