"""Primitives with several results, such as a decomposition, seen as one result that is a tuple.

``item`` takes one out. The cotangent of the tuple is a `Bundle`: one cotangent for each result, ``None``
where a result was not used. Bundles add like tensors, so the sweep needs to know nothing of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.primitives import specs
from lamina.primitives.primitive import Primitive

if TYPE_CHECKING:
    from lamina.tensor import Tensor


class Bundle:
    """The cotangents of the results of one primitive."""

    __slots__ = ("__weakref__", "parts")

    def __init__(self, parts: tuple[Tensor | None, ...]) -> None:
        self.parts = parts

    def __add__(self, other: Bundle) -> Bundle:
        pairs = zip(self.parts, other.parts, strict=True)
        return Bundle(tuple(b if a is None else a if b is None else a + b for a, b in pairs))


def _item_rule(g: Tensor, y: Tensor, x: Tensor, *, index: int) -> Bundle:
    return Bundle(tuple(g if position == index else None for position in range(len(x._data))))


item: Primitive = Primitive("item", specs.item, (_item_rule,))


def unpack(results: Tensor, count: int) -> tuple[Tensor, ...]:
    """Return the ``count`` results of a primitive, each as a tensor."""
    return tuple(item(results, index=index) for index in range(count))
