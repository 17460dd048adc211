"""The tracer: what operations do to tensors while a function runs to be traced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from lamina.autodiff.node import Leaf
from lamina.backends.batching import Mapped, core
from lamina.backends.registry import CPU
from lamina.backends.thread_state import STATE, Deferred
from lamina.compiler.graph import ir
from lamina.compiler.graph.indexing import axis_length, out_of_range
from lamina.compiler.tracing.backend import Recorder, Traced, TracingBackend
from lamina.compiler.tracing.inputs import Inputs
from lamina.compiler.tracing.location import users_line, users_place
from lamina.compiler.tracing.recomputation import Recomputation
from lamina.compiler.tracing.steps import Steps, like, values_of
from lamina.compiler.tracing.variables import TracedVariables
from lamina.dtypes import int64
from lamina.errors import BackendError, SubscriptError, TracingError
from lamina.functions import reductions
from lamina.primitives.batching import everything, is_batched
from lamina.primitives.elementwise import astype
from lamina.primitives.primitive import Primitive, Spec
from lamina.tensor import Tensor
from lamina.variable import Variable

_REMEDIES = {
    "bool": "choose between values with la.where, between computations with la.cond, and repeat with la.scan(..., "
    "stop=n); what does not depend on traced values can be computed outside",
    "index": "pass what decides about shapes or loops as a Python number, which is traced for each value",
    "to": "compiled functions run on the cpu; move tensors before or after",
    "nonzero": "keep the shape, as with la.where, or compute it outside of the compiled function",
}
_OTHERWISE = "return the tensor and take its value outside of the compiled function"


class Tracer:
    """Notes what happens to tensors in one thread while it is active.

    Parameters
    ----------
    loops : bool, default False
        Whether a loop with a state is one operation of the graph, rather than all its steps.

    Attributes
    ----------
    backend : TracingBackend
    inputs : Inputs
    variables : TracedVariables
    steps : Steps
        Of the loops that are traced.
    checks : list of (Value, Exception)
        What must hold when the program runs, and what is raised otherwise.
    lines : dict of str to list of Line
        As of a graph.
    recomputation : Recomputation or None
        The second run of a function that is traced now.
    """

    def __init__(self, loops: bool = False) -> None:
        self.backend: Any = TracingBackend(self, CPU.name)
        self.loops = loops
        self.inputs = Inputs(self.backend)
        self.variables = TracedVariables(self)
        self.steps = Steps(self.backend)
        self.checks: list[tuple[ir.Value, Exception]] = []
        self.lines: dict[str, list[ir.Line]] = {}
        self.recomputation: Recomputation | None = None

    # --- being active ---

    @contextmanager
    def active(self, recording: bool) -> Iterator[None]:
        """Trace what this thread does inside."""
        before = STATE.run, STATE.tracer, STATE.recording
        STATE.run, STATE.tracer, STATE.recording = cast(Any, self._run), self, recording
        try:
            yield
        finally:
            STATE.run, STATE.tracer, STATE.recording = before

    @staticmethod
    def _run(function: Any, *args: Any, **kwargs: Any) -> Any:
        if function.__class__ is Recorder or function.__class__ is Mapped:
            return function(*args, **kwargs)
        raise Deferred

    def apply(self, primitive: Primitive, operands: tuple[Tensor, ...], params: dict[str, Any]) -> Tensor:
        """Apply a primitive to operands that all have values: at once, unless a variable is among them."""
        if any(isinstance(operand, Variable) for operand in operands):
            return primitive(*self.lift(primitive.name, operands), **params)
        before = STATE.run, STATE.tracer
        STATE.run, STATE.tracer = STATE.silent, None
        try:
            return primitive(*operands, **params)
        finally:
            STATE.run, STATE.tracer = before

    def check_active(self) -> None:
        """Raise a TracingError when a tensor of this trace is used after or outside of it."""
        if STATE.tracer is not self:
            raise TracingError(
                "this tensor was made while a function was traced, and has no value outside of it; return what you "
                "need from the compiled function, or assign it to a variable" + users_line()
            )

    def require(self, condition: Tensor, error: Exception) -> None:
        """Make the program raise an error, and assign nothing, unless a bool without axes holds when it runs."""
        if self.recomputation is not None:
            return  # The first run requires the same.
        if is_batched(condition):
            condition = reductions.all(everything(condition))
        (condition,) = self.lift("require", (condition,))
        self.checks.append((condition._data.value, error))

    def checks_since(self, count: int) -> list[tuple[Tensor, Exception]]:
        """Return what has been required since there were so many checks, and require it no longer."""
        found = [(Tensor(Traced(value), self.backend), error) for value, error in self.checks[count:]]
        del self.checks[count:]
        return found

    def note_indices(self, value: ir.Value, indices: Traced) -> None:
        """Note where an operation at indices stands; where its result is empty, no program looks at them, so check."""
        wrong, place = out_of_range(value), users_place()
        if place is not None:
            self.lines.setdefault(wrong, []).append(place)
        # Eager code does not look at them either where there is nothing to take from at all.
        unread = value.op == "take" and 0 in value.shape[: value.params["axis"]]
        if 0 not in value.shape or 0 in indices.shape or unread:
            return
        length = axis_length(value)
        places = astype(Tensor(indices, self.backend), dtype=int64)
        low = 0 if value.operands[1].dtype.kind == "unsigned" else -length
        self.require(reductions.all((places >= low) & (places < length)), SubscriptError(wrong + users_line()))

    # --- inputs ---

    def argument(self, place: int, spec: Spec, tracked: bool) -> Tensor:
        """Return the traced tensor for an argument."""
        return self.inputs.new(spec, Leaf() if tracked else None, argument=place).tensor

    def cotangent(self, spec: Spec) -> Tensor:
        """Return the traced tensor for one more input; tracked, so that what is made with it can be differentiated."""
        return self.inputs.new(spec, Leaf()).tensor

    def lift(self, operation: str, operands: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return operands as tensors of this trace."""
        return tuple(self._lifted(operation, operand) for operand in operands)

    def _lifted(self, operation: str, x: Tensor) -> Tensor:
        if isinstance(x, Variable):
            return self.variables.read(x)
        if x._backend is self.backend:
            return x
        if is_batched(x) and x._backend.base is self.backend:  # type: ignore[attr-defined]
            return x
        if not x._backend.has_values:
            x._backend.to_numpy(x._data)
        if x._backend is not CPU:
            raise BackendError(
                f"{operation}: a compiled function runs on the cpu, and met a tensor on {x.device!r}; "
                "move it with x.to('cpu'), or call the function without la.compile" + users_line()
            )
        if isinstance(x._data, tuple):
            parts = [self._lifted(operation, Tensor(part, CPU)) for part in x._data]
            return Tensor(tuple(part._data for part in parts), self.backend, x._node)
        if x._node is None:
            return Tensor(self.inputs.constant(x._data), self.backend)
        return self.inputs.captured(x).tensor

    # --- what is computed again ---

    @contextmanager
    def recomputing(self, wanted_for: Sequence[Tensor]) -> Iterator[None]:
        """Trace a second run of a function, for what is to be computed before; see `Recomputation`.

        In a step of a loop, which keeps nothing but its carries anyway, it is merged with the first.
        """
        before = self.recomputation
        if not self.steps.depth:
            self.recomputation = Recomputation(values_of(self.lift("checkpoint", tuple(wanted_for))))
        try:
            yield
        finally:
            self.recomputation = before

    def after(self, tensors: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
        """Return tensors that are read only once others are computed, so that what these were made of is let go."""
        tensors, others = self.lift("checkpoint", tuple(tensors)), self.lift("checkpoint", tuple(others))
        if self.steps.depth or not others:
            return list(tensors)
        waited_for = values_of(others)
        return [
            Tensor(like(x, ir.after(core(x._data).value, waited_for, again=False)), x._backend, x._node)
            for x in tensors
        ]

    # --- what has no value ---

    def without_values(self, operation: str, x: Tensor) -> TracingError:
        """Return the error of an operation that needs the values of a traced tensor."""
        self.check_active()
        return self.no_values(operation, f"a traced tensor of shape {list(x.shape)} and type {x.dtype.name}")

    def no_values(self, operation: str, what: str) -> TracingError:
        """Return the error of an operation that needs values."""
        remedy = _REMEDIES.get(operation, _OTHERWISE)
        return TracingError(
            f"{operation}: {what} has no values while the function is compiled: it is traced once, and then runs for "
            f"all values; {remedy}{users_line()}"
        )
