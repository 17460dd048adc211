"""What ``backward`` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lamina.autodiff.node import Leaf
from lamina.autodiff.sweep import Cotangents, sweep
from lamina.backends.thread_state import STATE
from lamina.errors import DTypeError, GradientError, ShapeError, TracingError

if TYPE_CHECKING:
    from lamina.tensor import Tensor
    from lamina.variable import Variable


class Gradients(Mapping["Variable", "Tensor"]):
    """The gradients of one result, by variable.

    Nothing is stored on the variables themselves, so there is nothing to zero between steps.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, 2.0], name="w")
    >>> b = la.variable([0.0, 0.0], name="b")
    >>> grads = (w * w).sum().backward()
    >>> grads[w]
    Tensor([2., 4.], shape=[2], dtype=float32)
    >>> w in grads, b in grads
    (True, False)
    >>> grads.wrt(b)
    Tensor([0., 0.], shape=[2], dtype=float32)

    They add up and scale, as those of a large batch that is computed in parts:

    >>> total = grads + (w * b).sum().backward()
    >>> (total / 2)[w]
    Tensor([1., 2.], shape=[2], dtype=float32)

    Gradients that were computed in another way, such as by `lamina.grad`, are put together by variable, for optimisers
    to take:

    >>> la.Gradients({w: la.asarray([1.0, 0.5])})
    Gradients(variable 'w': [2])

    Parameters
    ----------
    gradients : mapping of Variable to Tensor
        Each of its variable's shape and type.

    Raises
    ------
    GradientError
        When a key is no trainable variable.
    ShapeError, DTypeError
        When a value is no tensor of its variable's shape and type.
    """

    __slots__ = ("_by_leaf",)

    def __init__(self, gradients: Mapping[Variable, Tensor]) -> None:
        self._by_leaf = {_leaf_of(variable): _fitting(variable, g) for variable, g in gradients.items()}

    @classmethod
    def of_leaves(cls, by_leaf: dict[Leaf, Tensor]) -> Gradients:
        """Return the gradients of leaves that a sweep has ended at."""
        made = cls.__new__(cls)
        made._by_leaf = by_leaf
        return made

    @classmethod
    def from_cotangents(cls, cotangents: Cotangents) -> Gradients:
        """Keep, of what a sweep returned, what belongs to variables."""
        return cls.of_leaves(
            {leaf: g for leaf, g in cotangents.items() if isinstance(leaf, Leaf) and leaf.variable is not None}
        )

    def __getitem__(self, variable: Variable) -> Tensor:
        found = self._by_leaf.get(_leaf_of(variable))
        if found is None:
            raise GradientError(
                f"gradients: the result does not depend on {variable.label}; "
                "wrt(variable) gives zeros in that case, and `variable in gradients` asks"
            )
        return found

    def wrt(self, variable: Variable) -> Tensor:
        """Return the gradient with respect to ``variable``: zeros where the result does not depend on it."""
        found = self._by_leaf.get(_leaf_of(variable))
        return variable._full(variable.shape, 0) if found is None else found

    def __contains__(self, variable: object) -> bool:
        return getattr(variable, "_leaf", None) in self._by_leaf

    def __iter__(self) -> Iterator[Variable]:
        for leaf in self._by_leaf:
            variable = leaf.variable
            if variable is not None:
                yield variable

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def map(self, function: Callable[[Tensor], Tensor]) -> Gradients:
        """Return gradients with ``function`` applied to each; what clipping is made of."""
        return Gradients.of_leaves({leaf: function(g) for leaf, g in self._by_leaf.items()})

    def __add__(self, other: Gradients) -> Gradients:
        """Return the gradients of the sum of two results, as of the parts of a batch."""
        if not isinstance(other, Gradients):
            return NotImplemented
        total = dict(self._by_leaf)
        for leaf, g in other._by_leaf.items():
            total[leaf] = total[leaf] + g if leaf in total else g
        return Gradients.of_leaves(total)

    def __radd__(self, other: object) -> Gradients:
        # With which `sum` begins.
        return self if other.__class__ is int and other == 0 else NotImplemented

    def __mul__(self, factor: Tensor | float) -> Gradients:
        """Return the gradients of so many times the result."""
        return self.map(lambda g: g * factor) if _is_number("times", factor) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: Tensor | float) -> Gradients:
        """Return the gradients of the result divided by a number."""
        return self.map(lambda g: g / divisor) if _is_number("divided by", divisor) else NotImplemented

    __array_ufunc__ = None  # a number of NumPy's leaves products to this class

    def __repr__(self) -> str:
        names = ", ".join(f"{variable.label}: {list(variable.shape)}" for variable in self)
        return f"Gradients({names})"


def _is_number(operation: str, other: object) -> bool:
    """Tell whether gradients can be scaled by something; a tensor with axes would change their shapes."""
    shape = getattr(other, "shape", ())
    if shape:
        raise ShapeError(f"gradients {operation} a tensor of shape {list(shape)}: expected a number; see map")
    return not isinstance(other, Mapping)


def _leaf_of(variable: Variable) -> Leaf:
    leaf = getattr(variable, "_leaf", None)
    if leaf is None:
        raise GradientError(
            f"gradients: expected a trainable variable made with la.variable, got {type(variable).__name__}"
        )
    return leaf  # type: ignore[no-any-return]


def _fitting(variable: Variable, g: Tensor) -> Tensor:
    """Return a gradient if it is a tensor of the variable's shape and type."""
    if not hasattr(g, "_snapshot"):
        raise DTypeError(f"gradients: expected a Tensor for {variable.label}, got {type(g).__name__}")
    if g.shape != variable.shape:
        raise ShapeError(f"gradients: {variable.label} has shape {list(variable.shape)}, its gradient {list(g.shape)}")
    if g.dtype is not variable.dtype:
        raise DTypeError(
            f"gradients: {variable.label} is {variable.dtype.name}, its gradient {g.dtype.name}; cast it with astype"
        )
    return g._snapshot


def backward(output: Tensor, cotangent: Tensor | None = None) -> Gradients:
    """Return the gradients of ``output`` with respect to every variable it was made from."""
    if output._node is None:
        raise TracingError(
            "backward: this tensor depends on no trainable variable, or was computed under no_grad; "
            "make the values to differentiate by with la.variable"
        )
    cotangents = sweep(output, seed("backward", output, cotangent))
    if STATE.tracer is not None:
        STATE.tracer.steps.note_swept(cotangents)
    return Gradients.from_cotangents(cotangents)


def seed(name: str, output: Tensor, cotangent: Tensor | None) -> Tensor:
    """Return the cotangent a sweep starts from: the one given, once checked, or ones."""
    if cotangent is None:
        return output._full(output.shape, 1)
    return fitting(name, "the cotangent", cotangent, "the result", output)


def fitting(name: str, what: str, given: Any, whose: str, like: Tensor) -> Tensor:
    """Return a tensor if it has the shape and the type of another, or say how it differs."""
    if not hasattr(given, "_snapshot"):
        raise DTypeError(
            f"{name}: expected {what} as a Tensor, got {type(given).__name__}; make one with lamina.asarray(x)"
        )
    if given.shape != like.shape:
        raise ShapeError(
            f"{name}: {what} has shape {list(given.shape)}, {whose} {list(like.shape)}; they must be equal"
        )
    if given.dtype is not like.dtype:
        raise DTypeError(f"{name}: {what} is {given.dtype.name}, {whose} {like.dtype.name}; cast it with astype")
    return given._snapshot  # type: ignore[no-any-return]
