"""What a primitive is, and how one is applied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.autodiff.node import DerivativeRules, Node
from lamina.backends.thread_state import STATE, Deferred, is_nested
from lamina.dtypes import DType
from lamina.errors import BackendError, DataError, LaminaError, SubscriptError

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """The shape and type of an array, without its values."""

    shape: Shape
    dtype: DType

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


# (name, operands' specs, parameters) -> the result's spec, or a ShapeError or DTypeError that says what
# would have worked. A primitive with several results gives a tuple.
SpecRule = Callable[..., Any]

# Kinds of type, by what an operation means for them.
NUMBERS = ("integer", "floating")
BITS = ("bool", "integer")
ANYTHING = ("bool", "integer", "floating")


@dataclass(frozen=True)
class Domain:
    """Which operands a primitive takes; the conformance suite draws from it.

    Attributes
    ----------
    kinds : tuple of str
        The kinds of type: ``"bool"``, ``"integer"``, ``"floating"``.
    low, high : float
        Where values lie for the derivative to be compared with central differences.
    dtypes : tuple of str
        The types by name, where not all of these kinds are taken.
    in_steps : bool
        Whether results move in steps, as they do where operands are rounded, so that central differences say nothing.
    """

    kinds: tuple[str, ...] = ("floating",)
    low: float = -3.0
    high: float = 3.0
    dtypes: tuple[str, ...] = ()
    in_steps: bool = False

    def takes(self, dtype: DType) -> bool:
        """Tell whether operands may have a type."""
        kind = dtype.kind in self.kinds or (dtype.integral and "integer" in self.kinds)
        return kind and (not self.dtypes or dtype.name in self.dtypes)


class Primitive:
    """One row of the table: an operation that every backend has, with its shape and derivative rules.

    Calling it applies it: the backend of the operands computes, and the result is recorded when an operand
    is tracked. Operands are tensors of one backend, already promoted; parameters are canonical (axes are
    non-negative tuples). The functions of `lamina.functions` see to both.

    Parameters
    ----------
    name : str
        Name of the operation and of the backend's method.
    spec : SpecRule
        Shape-and-dtype rule. Eager code calls it only to explain a failure; tracing always does.
    derivatives : DerivativeRules or None
        One rule for each operand, written with tensor operations; ``None`` where there is no derivative.
    domain : Domain
        What the conformance suite may feed it.
    failure : str, optional
        For an algorithm that can fail on its values: what that means and what would have worked.
    """

    __slots__ = ("derivatives", "domain", "failure", "name", "spec")

    def __init__(
        self,
        name: str,
        spec: SpecRule,
        derivatives: DerivativeRules | None = None,
        domain: Domain | None = None,
        failure: str | None = None,
    ) -> None:
        self.name = name
        self.spec = spec
        self.derivatives = derivatives
        self.domain = domain or Domain()
        self.failure = failure

    def __call__(self, *operands: Tensor, **params: Any) -> Tensor:
        first = operands[0]
        backend = first._backend
        arrays = []
        tracked = False
        for operand in operands:
            if operand._backend is not backend:
                return self(*first._unify(self.name, operands), **params)
            if operand._node is not None:
                tracked = True
            arrays.append(operand._data)
        state = STATE
        try:
            value = state.run(getattr(backend, self.name), *arrays, **params)
        except Exception as error:
            if error.__class__ is Deferred:
                return (state.tracer or state.watch).apply(self, operands, params)  # type: ignore[no-any-return]
            value = self._nested(error, operands, params)
        if tracked and state.recording and self.derivatives is not None:
            return first._make(value, backend, self._record(operands, params, value))
        return first._make(value, backend)

    def _record(self, operands: tuple[Tensor, ...], params: dict[str, Any], value: Any) -> Node | None:
        """Return the node of a result, if there is a tracked operand it has a derivative by."""
        rules = self.derivatives
        assert rules is not None
        for position, operand in enumerate(operands):
            if operand._node is not None and rules[position] is not None:
                return Node(self, tuple([x._snapshot for x in operands]), params, value)
        return None

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def _nested(self, error: Exception, operands: tuple[Tensor, ...], params: dict[str, Any]) -> Any:
        """Compute inside another primitive, where warnings are off already; anything else that failed is raised.

        A backend may be made of Lamina's own operations, and a signal may interrupt one.
        """
        if not is_nested(error):
            raise self._explain(error, operands, params) from error
        try:
            return getattr(operands[0]._backend, self.name)(*[x._data for x in operands], **params)
        except Exception as failure:
            raise self._explain(failure, operands, params) from failure

    def _explain(self, error: Exception, operands: tuple[Tensor, ...], params: dict[str, Any]) -> Exception:
        """Return the error to raise for a backend's failure: the shape rule knows what was wrong."""
        if isinstance(error, LaminaError | MemoryError):
            return error
        specs = [Spec(x.shape, x.dtype) for x in operands]
        try:
            self.spec(self.name, *specs, **params)
        except LaminaError as explained:
            return explained
        got = ", ".join(str(spec) for spec in specs)
        if isinstance(error, IndexError):
            return SubscriptError(f"{self.name}: an index is out of range (given {got}): {error}")
        if self.failure is not None and isinstance(error, ValueError):
            return DataError(f"{self.name}: {self.failure} (given {got})")
        return BackendError(f"{self.name}: the {operands[0]._backend.name} backend failed on {got}: {error}")


class BinaryPrimitive(Primitive):
    """A primitive of two operands without parameters.

    Most operations are of this kind, and eager time goes into the call, so it is written out: it does what
    `Primitive` does, without gathering operands and parameters first.
    """

    __slots__ = ()

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:  # type: ignore[override]
        backend = a._backend
        if b._backend is not backend:
            return self(*a._unify(self.name, (a, b)))
        state = STATE
        try:
            value = state.run(getattr(backend, self.name), a._data, b._data)
        except Exception as error:
            if error.__class__ is Deferred:
                return (state.tracer or state.watch).apply(self, (a, b), {})  # type: ignore[no-any-return]
            value = self._nested(error, (a, b), {})
        if (a._node is not None or b._node is not None) and state.recording and self.derivatives is not None:
            return a._make(value, backend, self._record((a, b), {}, value))
        return a._make(value, backend)
