"""Kernels: loops over elements that are run as one, with what each computes and stores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from lamina.compiler.graph.ir import Value
from lamina.compiler.schedule.views import Affine, Index, Shape, View, combined, contiguous, identity, squeezed

FEW = 16
"""Up to how many neighbours are reduced one after the other: a window of a pooling layer."""


@dataclass(eq=False)
class Kernel:
    """Loops over ``dims``; in each step some values are computed, and those others need are stored.

    Attributes
    ----------
    dims : tuple of int
        Lengths of the loops, none of them one.
    computed : list of Value
        The values that are computed here and nowhere else.
    inlined : set of Value
        The values that are part of expressions here, though they may be in memory too, for others.
    """

    dims: Shape
    computed: list[Value] = field(default_factory=list)
    inlined: set[Value] = field(default_factory=set)

    @property
    def kept(self) -> Sequence[int]:
        """The loops that the results have as axes."""
        return range(len(self.dims))

    @property
    def space(self) -> Shape:
        """The shape of the results, without axes of length one."""
        return tuple([self.dims[place] for place in self.kept])

    def index_of(self, value: Value) -> Index | None:
        """Return where a value stands at a step of the loops, if it is computed here or could be."""
        if squeezed(value.shape) != self.space:
            return None
        return identity(value.shape, len(self.dims), self.kept)

    def full_index_of(self, value: Value) -> Index | None:
        """Return where a value stands that is to be reduced, if its shape is that of all loops."""
        if squeezed(value.shape) != self.dims:
            return None
        return identity(value.shape, len(self.dims), range(len(self.dims)))

    def place_of(self, value: Value) -> Index:
        """Return where a value stands that is computed here, or reduced."""
        index = self.index_of(value)
        index = self.full_index_of(value) if index is None else index
        assert index is not None
        return index

    def stored_at(self, value: Value) -> Affine:
        """Return where in its own memory a value is written that is computed here."""
        return combined(self.place_of(value), contiguous(value.shape), 0, len(self.dims))


@dataclass(eq=False)
class Loops(Kernel):
    """Elementwise operations alone.

    Attributes
    ----------
    into : View or None
        Where in another value's memory the first value computed goes: a part of a padded or concatenated one.
    """

    into: View | None = None


@dataclass(eq=False)
class Reduction(Kernel):
    """Reductions over some of the loops, what they are made of, and what is made of them.

    Attributes
    ----------
    values : list of Value
        The reductions, all over the same loops; of windows, one may depend on those before it.
    reduced : frozenset of int
        The loops that are reduced over.
    """

    values: list[Value] = field(default_factory=list)
    reduced: frozenset[int] = frozenset()

    @property
    def kept(self) -> Sequence[int]:
        return [place for place in range(len(self.dims)) if place not in self.reduced]

    @property
    def windowed(self) -> bool:
        """Whether each result is made of a few neighbours, which are cheap to go through again."""
        kept = self.kept
        if not kept or kept[-1] == len(self.dims) - 1:
            return False
        return math.prod(self.dims[kept[-1] + 1 :]) <= FEW and self.dims[kept[-1]] > 2


@dataclass(eq=False)
class Contraction(Kernel):
    """Sums of products of the elements of two operands, and what is made of them.

    Attributes
    ----------
    value : Value
    a, b : View
        The operands in memory.
    """

    value: Value = field(kw_only=True)
    a: View = field(kw_only=True)
    b: View = field(kw_only=True)


@dataclass(eq=False)
class MatrixProduct(Contraction):
    """A product of matrices: batch axes of the operands are broadcast, the last two axes are those of matrices.

    Attributes
    ----------
    permuted : dict of Value to tuple of int
        Copies that are stored with the loops as axes in another order.
    """

    permuted: dict[Value, Shape] = field(default_factory=dict)

    def index_of(self, value: Value) -> Index | None:
        """Return where a value stands at a step of the loops, if it is computed here or could be."""
        if value in self.permuted:
            return identity(value.shape, len(self.dims), self.permuted[value])
        return super().index_of(value)


@dataclass(eq=False)
class Convolution(Contraction):
    """Windows of images by weights; ``a`` are the images, ``b`` the weights."""


@dataclass(eq=False)
class Special(Kernel):
    """A primitive with an algorithm of its own, such as a sort; reads and writes whole arrays.

    Attributes
    ----------
    value : Value
        The primitive.
    results : tuple of Value
        The value itself, or its ``item`` values where it has several results.
    """

    value: Value = field(kw_only=True)
    results: tuple[Value, ...] = field(kw_only=True)


def product_kernel(value: Value, a: View, b: View) -> MatrixProduct:
    """Return the kernel of a matrix product; its loops are the batch's, the rows and the columns."""
    a, b = (_over_batch(view, each.shape) for view, each in zip((a, b), value.operands, strict=True))
    return MatrixProduct(squeezed(value.shape), [value], value=value, a=a, b=b)


def convolution_kernel(value: Value, x: View, w: View) -> Convolution:
    """Return the kernel of a convolution; its loops are the images, the channels and the places."""
    return Convolution(squeezed(value.shape), [value], value=value, a=x, b=w)


def _over_batch(view: View, shape: Shape) -> View:
    """Return an operand that stays where it is along batch axes of length one, which may be broadcast."""
    batch = len(shape) - 2
    strides = tuple(0 if size == 1 and at < batch else view.strides[at] for at, size in enumerate(shape))
    return view.seen(strides, view.offset)


def reduction_kernel(value: Value) -> Reduction:
    """Return the kernel of a reduction."""
    shape = value.operands[0].shape
    places = {axis: place for place, axis in enumerate(axis for axis, size in enumerate(shape) if size != 1)}
    reduced = frozenset(places[axis] for axis in value.params["axes"] if axis in places)
    return Reduction(squeezed(shape), [value], values=[value], reduced=reduced)
