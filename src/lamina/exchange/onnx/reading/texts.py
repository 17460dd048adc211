"""Texts inside of a model are numbers: each text of the file has one, and texts that only an input holds get the next.

Gathering, joining and comparing numbers is then all that is needed of texts. The names of all tensors of texts are
known when a file has been read, so that no number of a text meets a node that would calculate with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import lamina as la
from lamina.dtypes import int64
from lamina.errors import CheckpointError, DataError, DTypeError
from lamina.exchange.onnx.library import STRING
from lamina.exchange.onnx.reading.calls import Function, TextNumber, TextNumbers
from lamina.tensor import Tensor


@dataclass(frozen=True)
class _Row:
    """Which operands of an operator may be texts, those from one place to before another, and whether its results are.

    The operands at these places are texts all or none.
    """

    start: int
    stop: int
    kept: bool = True


_ALL = 2**31
_OF_TEXTS: Mapping[str, _Row] = {
    "Identity": _Row(0, 1),
    "Reshape": _Row(0, 1),
    "Flatten": _Row(0, 1),
    "Squeeze": _Row(0, 1),
    "Unsqueeze": _Row(0, 1),
    "Transpose": _Row(0, 1),
    "Split": _Row(0, 1),
    "Slice": _Row(0, 1),
    "Expand": _Row(0, 1),
    "Tile": _Row(0, 1),
    "Gather": _Row(0, 1),
    "GatherElements": _Row(0, 1),
    "GatherND": _Row(0, 1),
    "Concat": _Row(0, _ALL),
    "Where": _Row(1, 3),
    "Equal": _Row(0, 2, kept=False),
    "Shape": _Row(0, 1, kept=False),
    "Size": _Row(0, 1, kept=False),
    "LabelEncoder": _Row(0, 1, kept=False),
}
"""The operators that texts may meet; all others calculate."""

_VALUES = ("value", "value_string", "value_strings", "values_strings")
"""Attributes with texts that are a result, or of which results are chosen; other texts are settings."""


def texts_made(node: Any, texts: set[str], place: str) -> bool:
    """Return whether the results of a node are texts.

    Parameters
    ----------
    node : NodeProto
    texts : set of str
        The names of what is texts.
    place : str
        The node, for errors.

    Raises
    ------
    CheckpointError
        When it is given texts and is no operator of texts, or is given texts and numbers mixed up.
    """
    attributes = {each.name: each for each in node.attribute}
    makes = any(name in attributes and (name != "value" or attributes[name].t.data_type == STRING) for name in _VALUES)
    given = [name in texts for name in node.input]
    named = node.op_type == "LabelEncoder" and "keys_strings" in attributes
    if not any(given) and not named:
        return makes
    row = _OF_TEXTS.get(node.op_type)
    if row is None or given != [row.start <= at < row.stop for at in range(len(given))]:
        raise CheckpointError(f"{place}: it cannot be given these texts, {', '.join(node.input)}")
    if node.op_type == "LabelEncoder" and not named:
        raise CheckpointError(f"{place}: it is given texts, and has the keys of numbers")
    return makes or row.kept


class Texts:
    """The texts of a model, each with its number.

    Parameters
    ----------
    numbers : mapping of str to int
        From 0 on, without gaps.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = dict(numbers)
        self._all = list(self._numbers)

    def with_those_of(self, inputs: Iterable[npt.NDArray[Any]]) -> Texts:
        """Return these texts and those of inputs that are not among them."""
        more: dict[str, int] = {}
        for array in inputs:
            for text in array.reshape(-1):
                if text not in self._numbers:
                    more.setdefault(str(text), len(self._numbers) + len(more))
        return Texts({**self._numbers, **more}) if more else self

    def numbers(self, array: npt.NDArray[Any]) -> Tensor:
        """Return the numbers of texts."""
        found = np.fromiter((self._numbers[text] for text in array.reshape(-1)), np.int64, array.size)
        return la.asarray(found.reshape(array.shape))

    def texts(self, numbers: Tensor) -> npt.NDArray[Any]:
        """Return the texts that have these numbers, as an array of Python's texts."""
        found: npt.NDArray[Any] = np.asarray(self._all, object)[numbers.numpy()]
        return found


def checked_texts(what: str, given: Any) -> npt.NDArray[Any]:
    """Return an input that should be texts as an array of Python's texts."""
    array = np.asarray(given, object) if not isinstance(given, Tensor) else np.asarray(None, object)
    if not all(isinstance(text, str) for text in array.reshape(-1)):
        raise DTypeError(f"{what} takes texts, as a list or an array of str; a text that is missing is empty")
    return array


def _label_encoder(
    x: Tensor, /, *, keys_strings: TextNumbers | None = None, keys_int64s: tuple[int, ...] | None = None,
    values_strings: TextNumbers | None = None, values_int64s: tuple[int, ...] | None = None,
    values_floats: tuple[float, ...] | None = None, default_string: TextNumber = 0, default_int64: int = -1,
    default_float: float = -0.0,
) -> Tensor:  # fmt: skip
    keys = keys_int64s if keys_strings is None else keys_strings
    values: npt.NDArray[Any]
    default: float
    if values_floats is not None:
        values, default = np.asarray(values_floats, np.float32), default_float
    elif values_strings is not None:
        values, default = np.asarray(values_strings, np.int64), default_string
    else:
        values, default = np.asarray(values_int64s or (), np.int64), default_int64
    if keys is None or not len(keys) == len(values) > 0:
        raise DataError(f"it has {len(keys or ())} keys of texts or integers, and {len(values)} values")
    order = np.argsort(np.asarray(keys, np.int64), kind="stable")
    known = la.asarray(np.asarray(keys, np.int64)[order])
    wanted = x.astype(int64).reshape((-1,))
    at = la.minimum(la.searchsorted(known, wanted), len(keys) - 1)
    found = la.take(la.asarray(values[order]), at, axis=0)
    other = la.asarray(np.asarray(default, values.dtype))
    return la.where(la.equal(la.take(known, at, axis=0), wanted), found, other).reshape(x.shape)


TEXTS: dict[str, Function] = {"LabelEncoder": _label_encoder}
