"""What a node of a file calls: a row of the table, with its attributes checked against the row's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from lamina.errors import CheckpointError, DataError
from lamina.exchange.onnx.reading.tensors import Surroundings, array_of
from lamina.functions.creation import asarray

Function = Callable[..., Any]
TextNumber = int
"""The number of a text of the file: see `lamina.exchange.onnx.reading.texts`."""
TextNumbers = tuple[int, ...]

# By the annotation of a parameter: the number of the attribute's type, and the field that holds its value.
_KINDS: Mapping[str, tuple[int, str]] = {
    "float": (1, "f"),
    "int": (2, "i"),
    "str": (3, "s"),
    "Tensor": (4, "t"),
    "tuple[float, ...]": (6, "floats"),
    "tuple[int, ...]": (7, "ints"),
    "tuple[str, ...]": (8, "strings"),
    "TextNumber": (3, "s"),
    "TextNumbers": (8, "strings"),
}
REHEARSING: ContextVar[bool] = ContextVar("rehearsing", default=False)
"""Whether only shapes and types are wanted, so that loops need not be run."""

_OURS = ("opset", "outputs")
"""Parameters that are no attributes: the operator set, and how many results are wanted."""


@dataclass(frozen=True)
class Call:
    """One node.

    Attributes
    ----------
    place : str
        The node's name and operator, for errors.
    function : callable
        From operands, None where one is left out, to a tensor or a tuple of them.
    inputs, outputs : tuple of str
        Names; empty where there is none.
    attributes : mapping
        What the function is called with.
    """

    place: str
    function: Function
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __call__(self, known: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the results for what is known by name."""
        operands = [known[name] if name else None for name in self.inputs]
        result = self.function(*operands, **self.attributes)
        results = result if isinstance(result, tuple) else (result,)
        if len(results) < len(self.outputs):
            raise DataError(f"{self.place}: it has {len(results)} results, and the file names {len(self.outputs)}")
        return results


def call_of(node: Any, place: str, function: Function, opset: int, around: Surroundings) -> Call:
    """Return the call of a node.

    Raises
    ------
    CheckpointError
        When it has operands or attributes that the operator does not have, or lacks some.
    """
    keywords = _keywords(function)
    attributes: dict[str, Any] = {}
    for attribute in node.attribute:
        name = attribute.name
        if name not in keywords or name in _OURS:
            raise CheckpointError(f"{place}: the attribute {name!r} is not supported")
        attributes[name] = _value(attribute, keywords[name], f"{place}: the attribute {name!r}", around)
    if "opset" in keywords:
        attributes["opset"] = opset
    if "outputs" in keywords:
        attributes["outputs"] = len(node.output)
    inputs = tuple(node.input)
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    try:
        inspect.signature(function).bind(*inputs, **attributes)
    except TypeError as error:
        raise CheckpointError(f"{place}: the node does not fit the operator: {error}") from error
    return Call(place, function, inputs, tuple(node.output), attributes)


@cache
def _keywords(function: Function) -> dict[str, str]:
    """Return the annotations of a row's attributes by name, without that they may be left out."""
    parameters = inspect.signature(function).parameters.values()
    return {
        each.name: str(each.annotation).removesuffix(" | None")
        for each in parameters
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _value(attribute: Any, annotation: str, place: str, around: Surroundings) -> Any:
    number, field = _KINDS[annotation]
    if attribute.type != number or attribute.ref_attr_name:
        raise CheckpointError(f"{place} should be of the type {annotation}")
    value = getattr(attribute, field)
    if annotation == "TextNumber":
        return around.number(value)
    if annotation == "TextNumbers":
        return tuple(map(around.number, value))
    if field == "s":
        return value.decode("utf-8")
    if field == "strings":
        return tuple(each.decode("utf-8") for each in value)
    if field == "t":
        return asarray(array_of(value, around, place))
    return tuple(value) if field in ("ints", "floats") else value
