"""Into the axis of `lamina.vmap` and out of it: three steps that have derivatives, and are each other's.

``wrapped`` lets every call see its part of a tensor, ``unwrapped`` is the tensor of all calls again, and ``lifted``
lets all calls see the same. Inside of the mapped function a gradient is that of one call; the sum over the calls is
taken where a sweep leaves the function. So whether a level is the thread's own, when the sweep passes, decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lamina.autodiff.node import Node, Step, recorded
from lamina.backends.batching import Batched, BatchedProduct, BatchingBackend, Level
from lamina.backends.thread_state import STATE
from lamina.errors import AssignmentError, BackendError, GradientError, TracingError
from lamina.primitives.broadcasting import broadcast_to, reshape, sum_
from lamina.primitives.elementwise import multiply
from lamina.primitives.shaping import concat, part

if TYPE_CHECKING:
    from lamina.tensor import Tensor
    from lamina.variable import Variable


@contextmanager
def entered(backend: BatchingBackend | None) -> Iterator[None]:
    """Let a level be the one this thread is in."""
    before = STATE.batching
    STATE.batching = backend
    try:
        yield
    finally:
        STATE.batching = before


def is_entered(level: Level) -> bool:
    """Tell whether this thread is inside of the mapped function."""
    return STATE.batching is not None and level in _levels(STATE.batching)


def is_batched(x: Tensor) -> bool:
    """Tell whether a tensor is one of a mapped function."""
    return x._backend.__class__ is BatchingBackend


def _levels(backend: Any) -> list[Level]:
    """Return the levels of a backend, the outermost call first."""
    found: list[Level] = []
    while backend.__class__ is BatchingBackend:
        found.insert(0, backend.level)
        backend = backend.inner
    return found


# --- the steps --------------------------------------------------------------------------------------------


def _noted(step: Step, x: Tensor, data: Any, backend: Any, level: Level) -> Tensor:
    if x._node is None or not STATE.recording:
        return x._make(data, backend)
    return x._make(data, backend, Node(step, (x,), {"level": level}, data))


def wrapped(x: Tensor, level: Level) -> Tensor:
    """Return the tensor of which each call sees its part along the first axis of ``x``."""
    x = x._snapshot
    return _noted(_WRAP, x, Batched(x._data, True), level.over(x._backend), level)


def unwrapped(x: Tensor, level: Level) -> Tensor:
    """Return the tensor that has what each call sees along a new first axis."""
    x = x._snapshot
    backend: Any = x._backend
    if backend.__class__ is BatchingBackend and backend.level is level:
        return _noted(_UNWRAP, x, backend.all_of(x._data), backend.inner, level)
    if level in _levels(backend):
        raise BackendError("vmap: a tensor of an inner mapped function is used outside of it; return it from there")
    return broadcast_to(x, shape=(level.size, *x.shape))


def lifted(x: Tensor, backend: Any) -> Tensor:
    """Return ``x`` as a tensor of a backend around its own."""
    x = x._snapshot
    if x._backend is backend:
        return x
    if backend.__class__ is not BatchingBackend:
        (moved,) = (x,) if STATE.tracer is None else STATE.tracer.lift("vmap", (x,))
        if moved._backend is not backend:
            raise BackendError(
                f"vmap: a tensor on {x.device!r} meets one on {backend.name!r}; move one with x.to(device)"
            )
        return moved
    if is_batched(x) and x._backend.level is backend.level:  # type: ignore[attr-defined]
        return wrapped(lifted(unwrapped(x, backend.level), backend.inner), backend.level)
    below = lifted(x, backend.inner)
    return _noted(_LIFT, below, Batched(below._data, False), backend, backend.level)


def _gathered_rule(g: Tensor, y: Tensor, x: Tensor, *, level: Level) -> Tensor:
    if is_entered(level):
        raise GradientError(
            "backward: the gradient by a tensor that vmap maps over has no meaning inside of the mapped function, "
            "which sees a part of it; take la.grad by the function's own argument, or call backward outside"
        )
    return unwrapped(g, level)


def _shared_rule(g: Tensor, y: Tensor, x: Tensor, *, level: Level) -> Tensor:
    if is_entered(level):
        return g
    if is_batched(g) and g._backend.level is level and g._data.is_mapped:  # type: ignore[attr-defined]
        if g._node is None and g._data.__class__ is BatchedProduct:
            backend: Any = g._backend
            return x._make(g._data.sum(backend), backend.inner)
        return sum_(unwrapped(g, level), axes=(0,), keepdims=False)
    return multiply(g, g._scalar(level.size))  # the same in all calls


_WRAP = Step("wrapped", _gathered_rule)
_UNWRAP = Step("unwrapped", lambda g, y, x, *, level: wrapped(g, level))
_LIFT = Step("lifted", _shared_rule)
_SAME = Step("same", lambda g, y, x, *, level: g)


# --- where tensors meet -----------------------------------------------------------------------------------


def on_one_level(operands: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return operands, of which some are of mapped functions, as tensors of one backend."""
    target = common_backend(operands)
    return tuple(lifted(x, target) for x in operands)


def common_backend(operands: Sequence[Tensor]) -> Any:
    """Return a backend with the levels of all operands; around a trace's, where one of them is of the trace."""
    backends: list[Any] = sorted((x._backend for x in operands), key=_depth, reverse=True)
    tracer = STATE.tracer
    traced = tracer is not None and tracer.backend in map(_base, backends)
    target = tracer.backend if traced else _base(backends[0])
    for level in dict.fromkeys(level for each in backends for level in _levels(each)):
        target = level.over(target)
    return target


def _depth(backend: Any) -> int:
    return getattr(backend, "depth", 0)


def _base(backend: Any) -> Any:
    return backend.base if backend.__class__ is BatchingBackend else backend


def spread(x: Tensor, backend: Any) -> Tensor:
    """Return ``x`` as a tensor of a backend around its own, with the axes of all its levels."""
    x = lifted(x, backend)
    data = _spread(x._data, backend)
    return x if data is x._data else _noted(_SAME, x, data, backend, backend.level)


def _spread(data: Any, backend: Any) -> Any:
    if backend.__class__ is not BatchingBackend:
        return data
    inside = _spread(backend.all_of(data), backend.inner)
    return data if inside is data.data else Batched(inside, True)


def together(tensors: Sequence[Tensor]) -> tuple[Any, tuple[Any, ...]]:
    """Return the arrays of tensors as those of one backend, for a node that has them all; see `apart`."""
    backend = common_backend(tensors)
    return backend, tuple(_lifted_array(x._data, x._backend, backend) for x in tensors)


def apart(parts: Sequence[Tensor], before: Sequence[Tensor]) -> list[Tensor]:
    """Return parts of such a node, each as an array of the backend it had before."""
    return [
        part
        if part._backend is x._backend
        else x._untracked
        if part._node is None
        else recorded(_SAME, (part,), {"level": None}, x)
        for part, x in zip(parts, before, strict=True)
    ]


def _lifted_array(data: Any, source: Any, goal: Any) -> Any:
    if source is goal:
        return data
    if source.__class__ is BatchingBackend and source.level is goal.level:
        return Batched(_lifted_array(data.data, source.inner, goal.inner), data.is_mapped)
    return Batched(_lifted_array(data, source, goal.inner), False)


def inside(x: Tensor) -> Tensor:
    """Return ``x`` as a tensor of the mapped function that this thread is in, if it is in one."""
    backend = STATE.batching
    if backend is None or (is_batched(x) and backend.level in _levels(x._backend)):
        return x
    return lifted(x, backend)


def assignable(variable: Variable, value: Tensor) -> Tensor:
    """Return a value as one that a variable can hold, which has one for all calls unless it was made in the function.

    Raises
    ------
    AssignmentError
        When the value differs from call to call, and the variable does not.
    """
    if is_batched(variable):
        return lifted(value, variable._backend)
    value = lowered(value)
    if is_batched(value):
        raise AssignmentError(
            f"assign: {variable.label} has one value for all calls of the function that vmap maps, and was given "
            f"{value._backend.size}; return the value, or map over the variable"  # type: ignore[attr-defined]
        )
    return value


def one_by_one(function: Callable[..., Sequence[Tensor]], *tensors: Tensor) -> list[Tensor]:
    """Return what a function that knows nothing of mapped functions returns for what each call sees."""
    if not any(is_batched(x) for x in tensors):
        return list(function(*tensors))
    tensors = on_one_level(tensors)
    level = tensors[0]._backend.level  # type: ignore[attr-defined]
    wholes = [unwrapped(x, level) for x in tensors]
    if not level.size:
        # A call that is then left out: what there is none of has a shape, and its gradient is zero.
        wholes = [concat(x, x._full((1, *x.shape[1:]), 0), axis=0) for x in wholes]
    calls = [
        one_by_one(function, *[reshape(part(x, 0, call, call + 1), shape=x.shape[1:]) for x in wholes])
        for call in range(level.size or 1)
    ]
    stacked = [
        concat(*[reshape(y, shape=(1, *y.shape)) for y in column], axis=0) for column in zip(*calls, strict=True)
    ]
    return [wrapped(y if level.size else part(y, 0, 0, 0), level) for y in stacked]


def lowered(x: Tensor) -> Tensor:
    """Return a tensor that is the same in all calls as a constant outside of them."""
    while is_batched(x) and not x._data.is_mapped:
        x = x._make(x._data.data, x._backend.inner)  # type: ignore[attr-defined]
    return x


def drawing_apart() -> list[Level]:
    """Return the levels this thread is in whose calls draw random numbers of their own, the outermost first.

    Raises
    ------
    TracingError
        Where random numbers are refused.
    """
    levels = _levels(STATE.batching)
    if any(level.randomness == "error" for level in levels):
        raise TracingError(
            "vmap: the function draws random numbers; say with randomness='same' or 'different' whether its calls "
            "draw the same ones"
        )
    return [level for level in levels if level.randomness == "different"]


def everything(x: Tensor) -> Tensor:
    """Return the values of all calls as one constant, for what asks the same of every element."""
    x = x._untracked
    while is_batched(x):
        x = x._make(x._data.data, x._backend.inner)  # type: ignore[attr-defined]
    return x
