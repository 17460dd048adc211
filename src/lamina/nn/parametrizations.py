"""Variables of modules that are made of others, which are trained in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lamina.autodiff.node import record
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.variable import Variable

M = TypeVar("M", bound=Module)

_KEPT = "parametrizations"
"""The attribute that holds what each variable is made of; PyTorch's name, so that its state dicts fit."""


class Parametrization(Module):
    """What a variable is made of: ``original``, or ``original0`` and more, and modules ``0``, ``1``, ... in a row.

    Called, it gives the value: the first module's result for the originals, and each further one's for that.
    """

    def __init__(self, value: Tensor, first: Module) -> None:
        inverse = getattr(first, "right_inverse", None)
        parts = value if inverse is None else inverse(value)
        if isinstance(parts, tuple):
            self._names = tuple(f"original{at}" for at in range(len(parts)))
        else:
            self._names, parts = ("original",), (parts,)
        for name, part in zip(self._names, parts, strict=True):
            setattr(self, name, Variable(part, name))
        setattr(self, "0", first)
        self._count = 1

    def then(self, following: Module) -> None:
        """Add a module that takes what the others give."""
        setattr(self, str(self._count), following)
        self._count += 1

    def __call__(self) -> Tensor:
        """Return the value."""
        first, *others = (getattr(self, str(at)) for at in range(self._count))
        result: Tensor = first(*(getattr(self, name).value for name in self._names))
        for each in others:
            result = each(result)
        return result


def register_parametrization(module: M, name: str, parametrization: Module) -> M:
    """Make a variable of a module of another, which is trained in its place.

    The module's attribute is ``parametrization(original)`` from then on, computed anew where it is used; the variable
    is named ``parametrizations.weight.original`` for a weight. A variable may have several, which are applied in turn.

    Parameters
    ----------
    module : Module
        Changed, and returned.
    name : str
        Which of its variables.
    parametrization : Module
        From the original to the value, a tensor of the same shape. Where it has a method ``right_inverse``, the
        original is what that makes of the present value; it may return a tuple, ``original0`` and so on, and then the
        parametrization takes as many tensors.

    Raises
    ------
    DTypeError, DataError
        When these are no modules, or the module has no trainable variable of this name.
    ShapeError
        When the value would have another shape.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> class Symmetric(nn.Module):
    ...     def __call__(self, x):
    ...         return x + x.T
    >>> layer = nn.register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    >>> bool(la.all(layer.weight == layer.weight.T))
    True
    >>> sorted(layer.state_dict())
    ['bias', 'parametrizations.weight.original']
    """
    if not isinstance(module, Module) or not isinstance(parametrization, Module):
        wrong = parametrization if isinstance(module, Module) else module
        raise DTypeError(f"register_parametrization: expected a Module, got {type(wrong).__name__}")
    kept: dict[str, Parametrization] = vars(module).get(_KEPT, {})
    with record(False):
        if name in kept:
            _same_shape(name, kept[name](), parametrization(kept[name]()))
            kept[name].then(parametrization)
            return module
        value = trainable(module, name, "register_parametrization")._untracked
        parts = Parametrization(value, parametrization)
        _same_shape(name, value, parts())
    delattr(module, name)
    setattr(module, _KEPT, {**kept, name: parts})
    module.__class__ = _computing(_plain(module), (*kept, name))
    return module


def trainable(module: Module, name: str, caller: str) -> Variable:
    """Return the trainable variable of a name, which must be there and not be made of others."""
    if not isinstance(module, Module):
        raise DTypeError(f"{caller}: expected a Module, got {type(module).__name__}")
    found = vars(module).get(name)
    if not isinstance(found, Variable) or not found.trainable:
        raise DataError(f"{caller}: this {type(module).__name__} has no trainable variable {name!r}")
    return found


def _same_shape(name: str, before: Tensor, after: Tensor) -> None:
    if before.shape != after.shape:
        raise ShapeError(
            f"register_parametrization: {name!r} has shape {list(before.shape)}, and would have {list(after.shape)}"
        )


def remove_parametrizations(module: M, name: str, leave_parametrized: bool = True) -> M:
    """Make a variable that was made of others one of its own again.

    Parameters
    ----------
    module : Module
        Changed, and returned.
    name : str
    leave_parametrized : bool, default True
        Whether its value is the present one; otherwise it is the original.

    Raises
    ------
    DataError
        When the variable is not made of others, or of several, so that there is no one original.

    Examples
    --------
    >>> from lamina import nn
    >>> layer = nn.remove_parametrizations(nn.weight_norm(nn.Linear(3, 2)), "weight")
    >>> sorted(layer.state_dict())
    ['bias', 'weight']
    """
    kept: dict[str, Parametrization] = vars(module).get(_KEPT, {})
    if name not in kept:
        raise DataError(f"remove_parametrizations: {name!r} of this {type(module).__name__} is not made of others")
    original = vars(kept[name]).get("original")
    if not leave_parametrized and original is None:
        raise DataError(f"remove_parametrizations: {name!r} is made of several variables; there is no one original")
    with record(False):
        value = kept[name]() if leave_parametrized or original is None else original._untracked
    made = Variable(value, name)
    # What was frozen stays so, until it is set free.
    made.trainable = any(each.trainable for each in vars(kept[name]).values() if isinstance(each, Variable))
    rest = {each: parts for each, parts in kept.items() if each != name}
    module.__class__ = _computing(_plain(module), tuple(rest))
    if rest:
        setattr(module, _KEPT, rest)
    else:
        delattr(module, _KEPT)
    setattr(module, name, made)
    return module


def is_parametrized(module: Module, name: str | None = None) -> bool:
    """Tell whether a variable of a module, or any, is made of others.

    Examples
    --------
    >>> from lamina import nn
    >>> nn.is_parametrized(nn.weight_norm(nn.Linear(3, 2)), "weight"), nn.is_parametrized(nn.Linear(3, 2))
    (True, False)
    """
    kept = vars(module).get(_KEPT, {})
    return bool(kept) if name is None else name in kept


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
        members |= {"_plain": plain, "__module__": plain.__module__, "__reduce__": _reduced}
        found = _CLASSES[plain, names] = type(plain.__name__, (plain,), members)
    return found


def _reduced(module: Any) -> tuple[Any, ...]:
    """Say how to make a module like this one: its class is found by no name, so pickle makes it of the plain one."""
    return _without_values, (_plain(module), tuple(vars(module)[_KEPT])), module.__getstate__()


def _without_values(plain: type[Any], names: tuple[str, ...]) -> Any:
    """Return a module some of whose attributes are computed, which waits for its other ones."""
    kind: Any = _computing(plain, names)
    return kind.__new__(kind)


def _computed(name: str) -> Callable[[Any], Tensor]:
    def weight(module: Any) -> Tensor:
        result: Tensor = getattr(module, _KEPT)[name]()
        return result

    return weight
