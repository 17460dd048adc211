"""What modules that hold others in a list or a dict have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from lamina.errors import DTypeError
from lamina.nn.module import Module
from lamina.nn.tree import unwrapped
from lamina.tensor import Tensor
from lamina.variable import Variable

Member = TypeVar("Member")


class Container(Module, Generic[Member]):
    """The base of modules that are lists or dicts of others, or of variables: ``layers``."""

    layers: Any

    def _checked(self, member: Any) -> Member:
        """Return a member, if it may be one."""
        raise NotImplementedError

    def _named(self) -> list[tuple[str, Member]]:
        """Return the members by name."""
        raise NotImplementedError

    def _members(self) -> Iterable[tuple[str, Any]]:
        # The list or dict itself has no part in the names, as in PyTorch.
        own = [(name, value) for name, value in vars(self).items() if name != "layers"]
        return [*self._named(), *own]

    def _drawn_members(self) -> list[tuple[str, Any]]:
        return [(name, unwrapped(each)) for name, each in self._named() if not isinstance(each, Variable)]


def as_module(owner: str, member: Any) -> Module:
    """Return a member that is a module, or what wraps one."""
    if not isinstance(unwrapped(member), Module):
        hint = "; make one of it, by calling the class" if isinstance(member, type) else ""
        name = member.__name__ if isinstance(member, type) else type(member).__name__
        raise DTypeError(f"{owner}: expected modules, got {name}{hint}")
    return member  # type: ignore[no-any-return]


def as_parameter(owner: str, member: Any) -> Variable:
    """Return a variable as it is, and a trainable one of a tensor."""
    if isinstance(member, Variable):
        return member
    if not isinstance(member, Tensor):
        raise DTypeError(f"{owner}: expected variables or tensors, got {type(member).__name__}")
    return Variable(member)
