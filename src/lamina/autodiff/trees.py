"""Trees of tensors: lists, tuples, dicts, dataclasses and gradients, inside one another."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from lamina.autodiff.gradients import Gradients
from lamina.autodiff.row_gradient import RowGradient
from lamina.watched import Watched

Path = tuple[Any, ...]


def branches(value: Any) -> tuple[Any, list[tuple[Any, Any]]] | None:
    """Return what kind of branch this is, and what is on it by name; None for a leaf."""
    kind = value.__class__
    if kind is list or isinstance(value, tuple):
        names = getattr(kind, "_fields", None) or range(len(value))
        return kind, list(zip(names, value, strict=True))
    if kind is dict:
        return kind, list(value.items())
    if kind is Gradients:
        return kind, list(value._by_leaf.items())
    if kind is RowGradient:
        return kind, [(name, getattr(value, name)) for name in ("indices", "rows", "length", "is_distinct")]
    if is_dataclass(value) and not isinstance(value, type | Watched):
        return kind, [(each.name, getattr(value, each.name)) for each in fields(value) if hasattr(value, each.name)]
    return None


def replaced(value: Any, children: Sequence[Any]) -> Any:
    """Return a branch like this one with other children; this one itself if they are the same."""
    found = branches(value)
    assert found is not None
    kind, before = found
    if kind not in (list, dict) and all(new is old for new, (_, old) in zip(children, before, strict=True)):
        return value
    if kind is list:
        return list(children)
    names = [name for name, _ in before]
    if kind in (dict, Gradients):
        # Children may be anything but tensors, such as places in what a program returns.
        held = dict(zip(names, children, strict=True))
        return held if kind is dict else Gradients.of_leaves(held)
    if kind is RowGradient:
        return RowGradient(*children)
    if isinstance(value, tuple):
        return kind(*children) if hasattr(kind, "_fields") else kind(children)
    made = copy.copy(value)
    for name, child in zip(names, children, strict=True):
        object.__setattr__(made, name, child)
    return made


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return a tree with every leaf replaced."""
    found = branches(value)
    if found is None:
        return function(value)
    return replaced(value, [mapped(function, child) for _, child in found[1]])


def leaves(value: Any) -> list[Any]:
    """Return the leaves of a tree, in order."""
    found = branches(value)
    return [value] if found is None else [leaf for _, child in found[1] for leaf in leaves(child)]


def with_leaves(value: Any, new: Iterable[Any]) -> Any:
    """Return a tree with other leaves, in order."""
    each = iter(new)
    return mapped(lambda _: next(each), value)


def in_words(root: str, path: Path) -> str:
    """Return the place of a leaf as one would write it in Python."""
    return root + "".join(
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]" for step in path
    )
