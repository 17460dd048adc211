"""What is known while a function runs to be traced: its inputs, and what has become of variables."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lamina.autodiff.node import Leaf
from lamina.backends.batching import Mapped, around, core
from lamina.backends.registry import CPU
from lamina.backends.thread_state import STATE, Deferred
from lamina.compiler.graph import ir
from lamina.compiler.graph.indexing import axis_length, out_of_range
from lamina.compiler.tracing.backend import Recorder, Traced, TracingBackend
from lamina.compiler.tracing.location import users_line, users_place
from lamina.compiler.tracing.loops import PARAMETER, recorded
from lamina.compiler.tracing.recomputation import Recomputation
from lamina.dtypes import as_dtype, int64
from lamina.errors import BackendError, SubscriptError, TracingError
from lamina.functions import reductions
from lamina.primitives.batching import everything, is_batched
from lamina.primitives.elementwise import astype
from lamina.primitives.primitive import Primitive, Spec
from lamina.tensor import Tensor
from lamina.variable import Variable

NDArray = npt.NDArray[Any]

# Values up to this many are written into the program; more are passed to it where they are.
_WRITTEN_OUT = 64

_REMEDIES = {
    "bool": "choose between values with la.where, between computations with la.cond, and repeat with la.scan(..., "
    "stop=n); what does not depend on traced values can be computed outside",
    "index": "pass what decides about shapes or loops as a Python number, which is traced for each value",
    "to": "compiled functions run on the cpu; move tensors before or after",
    "nonzero": "keep the shape, as with la.where, or compute it outside of the compiled function",
}
_OTHERWISE = "return the tensor and take its value outside of the compiled function"


@dataclass(eq=False)
class Input:
    """One input of the graph, and where its memory comes from.

    Attributes
    ----------
    value : Value
        The leaf of the graph.
    tensor : Tensor
        The traced tensor that the function is given.
    argument : int or None
        For an argument: its place among them.
    variables : list of Variable
        For variables: all that held this array when they were read.
    captured : Tensor or None
        For a tensor from outside that is no variable: it.
    """

    value: ir.Value
    tensor: Tensor
    argument: int | None = None
    variables: list[Variable] = field(default_factory=list)
    captured: Tensor | None = None


class Tracer:
    """Notes what happens to tensors in one thread while it is active.

    Parameters
    ----------
    loops : bool, default False
        Whether a loop with a state is one operation of the graph, rather than all its steps.
    """

    def __init__(self, loops: bool = False) -> None:
        self.backend: Any = TracingBackend(self, CPU.name)
        self.loops = loops
        self.inputs: list[Input] = []
        self.current: dict[Variable, Tensor] = {}
        self.input_of: dict[Variable, Input] = {}
        self.assigned: set[Variable] = set()
        self.checks: list[tuple[ir.Value, Exception]] = []
        self.lines: dict[str, list[ir.Line]] = {}
        self.recomputation: Recomputation | None = None
        self._steps = 0
        self._parameters: set[Any] = set()
        self._left_step = False
        self._by_array: dict[int, Input] = {}
        self._captured: dict[int, tuple[NDArray, Traced]] = {}
        self._held: list[NDArray] = []
        self._made: list[weakref.ref[Variable]] = []

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

    def finish(self) -> None:
        """Let go of the arrays that were met; those that are passed to the program are held by its inputs."""
        self._by_array.clear()
        self._captured.clear()
        self._held.clear()

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
        return self._input(spec, Leaf() if tracked else None, argument=place).tensor

    def cotangent(self, spec: Spec) -> Tensor:
        """Return the traced tensor for one more input; tracked, so that what is made with it can be differentiated."""
        return self._input(spec, Leaf()).tensor

    def _input(self, spec: Spec, node: Any, **source: Any) -> Input:
        value = ir.input_value(len(self.inputs), spec)
        made = Input(value, Tensor(Traced(value), self.backend, node), **source)
        self.inputs.append(made)
        return made

    def lift(self, operation: str, operands: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return operands as tensors of this trace."""
        return tuple(self._lifted(operation, operand) for operand in operands)

    def _lifted(self, operation: str, x: Tensor) -> Tensor:
        if isinstance(x, Variable):
            return self.read(x)
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
            return Tensor(self.constant(x._data), self.backend)
        found = self._by_array.get(id(x._data))
        if found is None or found.tensor._node is not x._node:
            found = self._input(Spec(x.shape, x.dtype), x._node, captured=x)
            self._by_array[id(x._data)] = found
        return found.tensor

    def constant(self, array: NDArray) -> Traced:
        """Return values that are known: written into the program if they are few or equal, passed to it otherwise."""
        kept = self._captured.get(id(array))
        if kept is not None:
            return kept[1]
        spec = Spec(array.shape, as_dtype(array.dtype))
        value = ir.constant(array, spec)
        if value.op == "constant" and array.size > _WRITTEN_OUT:
            held = Tensor(np.ascontiguousarray(array), CPU)
            value = self._input(spec, None, captured=held).value
        made = Traced(value)
        self._captured[id(array)] = array, made
        return made

    # --- what is computed again ---

    @contextmanager
    def recomputing(self, wanted_for: Sequence[Tensor]) -> Iterator[None]:
        """Trace a second run of a function, for what is to be computed before; see `Recomputation`.

        In a step of a loop, which keeps nothing but its carries anyway, it is merged with the first.
        """
        before = self.recomputation
        if not self._steps:
            self.recomputation = Recomputation(_values(self.lift("checkpoint", tuple(wanted_for))))
        try:
            yield
        finally:
            self.recomputation = before

    def after(self, tensors: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
        """Return tensors that are read only once others are computed, so that what these were made of is let go."""
        tensors, others = self.lift("checkpoint", tuple(tensors)), self.lift("checkpoint", tuple(others))
        if self._steps or not others:
            return list(tensors)
        waited_for = _values(others)
        return [
            Tensor(_like(x, ir.after(core(x._data).value, waited_for, again=False)), x._backend, x._node)
            for x in tensors
        ]

    # --- loops ---

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Trace the step of a loop."""
        self._steps += 1
        try:
            yield
        finally:
            self._steps -= 1

    def parameter(self, of: Tensor, tracked: bool, element: bool = False) -> Tensor:
        """Return what stands for a carry, or an element of what a loop runs over, while its step is traced."""
        shape, calls = core(of._data).shape, _calls(of)
        spec = Spec((*shape[:calls], *shape[calls + element :]), of.dtype)
        made = Tensor(_like(of, ir.operation(PARAMETER, (), spec)), of._backend, Leaf() if tracked else None)
        if made._node is not None:
            self._parameters.add(made._node)
        return made

    def note_swept(self, leaves: Iterable[Any]) -> None:
        """Note where a sweep over everything ended: in the steps before, if at a parameter."""
        self._left_step = self._left_step or not self._parameters.isdisjoint(leaves)

    def has_left_step(self) -> bool:
        """Tell whether a sweep has gone on into earlier steps since this was last asked."""
        found, self._left_step = self._left_step, False
        return found

    def checks_since(self, count: int) -> list[tuple[Tensor, Exception]]:
        """Return what has been required since there were so many checks, and require it no longer."""
        found = [(Tensor(Traced(value), self.backend), error) for value, error in self.checks[count:]]
        del self.checks[count:]
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
        start = _values(given[:carries]) + [self._turned(x, _calls(x), 0).value for x in given[carries:]]
        end = None if stop is None else stop._data.value
        found = recorded(_values(parameters), _values(results), carries, length, reverse, start, keeps, end)
        made = [_like(x, value) for x, value in zip(results, found, strict=True)]
        stacked = zip(results[carries:], found[carries:], strict=True)
        made[carries:] = [around(x._data, self._turned(Traced(value), 0, _calls(x))) for x, value in stacked]
        return tuple(made)

    def _turned(self, x: Any, source: int, goal: int) -> Traced:
        """Return an array with an axis moved before or behind those of mapped functions' calls."""
        array = core(x._data) if isinstance(x, Tensor) else x
        order = [axis for axis in range(len(array.shape)) if axis != source]
        order.insert(goal, source)
        return array if source == goal else self.backend.permute_dims(array, axes=tuple(order))  # type: ignore[no-any-return]

    # --- variables ---

    def read(self, variable: Variable) -> Tensor:
        """Return the value that a variable has at this point of the function, tracked by the variable."""
        if variable._backend is self.backend or is_batched(variable):
            return variable._value
        found = self.current.get(variable)
        if found is None:
            source = self._source(variable)
            found = self.current[variable] = Tensor(source.tensor._data, self.backend, variable._leaf)
        return found

    def _source(self, variable: Variable) -> Input:
        found = self.input_of.get(variable)
        if found is not None:
            return found
        if variable._backend is not CPU:
            if not variable._backend.has_values:
                variable._backend.to_numpy(variable._data)
            raise BackendError(
                f"la.compile: {variable.label} is on {variable.device!r}, and compiled functions run on the cpu; "
                "move it there, or call the function without la.compile" + users_line()
            )
        data = variable._data
        found = self._by_array.get(id(data))
        if found is None or not found.variables:
            found = self._input(Spec(data.shape, as_dtype(data.dtype)), None)
            self._by_array[id(data)] = found
            # Held while tracing, so that the number that tells arrays apart is not given to another.
            self._held.append(data)
        found.variables.append(variable)
        self.input_of[variable] = found
        return found

    def assign(self, variable: Variable, value: Tensor) -> None:
        """Note what a variable holds from here on."""
        (value,) = self.lift("assign", (value,))
        now = Tensor(value._data, value._backend, variable._leaf)
        if variable._backend is self.backend or is_batched(variable):
            variable._data, variable._value = now._data, now
            return
        self._source(variable)
        self.current[variable] = now
        self.assigned.add(variable)

    def first_value(self, variable: Variable, value: Tensor) -> Tensor:
        """Return the first value of a variable that is made while tracing."""
        self._made.append(weakref.ref(variable))
        return self.lift("variable", (value,))[0]

    def check_hold(self, variable: Variable) -> None:
        """Refuse to move a variable from outside to another device while tracing."""
        if variable._backend is not self.backend:
            raise TracingError(f"{variable.label} cannot be moved inside of a compiled function; do it before")

    def check_nothing_escaped(self) -> None:
        """Refuse variables that outlive the trace in which they were made: later calls would not make them."""
        if all(made() is None for made in self._made):
            return
        gc.collect()
        for made in self._made:
            variable = made()
            if variable is not None:
                raise TracingError(
                    f"la.compile: {variable.label} was made inside of the compiled function and is kept after it; "
                    "make variables, modules and optimisers before the first call"
                )

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


def _calls(x: Tensor) -> int:
    """Return how many axes there are of the calls of mapped functions."""
    return x._backend.depth if is_batched(x) else 0  # type: ignore[attr-defined]


def _values(tensors: Iterable[Tensor]) -> list[ir.Value]:
    return [core(x._data).value for x in tensors]


def _like(x: Tensor, value: ir.Value) -> Any:
    """Return a value as an array like that of a tensor, which may be one of a mapped function."""
    return around(x._data, Traced(value))
