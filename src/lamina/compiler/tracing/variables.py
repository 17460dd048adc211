"""What has become of variables at each point of a function that is traced."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

from lamina.backends.registry import CPU
from lamina.compiler.graph.ir import Value
from lamina.compiler.tracing.inputs import Input
from lamina.compiler.tracing.location import users_line
from lamina.errors import BackendError, TracingError
from lamina.primitives.batching import is_batched
from lamina.tensor import Tensor
from lamina.variable import Variable

if TYPE_CHECKING:
    from lamina.compiler.tracing.tracer import Tracer


class TracedVariables:
    """The variables that a traced function reads, assigns and makes.

    Parameters
    ----------
    tracer : Tracer

    Attributes
    ----------
    assigned : set of Variable
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._current: dict[Variable, Tensor] = {}
        self._inputs: dict[Variable, Input] = {}
        self._made: list[weakref.ref[Variable]] = []
        self.assigned: set[Variable] = set()

    def read(self, variable: Variable) -> Tensor:
        """Return the value that a variable has at this point of the function, tracked by the variable."""
        if variable._backend is self._tracer.backend or is_batched(variable):
            return variable._value
        found = self._current.get(variable)
        if found is None:
            source = self._source(variable)
            found = self._current[variable] = Tensor(source.tensor._data, self._tracer.backend, variable._leaf)
        return found

    def _source(self, variable: Variable) -> Input:
        found = self._inputs.get(variable)
        if found is not None:
            return found
        if variable._backend is not CPU:
            if not variable._backend.has_values:
                variable._backend.to_numpy(variable._data)
            raise BackendError(
                f"la.compile: {variable.label} is on {variable.device!r}, and compiled functions run on the cpu; "
                "move it there, or call the function without la.compile" + users_line()
            )
        found = self._inputs[variable] = self._tracer.inputs.of_array(variable)
        return found

    def assign(self, variable: Variable, value: Tensor) -> None:
        """Note what a variable holds from here on."""
        (value,) = self._tracer.lift("assign", (value,))
        now = Tensor(value._data, value._backend, variable._leaf)
        if variable._backend is self._tracer.backend or is_batched(variable):
            variable._data, variable._value = now._data, now
            return
        self._source(variable)
        self._current[variable] = now
        self.assigned.add(variable)

    def last(self, variable: Variable) -> Value:
        """Return what a variable holds in the end, where it has been assigned."""
        return self._current[variable]._data.value  # type: ignore[no-any-return]

    def first_value(self, variable: Variable, value: Tensor) -> Tensor:
        """Return the first value of a variable that is made while tracing."""
        self._made.append(weakref.ref(variable))
        return self._tracer.lift("variable", (value,))[0]

    def check_hold(self, variable: Variable) -> None:
        """Refuse to move a variable from outside to another device while tracing."""
        if variable._backend is not self._tracer.backend:
            raise TracingError(f"{variable.label} cannot be moved inside of a compiled function; do it before")

    def check_none_escaped(self) -> None:
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
