"""Functions that say themselves what their derivative is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from lamina.autodiff.checkpoint import lifted, under_node
from lamina.autodiff.effects import Journal, in_the_same_way, journal, rewound
from lamina.autodiff.gradients import fitting
from lamina.autodiff.node import Joint, Leaf, record
from lamina.autodiff.sweep import ancestors
from lamina.autodiff.trees import leaves, with_leaves
from lamina.backends.thread_state import STATE
from lamina.errors import DTypeError, GradientError
from lamina.primitives.batching import inside
from lamina.primitives.multiple_results import Bundle
from lamina.tensor import Tensor


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of which ``f`` gives the result and the derivative.

    ``f(*args)`` returns ``y, pull_back``, and ``pull_back(g)`` the gradient of each argument from the gradient ``g`` of
    ``y``. How ``f`` computes ``y`` is not differentiated: it may round, choose, or leave to NumPy what has no
    derivative otherwise. A second derivative is that of ``pull_back``; for it ``f`` runs again, and is differentiated
    where ``pull_back`` uses what ``f`` computed.

    Parameters
    ----------
    f : callable
        From tensors, trees of them and other values, given by position, to ``(y, pull_back)``, where ``y`` is a tensor
        or a tree of tensors. ``pull_back`` takes a tree like ``y``, and returns the gradient of the only argument, or a
        tuple with that of each: a tree like the argument, None where there is none to give.

    Returns
    -------
    callable
        Takes what ``f`` does and returns ``y``. Named arguments are passed on; no gradient flows to them.

    Raises
    ------
    GradientError
        When ``y`` depends on a variable, or another tensor that is differentiated by, that is no argument: its gradient
        would be lost.
    DTypeError, ShapeError
        When ``f`` or ``pull_back`` return something else; the latter in the sweep.

    Examples
    --------
    Rounding, with the derivative of what was rounded:

    >>> import lamina as la
    >>> @la.custom_gradient
    ... def rounded(x):
    ...     return la.round(x), lambda g: g
    >>> la.grad(lambda x: (rounded(x) ** 2).sum())(la.asarray([0.6, 2.2]))
    Tensor([2., 4.], shape=[2], dtype=float32)

    The same value, and a gradient that cannot explode:

    >>> @la.custom_gradient
    ... def limited(x, bound):
    ...     return x, lambda g: (g.clip(-bound, bound), None)
    >>> la.grad(lambda x: (limited(x, 1.0) ** 2).sum())(la.asarray([0.3, -9.0]))
    Tensor([ 0.6, -1. ], shape=[2], dtype=float32)
    """

    @wraps(f)
    def given(*args: Any, **kwargs: Any) -> Any:
        values = leaves(args)
        places = [at for at, x in enumerate(values) if isinstance(x, Tensor) and x.tracked]
        if not STATE.recording or not places:
            return _taken_apart(f, f(*args, **kwargs))[0]
        return _recorded(f, args, kwargs, places)

    return given


class _Custom:
    """Such a call, as the operation of a node."""

    name = "custom_gradient"

    def __init__(self, run: Callable[[Sequence[Tensor]], tuple[Any, Any]], places: list[int]) -> None:
        self.derivatives = Joint(self._pull_back)
        self._run = in_the_same_way(run)
        self._places = places
        self.noted: Journal = {}
        self.arguments: tuple[Any, ...] = ()
        self.result: Any = None
        self.rule: Callable[[Any], Any] = lambda g: None
        self.results: list[int] = []
        """Which leaves of what was returned can be differentiated."""
        self.label = "custom_gradient"

    def _pull_back(self, g: Any, y: Tensor, operands: tuple[Tensor, ...]) -> list[Any]:
        """Return the cotangents of the tracked arguments."""
        rule = self.rule
        if STATE.recording:
            # Something asks for the next derivative: what the rule uses must be linked to the arguments.
            with rewound(self.noted):
                _, rule = self._run(operands)
        parts = g.parts if isinstance(g, Bundle) else (g,)
        complete = leaves(self.result)
        for place, part in zip(self.results, parts, strict=True):
            complete[place] = complete[place]._full(complete[place].shape, 0) if part is None else part
        found = self._by_argument(rule(with_leaves(self.result, complete)))
        return [
            None if found[at] is None else fitting(self.label, "the gradient", found[at], "its argument", x)
            for at, x in zip(self._places, operands, strict=True)
        ]

    def _by_argument(self, returned: Any) -> list[Any]:
        """Return the leaves of the cotangents, as many as the arguments have."""
        count = len(self.arguments)
        each = (returned,) if count == 1 and not _is_tuple_of(returned, 1) else returned
        if not _is_tuple_of(each, count):
            raise DTypeError(
                f"{self.label}: the derivative returns a tuple of {count} gradients, one for each argument, None where "
                f"there is none; got {_described(returned)}"
            )
        found: list[Any] = []
        for argument, cotangent in zip(self.arguments, each, strict=True):
            wanted = leaves(argument)
            got = [None] * len(wanted) if cotangent is None else leaves(cotangent)
            if len(got) != len(wanted):
                raise DTypeError(
                    f"{self.label}: the gradient of an argument is a tree like it, of {len(wanted)} leaves; "
                    f"got {len(got)}"
                )
            found += got
        return found


def _recorded(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], places: list[int]) -> Any:
    """Run the function on constants, and return its result under a node with its rule."""
    given = leaves(args)
    tracked = tuple(inside(x) for x in lifted(*[given[at] for at in places]))

    def run(operands: Sequence[Tensor]) -> tuple[Any, Any]:
        complete = list(given)
        for at, x in zip(places, operands, strict=True):
            complete[at] = x
        with record(True):
            return _taken_apart(f, f(*with_leaves(args, complete), **kwargs))

    for at, x in zip(places, tracked, strict=True):
        given[at] = x._untracked
    call = _Custom(run, places)
    call.label, call.arguments = _name(f), args
    with journal() as call.noted:
        returned, call.rule = run([given[at] for at in places])
    results = leaves(returned)
    _check_all_given(call.label, results)
    call.results = [at for at, x in enumerate(results) if isinstance(x, Tensor) and x.dtype.floating]
    call.result = with_leaves(returned, [x._untracked if isinstance(x, Tensor) else x for x in results])
    return with_leaves(returned, under_node(call, tracked, leaves(call.result)))


def _taken_apart(f: Callable[..., Any], returned: Any) -> tuple[Any, Any]:
    if not _is_tuple_of(returned, 2) or not callable(returned[1]):
        raise DTypeError(
            f"{_name(f)}: with custom_gradient a function returns (y, pull_back), its result and the function from the "
            f"gradient of that to those of the arguments; got {_described(returned)}"
        )
    return returned  # type: ignore[no-any-return]


def _check_all_given(label: str, results: list[Any]) -> None:
    """Refuse results that depend on tracked tensors besides the arguments, which were constants."""
    nodes = [x._node for x in results if isinstance(x, Tensor) and x._node is not None]
    if not nodes:
        return
    variables = [node.variable for node in ancestors(*nodes) if isinstance(node, Leaf) and node.variable is not None]
    what = variables[0].label if variables else "a tensor from outside"
    raise GradientError(
        f"{label}: the result depends on {what}, which is no argument, so that its gradient would be lost; pass it as "
        "an argument, or use la.stop_gradient of it"
    )


def _is_tuple_of(value: Any, count: int) -> bool:
    return isinstance(value, tuple | list) and len(value) == count


def _described(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind} of {len(value)}" if isinstance(value, tuple | list) else kind


def _name(f: Callable[..., Any]) -> str:
    return getattr(f, "__name__", type(f).__name__)
