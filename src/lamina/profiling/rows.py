"""The rows of a profile: what operations and layers took."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.profiling.recorder import Recorder


@dataclass(frozen=True)
class OperationRow:
    """All calls of one operation in one pass.

    Attributes
    ----------
    name : str
        Of the primitive, or of the compiled function.
    phase : str
        ``"forward"``, ``"backward"``, ``"update"`` in an optimiser's step, ``"compiled"`` for a compiled function with
        everything in it, ``"compiling"`` for calls of it that traced and compiled it first.
    calls : int
        Of a compiled function the runs of its program, those of `CompiledFunction.repeat` one by one.
    seconds : float
        All calls together.
    share : float
        Of the time that was profiled, from 0 to 1.
    bytes : int
        Read and written: operands and results, or what goes into a program and comes out of it. 0 where nothing moves,
        and where it is not known, as for the derivative of a compiled function.
    flops : int
        Floating-point operations, where they are known: products, sums and elementwise arithmetic.
    """

    name: str
    phase: str
    calls: int
    seconds: float
    share: float
    bytes: int
    flops: int


@dataclass(frozen=True)
class LayerRow:
    """All calls of one layer by the layer around it, with the layers inside; or an optimiser's steps.

    Attributes
    ----------
    depth : int
        How many layers are around it.
    name : str
        What it is in the layer around it, such as ``"0"`` or ``"encoder"``; the class where nothing is around.
    kind : str
        The class; empty for what is outside of all layers.
    calls : int
    forward, backward, update : float
        Seconds: of the calls, of passing gradients back through what they computed, of an optimiser's steps. What is
        outside of all layers, such as the loss, has its operations' time only.
    share : float
        Of the time that was profiled, from 0 to 1.
    bytes, flops : int
        As for operations; forward and backward together.
    """

    depth: int
    name: str
    kind: str
    calls: int
    forward: float
    backward: float
    update: float
    share: float
    bytes: int
    flops: int

    @property
    def seconds(self) -> float:
        """All three together."""
        return self.forward + self.backward + self.update


def operation_rows(found: Recorder, seconds: float) -> tuple[OperationRow, ...]:
    """Return a row for each operation and pass, the slowest first."""
    rows = []
    for (name, phase), total in found.operations.items():
        taken = total.nanoseconds * 1e-9
        share = share_of(taken, seconds)
        rows.append(OperationRow(name, phase, total.calls, taken, share, total.bytes, total.flops))
    return tuple(sorted(rows, key=lambda each: -each.seconds))


def layer_rows(found: Recorder, seconds: float) -> tuple[LayerRow, ...]:
    """Return a row for each layer, below the layer around it; what is outside of all of them comes last."""
    rows = []
    for depth, place in (*found.outside.within(), (0, found.outside)):
        outside = place is found.outside
        total = place.own if outside else place.total()
        forward, backward, update = (each * 1e-9 for each in (place.forward, place.backward, place.update))
        name, kind = ("outside of layers", "") if outside else (place.name, place.kind)
        share = share_of(forward + backward + update, seconds)
        rows.append(
            LayerRow(depth, name, kind, place.calls, forward, backward, update, share, total.bytes, total.flops)
        )
    return tuple(rows)


def share_of(part: float, whole: float) -> float:
    """Return a part by the whole, 0 where there is none."""
    return part / whole if whole else 0.0
