"""States as files: safetensors for arrays, JSON for everything else, and one checksum over all of it.

A file is a safetensors file that any reader of those opens. Its arrays have the names under which they stand in the
state, such as ``model/0.weight``; the rest is one JSON text in its metadata. The SHA-256 beside it is that of the whole
file with zeros in its own place.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.backends.registry import CPU
from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor
from lamina.training.checkpointing.layout import Array, packed, unpacked
from lamina.training.weight_files import arrays_of

FORMAT, VERSION = "lamina checkpoint", 1
_NO_SUM = b'"sha256":"' + b"0" * 64 + b'"'
# Quotes inside of names and texts are escaped in JSON, so nothing else looks like it.
_SUM = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_bytes(state: Mapping[str, Any]) -> bytes:
    """Return a state as the content of a file.

    Parameters
    ----------
    state : mapping of str
        Tensors, arrays, numbers, texts, truth values and None, in mappings, lists and tuples.

    Raises
    ------
    CheckpointError
        When there is something else in it.
    """
    from safetensors.numpy import save

    writing = _Writing()
    content = json.dumps(writing.tree("", state), allow_nan=False, separators=(",", ":"))
    texts = {"format": FORMAT, "version": str(VERSION), "content": content, "sha256": "0" * 64}
    written = save(writing.arrays, metadata=texts)
    place = written.index(_NO_SUM) + len(b'"sha256":"')
    digest = hashlib.sha256(written).hexdigest().encode()
    return b"".join((memoryview(written)[:place], digest, memoryview(written)[place + 64 :]))


def from_bytes(content: bytes, place: str) -> Record:
    """Return the state that `to_bytes` made a file of.

    Parameters
    ----------
    content : bytes
    place : str
        Named in errors.

    Raises
    ------
    CheckpointError
        When the content is not, to the last bit, what was written.
    """
    _check_sum(content, place)
    arrays = arrays_of(content, "resume", place)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    texts = Record.of(header.get("__metadata__"), place)
    if texts.text("format") != FORMAT:
        raise texts.wrong("format", repr(FORMAT))
    if texts.text("version") != str(VERSION):
        raise texts.wrong("version", f"{VERSION}, which is what this version of Lamina reads")
    try:
        value = json.loads(texts.text("content"))
        return Record.of(_Reading(arrays, place).tree(value), place)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{place}: the content is not JSON: {error}") from error


def _check_sum(content: bytes, place: str) -> None:
    header = memoryview(content)[: 8 + int.from_bytes(content[:8], "little")]
    found = list(_SUM.finditer(header))
    if len(found) != 1:
        raise CheckpointError(f"{place}: this is no checkpoint ({len(content)} bytes), or its beginning is damaged")
    digest = hashlib.sha256(header[: found[0].start(1)])
    digest.update(b"0" * 64)
    digest.update(memoryview(content)[found[0].end(1) :])
    if digest.hexdigest().encode() != found[0][1]:
        raise CheckpointError(f"{place}: the checksum is not that of the content; the file is cut off or damaged")


class _Writing:
    """What a state becomes: JSON with the names of arrays in it, and the arrays.

    JSON has no tensors, tuples and infinities, so a JSON object is always a mark: the only name in it says what its
    value stands for, ``"dict"`` for an object.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._written: dict[int, dict[str, Any]] = {}
        self._held: list[Any] = []  # so that no two have the same id

    def tree(self, name: str, value: Any) -> Any:
        """Return a value as JSON."""
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, Operand):
            return {"tensor": self._array(name, value._untracked._data, value)}
        if isinstance(value, np.ndarray):
            return {"array": self._array(name, value, value)}
        if isinstance(value, np.generic):
            return self.tree(name, value.item())
        if isinstance(value, int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, Mapping):
            return {"dict": {self._key(name, key): self.tree(_inside(name, key), each) for key, each in value.items()}}
        if isinstance(value, list | tuple):
            items = [self.tree(_inside(name, at), each) for at, each in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        raise CheckpointError(
            f"checkpoint: {name} is of type {type(value).__name__}; a state holds tensors, arrays, numbers, texts, "
            "truth values and None, in dicts, lists and tuples"
        )

    def _key(self, name: str, key: Any) -> str:
        if not isinstance(key, str):
            raise CheckpointError(f"checkpoint: {name} has the key {key!r}; the keys of a state are texts")
        return key

    def _array(self, name: str, data: Any, value: Any) -> dict[str, Any]:
        """Return where an array is in the file; what several places share is written once."""
        found = self._written.get(id(data))
        if found is None:
            self._held.append(data)
            array = data if isinstance(data, np.ndarray) else np.asarray(value.numpy())
            if array.dtype.kind not in "biufV":
                raise CheckpointError(f"checkpoint: {name} is an array of {array.dtype}; a state holds numbers")
            stored, layout = packed(array)
            self.arrays[name] = stored
            found = self._written[id(data)] = {"name": name, **({} if layout is None else {"layout": layout})}
        return found


class _Reading:
    """What a file holds, made a state again."""

    def __init__(self, arrays: Mapping[str, Array], place: str) -> None:
        self._arrays = arrays
        self._place = place
        self._made: dict[str, tuple[Array, Tensor]] = {}

    def tree(self, value: Any) -> Any:
        """Return the value that JSON stands for."""
        if isinstance(value, list):
            return [self.tree(each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            kind, inner = next(iter(value.items()))
            if kind == "dict" and isinstance(inner, dict):
                return {key: self.tree(each) for key, each in inner.items()}
            if kind == "tuple" and isinstance(inner, list):
                return tuple(self.tree(each) for each in inner)
            if kind == "float" and inner in ("nan", "inf", "-inf"):
                return _NOT_FINITE[inner]
            if kind in ("array", "tensor"):
                array, tensor = self._array(Record.of(inner, self._place))
                # Tensors never change, so they may share their memory; arrays are their owner's to change.
                return tensor if kind == "tensor" else array.copy(order="K")
        raise CheckpointError(f"{self._place}: {value!r:.60} stands for nothing")

    def _array(self, record: Record) -> tuple[Array, Tensor]:
        """Return an array and the tensor of it; places that shared one share it again."""
        name = record.text("name")
        if name not in self._made:
            if name not in self._arrays:
                raise record.wrong("name", "one of the arrays of the file")
            layout = record.record("layout") if "layout" in record.values else None
            array = unpacked(self._arrays[name], layout)
            self._made[name] = array, Tensor(array, CPU)
        return self._made[name]


def _inside(name: str, key: Any) -> str:
    return f"{name}/{key}" if name else str(key)
