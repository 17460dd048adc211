"""Weights that are made of a length and a direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lamina.autodiff.node import record
from lamina.errors import DataError, DTypeError
from lamina.functions.operands import one_axis
from lamina.functions.reductions import root, sum
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.variable import Variable

M = TypeVar("M", bound=Module)

_KEPT = "parametrizations"
"""The attribute that holds the parts of each weight; PyTorch's name, so that its state dicts fit."""


class WeightNorm(Module):
    """The parts of a weight: ``original0``, the lengths of its slices, and ``original1``, their directions.

    Called, it gives the weight ``original0 * original1 / |original1|``, the norm taken of each slice along ``axis``.
    """

    def __init__(self, weight: Variable, axis: int | None) -> None:
        self.axis = None if axis is None or axis == -1 else one_axis("weight_norm", axis, weight.ndim)
        with record(False):
            value = weight._untracked
            self.original0 = Variable(self._norm(value), "original0")
            self.original1 = Variable(value, "original1")

    def _norm(self, v: Tensor) -> Tensor:
        if self.axis is None:
            return root(sum(v * v))
        return root(sum(v * v, axis=tuple(at for at in range(v.ndim) if at != self.axis), keepdims=True))

    def __call__(self) -> Tensor:
        """Return the weight."""
        v = self.original1.value
        return v * (self.original0 / self._norm(v))


def weight_norm(module: M, name: str = "weight", axis: int | None = 0) -> M:
    """Make a weight of a module of its length and its direction, which are trained in its place.

    ``w = g v / |v|``. The module's parameters are ``g``, named ``parametrizations.weight.original0``, and ``v``, named
    ``parametrizations.weight.original1``; its attribute is what they give, computed anew where it is used.

    Parameters
    ----------
    module : Module
        Changed, and returned.
    name : str, default "weight"
        Which of its variables.
    axis : int or None, default 0
        Each slice along this axis has a length of its own; there is one for all with None.

    Raises
    ------
    DTypeError, DataError
        When the module has no trainable variable of this name, or its weight is normalised already.

    Examples
    --------
    >>> from lamina import nn
    >>> layer = nn.weight_norm(nn.Linear(3, 2))
    >>> [(name, each.shape) for name, each in layer.named_parameters()]  # doctest: +NORMALIZE_WHITESPACE
    [('bias', (2,)), ('parametrizations.weight.original0', (2, 1)), ('parametrizations.weight.original1', (2, 3))]

    Source: T. Salimans, D. P. Kingma, "Weight normalization", NIPS 2016, equation 2.
    """
    if not isinstance(module, Module):
        raise DTypeError(f"weight_norm: expected a Module, got {type(module).__name__}")
    kept: dict[str, WeightNorm] = vars(module).get(_KEPT, {})
    if name in kept:
        raise DataError(f"weight_norm: {name!r} of this {type(module).__name__} is normalised already")
    weight = vars(module).get(name)
    if not isinstance(weight, Variable) or not weight.trainable:
        raise DataError(f"weight_norm: this {type(module).__name__} has no trainable variable {name!r}")
    parts = WeightNorm(weight, axis)
    delattr(module, name)
    setattr(module, _KEPT, {**kept, name: parts})
    module.__class__ = _computing(_plain(module), (*kept, name))
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a weight that `weight_norm` has split one variable again, with the value that it has now.

    Raises
    ------
    DataError
        When the weight is not normalised.

    Examples
    --------
    >>> from lamina import nn
    >>> layer = nn.remove_weight_norm(nn.weight_norm(nn.Linear(3, 2)))
    >>> sorted(layer.state_dict())
    ['bias', 'weight']
    """
    kept: dict[str, WeightNorm] = vars(module).get(_KEPT, {})
    if name not in kept:
        raise DataError(f"remove_weight_norm: {name!r} of this {type(module).__name__} is not normalised")
    with record(False):
        value = kept[name]()
    rest = {each: parts for each, parts in kept.items() if each != name}
    module.__class__ = _computing(_plain(module), tuple(rest))
    if rest:
        setattr(module, _KEPT, rest)
    else:
        delattr(module, _KEPT)
    setattr(module, name, Variable(value, name))
    return module


def _plain(module: Module) -> type[Any]:
    """Return the class that a module was made of."""
    kind: Any = type(module)
    return getattr(kind, "_plain", kind)  # type: ignore[no-any-return]


_CLASSES: dict[tuple[type[Any], tuple[str, ...]], type[Any]] = {}


def _computing(plain: type[Any], names: tuple[str, ...]) -> type[Any]:
    """Return a class like a module's own, of which some attributes are computed; the same one each time."""
    if not names:
        return plain
    found = _CLASSES.get((plain, names))
    if found is None:
        members: dict[str, Any] = {name: property(_computed(name)) for name in names}
        members |= {"_plain": plain, "__module__": plain.__module__}
        found = _CLASSES[plain, names] = type(plain.__name__, (plain,), members)
    return found


def _computed(name: str) -> Callable[[Any], Tensor]:
    def weight(module: Any) -> Tensor:
        result: Tensor = getattr(module, _KEPT)[name]()
        return result

    return weight
