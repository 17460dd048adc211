"""Computing again what was not kept: memory for time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from lamina.autodiff.effects import Journal, in_the_same_way, journal, rewound
from lamina.autodiff.node import Joint, Leaf, Node, next_order, record
from lamina.autodiff.sweep import ancestors, sweep_between
from lamina.autodiff.trees import leaves, with_leaves
from lamina.backends.thread_state import STATE
from lamina.errors import GradientError
from lamina.primitives.batching import apart, together
from lamina.primitives.elementwise import alias
from lamina.primitives.multiple_results import Bundle, unpack
from lamina.tensor import Tensor
from lamina.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


def checkpoint(f: Callable[P, R]) -> Callable[P, R]:
    """Return ``f`` so that a derivative computes its intermediate results again instead of keeping them.

    Values and gradients are those of ``f``. Between the call and the backward sweep only the arguments are kept, and
    what ``f`` reads from outside, so a chain of ``n`` checkpointed parts needs the memory of ``n`` borders and one
    part; each part is computed twice. When ``f`` runs again, the variables that it assigns and those that it is
    differentiated by hold what they held at first, so random numbers are the same, and are put back afterwards. What
    it reads besides, such as other variables and Python objects, must not have changed.

    Parameters
    ----------
    f : callable
        From trees of tensors to a tree of tensors; a module serves too.

    Returns
    -------
    callable
        Takes and returns what ``f`` does.

    Raises
    ------
    GradientError
        In the sweep, when ``f`` returns something else than at first.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable(3.0)
    >>> block = la.checkpoint(lambda x: (x * w).tanh().exp())
    >>> block(la.asarray(0.0)).backward()[w]
    Tensor(0., shape=[], dtype=float32)
    >>> la.grad(la.grad(block))(la.asarray(0.0))
    Tensor(9., shape=[], dtype=float32)

    Source: T. Chen et al., "Training deep nets with sublinear memory cost", 2016, section 4.
    """

    @wraps(f)
    def checkpointed(*args: P.args, **kwargs: P.kwargs) -> R:
        if not STATE.recording:
            return f(*args, **kwargs)
        return _first_run(f, (args, kwargs))  # type: ignore[no-any-return]

    return checkpointed


class Recomputed:
    """A checkpointed call, as the operation of a node.

    Parameters
    ----------
    f : callable
    arguments : tuple
        Positional and named, with a constant where a tracked tensor stood.
    places : list of int
        Which of their leaves were tracked.
    """

    name = "checkpoint"

    def __init__(self, f: Callable[..., Any], arguments: tuple[Any, Any], places: list[int]) -> None:
        self.derivatives = Joint(self._pull_back)
        self._f = in_the_same_way(f)
        self._arguments = arguments
        self.places = places
        self.noted: Journal = {}
        self.results: list[int] = []
        """Which leaves of what ``f`` returned are tracked."""

    def run(self, given: Sequence[Tensor]) -> list[Any]:
        """Return the leaves of the result for tensors in the places of the tracked arguments, and the tree."""
        complete = leaves(self._arguments)
        for place, x in zip(self.places, given, strict=True):
            complete[place] = x
        args, kwargs = with_leaves(self._arguments, complete)
        with record(True):
            return self._f(*args, **kwargs)  # type: ignore[no-any-return]

    def _pull_back(self, g: Any, y: Tensor, operands: tuple[Tensor, ...]) -> list[Any]:
        """Return the cotangents of the arguments and of what else was read, by way of a second run."""
        count = len(self.places)
        given = [marked(x) for x in operands[:count]]
        cotangents = g.parts if isinstance(g, Bundle) else (g,)
        with _put_off_until(cotangents):
            with rewound(self.noted):
                again = leaves(self.run(given))
            pairs = []
            for place, cotangent in zip(self.results, cotangents, strict=True):
                if cotangent is not None:
                    pairs.append((self._same(again, place, cotangent), cotangent))
            targets = [x._node for x in (*given, *operands[count:])]
            found = sweep_between(pairs, [node for node in targets if node is not None])
        return _at_once([None if node is None else found.get(node) for node in targets], operands)

    def _same(self, again: list[Any], place: int, cotangent: Tensor) -> Tensor:
        result = again[place] if place < len(again) else None
        if not isinstance(result, Tensor) or result.shape != cotangent.shape:
            name = getattr(self._f, "__name__", type(self._f).__name__)
            raise GradientError(
                f"checkpoint: computed again, {name} returned something else than at first; "
                "what it reads from outside must not change before the derivative is taken"
            )
        return result._snapshot


def marked(x: Tensor) -> Tensor:
    """Return a tracked tensor under a node of its own, at which a sweep of a part can end.

    While the sweep is itself recorded the node keeps its link to what ``x`` was made from.
    """
    return alias(x) if STATE.recording else Tensor(x._data, x._backend, Leaf())


def lifted(*operands: Tensor) -> tuple[Tensor, ...]:
    """Return operands as tensors of the trace, where there is one, else as they are now."""
    if STATE.tracer is not None:
        return STATE.tracer.lift("checkpoint", operands)  # type: ignore[no-any-return]
    return tuple(x._snapshot for x in operands)


def _put_off_until(cotangents: Sequence[Any]) -> AbstractContextManager[None]:
    """Trace a second run so that a program computes it again, and not before the cotangents it is wanted for."""
    if STATE.tracer is None:
        return nullcontext()
    return STATE.tracer.recomputing(_plain(cotangents))  # type: ignore[no-any-return]


def _at_once(cotangents: list[Any], operands: Sequence[Tensor]) -> list[Any]:
    """Return cotangents of which a program computes all, those of variables too, before it goes on with any.

    Then what was computed again is let go.
    """
    if STATE.tracer is None:
        return cotangents
    going_on = [at for at, x in enumerate(operands) if type(cotangents[at]) is Tensor and isinstance(x._node, Node)]
    settled = STATE.tracer.after([cotangents[at] for at in going_on], _plain(cotangents))
    for at, cotangent in zip(going_on, settled, strict=True):
        cotangents[at] = cotangent
    return cotangents


def _plain(cotangents: Sequence[Any]) -> list[Tensor]:
    """Return the cotangents that are there and are tensors in no form of their own."""
    return [each for each in cotangents if type(each) is Tensor]


def _first_run(f: Callable[..., Any], arguments: tuple[Any, Any]) -> Any:
    """Run the function, forget all but its result, and return that under a node that can run it again."""
    given = leaves(arguments)
    places = [at for at, x in enumerate(given) if isinstance(x, Tensor) and x.tracked and not isinstance(x, Variable)]
    tracked = lifted(*[given[at] for at in places])
    for at, x in zip(places, tracked, strict=True):
        given[at] = x._untracked
    call = Recomputed(f, with_leaves(arguments, given), places)
    start = next_order()
    with journal() as noted:
        returned = call.run([Tensor(x._data, x._backend, Leaf()) for x in tracked])
    results = leaves(returned)
    call.results = [
        at for at, x in enumerate(results) if isinstance(x, Tensor) and x.tracked and not isinstance(x, Variable)
    ]
    if STATE.tracer is not None:
        # What it was made of is let go before anything goes on with it.
        tracked_results = [results[at] for at in call.results]
        for at, x in zip(call.results, STATE.tracer.after(tracked_results, tracked_results), strict=True):
            results[at] = x
    outside = lifted(*from_outside([results[at] for at in call.results], start))
    call.noted = noted
    for x in outside:
        if isinstance(x._node, Leaf) and x._node.variable is not None:
            noted.setdefault(x._node.variable, x._node.variable._snapshot)
    return with_leaves(returned, under_node(call, (*tracked, *outside), results))


def from_outside(results: Sequence[Tensor], start: int) -> list[Tensor]:
    """Return the tracked tensors from before the call that results were made from, each once."""
    nodes = [x._node for x in results if x._node is not None]
    inside = [node for node in ancestors(*nodes, before=start) if isinstance(node, Node) and node.order > start]
    operands = [*results, *(x for node in inside for x in node.inputs)]
    return list({x._node: x for x in operands if x._node is not None and x._node.order < start}.values())


def under_node(call: Any, inputs: tuple[Tensor, ...], results: list[Any]) -> list[Any]:
    """Return the results, those in the places ``call.results`` under a node whose operation is the call."""
    if not inputs or not call.results:
        return [x._untracked if at in call.results else x for at, x in enumerate(results)]
    before = [results[at] for at in call.results]
    backend, arrays = together(before)
    value = arrays[0] if len(arrays) == 1 else arrays
    whole = Tensor(value, backend, Node(call, inputs, {}, value))
    parts = [whole] if len(arrays) == 1 else apart(unpack(whole, len(arrays)), before)
    complete = list(results)
    for at, part in zip(call.results, parts, strict=True):
        complete[at] = part
    return complete
