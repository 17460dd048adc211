"""Products of many matrices, one after the other, with the same one.

The gradient of the matrix that is shared is a sum of as many products. Here it is one product instead, of the rows of
all the others: a recurrent layer multiplies by its weights at every step.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from lamina.autodiff.node import Step, record, recorded
from lamina.backends.thread_state import STATE
from lamina.primitives.batching import inside
from lamina.primitives.contraction import product_of, transposed
from lamina.primitives.primitive import Primitive
from lamina.primitives.shaping import concat

if TYPE_CHECKING:
    from lamina.tensor import Tensor


SHARED = "shared matrix"
"""The name of the step whose cotangents are `Products`."""


class RepeatedProduct:
    """``x @ w`` for a matrix ``w`` and as many matrices ``x`` as come.

    Parameters
    ----------
    w : Tensor of shape [K, N]
    """

    __slots__ = ("_parts", "_shared", "_w")

    def __init__(self, w: Tensor) -> None:
        (w,) = (w._snapshot,) if STATE.tracer is None else STATE.tracer.lift("matmul", (w,))
        w = inside(w)
        tracked = w._node is not None and STATE.recording
        self._w = w
        self._parts = _parts(product_of(w))
        self._shared = recorded(self._parts.shared, (w,), {}, w) if tracked else w._untracked

    def __call__(self, x: Tensor) -> Tensor:
        """Return the product with ``x`` of shape [M, K]."""
        x = inside(x._snapshot)
        with record(False):
            y = self._parts.row(x, self._w)
        if not STATE.recording or (x._node is None and self._shared._node is None):
            return y
        return recorded(self._parts.product, (x, self._shared), {"w": self._w}, y)


class Products:
    """The gradient of the shared matrix, as the factors of which it is made."""

    __slots__ = ("factors",)

    def __init__(self, factors: list[tuple[Tensor, Tensor]]) -> None:
        self.factors = factors

    def __add__(self, other: Products) -> Products:
        # In place: the sweep uses a sum once.
        self.factors += other.factors
        return self


class _Parts(NamedTuple):
    """The steps of products by one row."""

    row: Primitive
    shared: Step
    product: Step


@cache
def _parts(row: Primitive) -> _Parts:
    """Return the steps of products by a row, whose derivatives are products by the same one."""

    def shared_rule(g: Products, y: Tensor, w: Tensor) -> Tensor:
        rows, cotangents = zip(*g.factors, strict=True)
        if len(rows) == 1:
            return row(transposed(rows[0]), cotangents[0])
        return row(transposed(concat(*rows, axis=0)), concat(*cotangents, axis=0))

    return _Parts(
        row,
        Step(SHARED, shared_rule),
        Step(
            row.name,
            # By the matrix itself, not as it is shared, which has no other cotangents than these products.
            lambda g, y, x, shared, *, w: row(g, transposed(w)),
            lambda g, y, x, shared, *, w: Products([(x, g)]),
        ),
    )
