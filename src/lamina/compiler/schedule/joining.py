"""Joining: which kernel can take a value that must be computed, so that its operands need not be read from memory."""

from __future__ import annotations

from lamina.compiler.graph.ir import Value
from lamina.compiler.schedule.fused import Fused
from lamina.compiler.schedule.kernels import Kernel, Loops, MatrixProduct, Reduction, Special
from lamina.compiler.schedule.views import Index, Shape, View, identity, renamed, squeezed, walk, whole

SIBLINGS = 12
"""How many values one kernel of loops computes; more streams of memory than that get in each other's way."""
TOGETHER = 4
"""How many reductions one kernel computes."""


class Joining:
    """The kernels so far, and which waits for which.

    Parameters
    ----------
    fused : Fused
        Whose kernels they are.

    Attributes
    ----------
    needs : dict of Kernel to set of Kernel
        Whose results a kernel reads, or must come after.
    """

    def __init__(self, fused: Fused) -> None:
        self.fused = fused
        self.needs: dict[Kernel, set[Kernel]] = {}
        self._numbers: dict[Kernel, int] = {}

    def add(self, kernel: Kernel) -> None:
        """Note a new kernel, which waits for none."""
        self.fused.kernels.append(kernel)
        self.needs[kernel] = set()
        self._numbers[kernel] = len(self._numbers)

    def wait_for(self, kernel: Kernel, value: Value) -> None:
        """Let a kernel wait for those that write the memory of a value."""
        self.wait_to_read(kernel, self.fused.views.get(value) or whole(value))

    def wait_to_read(self, kernel: Kernel, view: View) -> None:
        """Let a kernel wait for those that come before a view of memory can be read."""
        self.needs[kernel].update(each for each in self._before(view) if each is not kernel)
        if view.after:
            self.fused.after.setdefault(kernel, set()).update(view.after)

    def makers(self, value: Value) -> list[Kernel]:
        """Return the kernels that compute a value, or what it is an expression of."""
        found: dict[Kernel, None] = {}
        seen: set[Value] = set()
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            if each in self.fused.views or each in self.fused.home:
                found.update(dict.fromkeys(self._writers(each)))
            else:
                waiting.extend(each.operands)
        return list(found)

    def leads(self, first: Kernel, second: Kernel) -> bool:
        """Tell whether ``second`` waits for ``first``, directly or not."""
        seen = {second}
        waiting = [second]
        while waiting:
            for needed in self.needs[waiting.pop()]:
                if needed is first:
                    return True
                if needed not in seen:
                    seen.add(needed)
                    waiting.append(needed)
        return False

    # --- which kernel ---

    def joined(self, value: Value) -> Kernel | None:
        """Return the kernel that can compute a value too: it makes an operand, in the same loops."""
        space = squeezed(value.shape)
        leaves = self._leaves(value, range(len(space)))
        kernels = {kernel for kernel, _ in leaves}
        ill = {kernel for kernel, fits in leaves if not fits}
        able = [kernel for kernel in kernels - ill if _takes(kernel, space)]
        depth = self._depths(able) if len(able) > 1 else {}
        # The one that waits longest anyway: another would be held up.
        for kernel in sorted(able, key=lambda each: (depth.get(each, 0), self._numbers[each]), reverse=True):
            if not any(other is not kernel and self.leads(kernel, other) for other in kernels):
                return kernel
        return self._sibling(space, kernels)

    def reducing(self, operand: Value, wanted: Reduction) -> Reduction | None:
        """Return a kernel that reduces over the same loops and can take a further operand, if there is one."""
        leaves = self._leaves(operand, range(len(wanted.dims)), wanted if wanted.windowed else None)
        near = [*reversed(self.fused.kernels[-8:]), *(leaf for leaf, fits in leaves if fits)]
        for kernel in near:
            if (
                isinstance(kernel, Reduction)
                and (kernel.dims, kernel.reduced) == (wanted.dims, wanted.reduced)
                and len(kernel.values) < TOGETHER
                and all(fits if leaf is kernel else leaf in self.needs[kernel] for leaf, fits in leaves)
            ):
                return kernel
        return None

    def _sibling(self, space: Shape, leaves: set[Kernel]) -> Kernel | None:
        """Return loops of the same lengths that already wait for what a value waits for."""
        for kernel in reversed(self.fused.kernels[-16:]):
            if (
                type(kernel) is Loops
                and kernel.into is None
                and kernel.dims == space
                and len(kernel.computed) < SIBLINGS
                and leaves <= self.needs[kernel]
            ):
                return kernel
        return None

    def _depths(self, kernels: list[Kernel]) -> dict[Kernel, int]:
        """Return how many kernels in a row come before each of these, and before those that they wait for."""
        depth: dict[Kernel, int] = {}
        waiting = list(kernels)
        while waiting:
            kernel = waiting[-1]
            unknown = [needed for needed in self.needs[kernel] if needed not in depth]
            if unknown and kernel not in depth:
                waiting += unknown
                continue
            waiting.pop()
            depth[kernel] = max((depth[needed] + 1 for needed in self.needs[kernel]), default=0)
        return depth

    # --- what an expression reads ---

    def _leaves(self, value: Value, places: range, reduction: Reduction | None = None) -> list[tuple[Kernel, bool]]:
        """Return the kernels whose results an expression reads, and whether at the place where it stands itself.

        What is reduced over windows may also read the results of another reduction over the same.
        """
        dims = len(places)
        found: list[tuple[Kernel, bool]] = []

        def inside(inner: Value, at: Index) -> bool:
            view = self.fused.views.get(inner)
            if renamed(inner) and (view is None or not view.after):
                return True
            writers = self._writers(inner)
            if writers:
                fits = inner not in self.fused.views or self.fused.views[inner].base is inner
                own = len(squeezed(inner.shape)) == dims and identity(inner.shape, dims, places) == at
                fits = fits and (own or (reduction is not None and reduction.index_of(inner) == at))
                found.extend((kernel, fits and not _permutes(kernel, inner)) for kernel in writers)
            return not writers and inner not in self.fused.views

        walk([(value, identity(value.shape, dims, places))], dims, inside)
        return found

    def _writers(self, value: Value) -> list[Kernel]:
        """Return the kernels that come before a value is read; none for what is computed where it is read."""
        return self._before(self.fused.views.get(value) or whole(value))

    def _before(self, view: View) -> list[Kernel]:
        """Return the kernels that write the memory of a view, and those that it waits for besides."""
        return [*self.fused.home.get(view.base, ()), *view.after]


def _permutes(kernel: Kernel, value: Value) -> bool:
    """Tell whether a kernel computes a value elsewhere than where the loops stand."""
    return isinstance(kernel, MatrixProduct) and value in kernel.permuted


def _takes(kernel: Kernel, space: Shape) -> bool:
    """Tell whether further values can be computed in a kernel's loops."""
    return kernel.space == space and not isinstance(kernel, Special) and getattr(kernel, "into", None) is None
