"""The steps of loops while they are traced, and what becomes of them: one operation of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lamina.autodiff.node import Leaf
from lamina.backends.batching import around, core
from lamina.compiler.graph import ir
from lamina.compiler.tracing.backend import Traced
from lamina.compiler.tracing.loops import PARAMETER, recorded
from lamina.primitives.batching import is_batched
from lamina.primitives.primitive import Spec
from lamina.tensor import Tensor


class Steps:
    """The steps that are traced.

    Parameters
    ----------
    backend : TracingBackend

    Attributes
    ----------
    depth : int
        In how many loops, one inside the other, this is.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._parameters: set[Any] = set()
        self._left = False
        self.depth = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Trace the step of a loop."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def parameter(self, of: Tensor, tracked: bool, element: bool = False) -> Tensor:
        """Return what stands for a carry, or an element of what a loop runs over, while its step is traced."""
        shape, calls = core(of._data).shape, _calls(of)
        spec = Spec((*shape[:calls], *shape[calls + element :]), of.dtype)
        made = Tensor(like(of, ir.operation(PARAMETER, (), spec)), of._backend, Leaf() if tracked else None)
        if made._node is not None:
            self._parameters.add(made._node)
        return made

    def note_swept(self, leaves: Iterable[Any]) -> None:
        """Note where a sweep over everything ended: in the steps before, if at a parameter."""
        self._left = self._left or not self._parameters.isdisjoint(leaves)

    def were_left(self) -> bool:
        """Tell whether a sweep has gone on into earlier steps since this was last asked."""
        found, self._left = self._left, False
        return found

    def loop(
        self,
        parameters: Sequence[Tensor],
        results: Sequence[Tensor],
        carries: int,
        length: int,
        reverse: bool,
        given: Sequence[Tensor],
        keeps: bool,
        stop: Tensor | None,
    ) -> tuple[Any, ...]:
        """Return the results of a loop whose step has been traced; see `lamina.compiler.tracing.loops`.

        Of mapped functions' tensors the axes of the calls stand first, outside of the loop, and the others in it.
        """
        start = values_of(given[:carries]) + [self._turned(x, _calls(x), 0).value for x in given[carries:]]
        end = None if stop is None else stop._data.value
        found = recorded(values_of(parameters), values_of(results), carries, length, reverse, start, keeps, end)
        made = [like(x, value) for x, value in zip(results, found, strict=True)]
        stacked = zip(results[carries:], found[carries:], strict=True)
        made[carries:] = [around(x._data, self._turned(Traced(value), 0, _calls(x))) for x, value in stacked]
        return tuple(made)

    def _turned(self, x: Any, source: int, goal: int) -> Traced:
        """Return an array with an axis moved before or behind those of mapped functions' calls."""
        array = core(x._data) if isinstance(x, Tensor) else x
        order = [axis for axis in range(len(array.shape)) if axis != source]
        order.insert(goal, source)
        return array if source == goal else self._backend.permute_dims(array, axes=tuple(order))  # type: ignore[no-any-return]


def _calls(x: Tensor) -> int:
    """Return how many axes there are of the calls of mapped functions."""
    return x._backend.depth if is_batched(x) else 0  # type: ignore[attr-defined]


def values_of(tensors: Iterable[Tensor]) -> list[ir.Value]:
    """Return the values of the graph that traced tensors are."""
    return [core(x._data).value for x in tensors]


def like(x: Tensor, value: ir.Value) -> Any:
    """Return a value as an array like that of a tensor, which may be one of a mapped function."""
    return around(x._data, Traced(value))
