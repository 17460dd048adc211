"""Modules that are lists of other modules or of variables, which are named by their positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, NoReturn, Self, overload

from lamina.errors import DTypeError
from lamina.nn.container_base import Container, Member, as_module, as_parameter
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.variable import Variable
from lamina.watched import changed


class Listed(Container[Member], MutableSequence[Member]):
    """The base of modules that are lists; their members are checked, and compiled functions notice changes."""

    layers: list[Member]

    def __init__(self, members: Iterable[Any]) -> None:
        self.layers = [self._checked(each) for each in members]

    def _of(self, members: list[Member]) -> Any:
        """Return what a slice of this module is."""
        return type(self)(members)

    def append(self, value: Any) -> Self:  # type: ignore[override]
        """Add a member at the end and return this module."""
        self.insert(len(self), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:  # type: ignore[override]
        """Add members at the end and return this module."""
        self[len(self) :] = values
        return self

    def insert(self, index: int, value: Any) -> None:
        """Add a member before the one at a position."""
        self.layers.insert(index, self._checked(value))
        changed()

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: int | slice) -> Any:
        """Return a member, or for a slice a module of the same members."""
        return self._of(self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            self.layers[index] = [self._checked(each) for each in value]
        else:
            self.layers[index] = self._checked(value)
        changed()

    def __delitem__(self, index: int | slice) -> None:
        del self.layers[index]
        changed()

    def _named(self) -> list[tuple[str, Member]]:
        return [(str(at), each) for at, each in enumerate(self.layers)]


class ModuleList(Listed[Module]):
    """Modules in a list, named by their positions: ``"0.weight"``.

    A plain list as an attribute has the same names in `Module.state_dict`; this one checks its members, is drawn
    with the model, and compiled functions notice when its members change.

    Parameters
    ----------
    modules : iterable of Module, optional

    Raises
    ------
    DTypeError
        When a member is no module.

    Examples
    --------
    >>> from lamina import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 1)])
    >>> list(layers.append(nn.PReLU()).state_dict())
    ['0.weight', '0.bias', '1.weight', '1.bias', '2.weight']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__(modules)

    def _checked(self, member: Any) -> Module:
        return as_module("ModuleList", member)

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: which member is used when is for the module that holds the list to say."""
        raise DTypeError("ModuleList: a list of modules cannot be called; call its members, or use Sequential")


class ParameterList(Listed[Variable]):
    """Variables in a list, named by their positions: ``"0"``.

    Parameters
    ----------
    values : iterable of Variable or Tensor, optional
        A tensor becomes a trainable variable.

    Raises
    ------
    DTypeError
        When a member is neither.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> weights = nn.ParameterList([la.zeros(2), la.variable([1.0])])
    >>> [(name, each.shape) for name, each in weights.named_parameters()]
    [('0', (2,)), ('1', (1,))]
    """

    def __init__(self, values: Iterable[Tensor] = ()) -> None:
        super().__init__(values)

    def _checked(self, member: Any) -> Variable:
        return as_parameter("ParameterList", member)

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a list of variables computes nothing."""
        raise DTypeError("ParameterList: a list of variables cannot be called; use its members")
