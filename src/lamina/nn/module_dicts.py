"""Modules that are dicts of other modules or of variables, which are named by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NoReturn

from lamina.errors import DTypeError
from lamina.nn.container_base import Container, Member, as_module, as_parameter
from lamina.nn.module import Module
from lamina.tensor import Tensor
from lamina.variable import Variable
from lamina.watched import changed

Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]


class Keyed(Container[Member], MutableMapping[str, Member]):
    """The base of modules that are dicts; their members are checked, and compiled functions notice changes."""

    # A module is itself, and not what has the same members.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    layers: dict[str, Member]

    def __init__(self, members: Pairs) -> None:
        self.layers = {}
        self.update(members)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __getitem__(self, key: str) -> Any:
        return self.layers[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise DTypeError(f"{type(self).__name__}: keys are texts, got {type(key).__name__}")
        self.layers[key] = self._checked(value)
        changed()

    def __delitem__(self, key: str) -> None:
        del self.layers[key]
        changed()

    def _named(self) -> list[tuple[str, Member]]:
        return list(self.layers.items())


class ModuleDict(Keyed[Module]):
    """Modules in a dict, named by their keys: ``"encoder.weight"``.

    A plain dict as an attribute has the same names in `Module.state_dict`; this one checks its members, is drawn
    with the model, and compiled functions notice when its members change.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional

    Raises
    ------
    DTypeError
        When a member is no module, or a key no text.

    Examples
    --------
    >>> from lamina import nn
    >>> heads = nn.ModuleDict({"age": nn.Linear(8, 1), "name": nn.Linear(8, 3, bias=False)})
    >>> list(heads.state_dict())
    ['age.weight', 'age.bias', 'name.weight']
    >>> heads["age"]
    Linear(in_features=8, out_features=1, bias=True)
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__(modules)

    def _checked(self, member: Any) -> Module:
        return as_module("ModuleDict", member)

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: which member is used when is for the module that holds the dict to say."""
        raise DTypeError("ModuleDict: a dict of modules cannot be called; call its members")


class ParameterDict(Keyed[Variable]):
    """Variables in a dict, named by their keys.

    Parameters
    ----------
    parameters : mapping of str to Variable or Tensor, or iterable of pairs, optional
        A tensor becomes a trainable variable.

    Raises
    ------
    DTypeError
        When a member is neither, or a key no text.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> weights = nn.ParameterDict({"scale": la.ones(2), "shift": la.zeros(2)})
    >>> list(weights.state_dict())
    ['scale', 'shift']
    """

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] = ()) -> None:
        super().__init__(parameters)

    def _checked(self, member: Any) -> Variable:
        return as_parameter("ParameterDict", member)

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a dict of variables computes nothing."""
        raise DTypeError("ParameterDict: a dict of variables cannot be called; use its members")
