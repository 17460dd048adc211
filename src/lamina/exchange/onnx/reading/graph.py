"""From the messages of a file to calls, weights and constants; everything is checked, nothing is computed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from lamina.dtypes import DType, as_dtype, int64
from lamina.errors import CheckpointError
from lamina.exchange.onnx.library import NEWEST_OPSET, OLDEST_OPSET, STRING
from lamina.exchange.onnx.reading.calls import Call, Function, call_of
from lamina.exchange.onnx.reading.elementwise import ELEMENTWISE
from lamina.exchange.onnx.reading.indexing import PLACES
from lamina.exchange.onnx.reading.normalisation import NORMALISATION
from lamina.exchange.onnx.reading.recurrent import RECURRENT
from lamina.exchange.onnx.reading.resampling import RESAMPLING
from lamina.exchange.onnx.reading.shapes import SHAPES
from lamina.exchange.onnx.reading.spatial import SPATIAL
from lamina.exchange.onnx.reading.sums import SUMS
from lamina.exchange.onnx.reading.tensors import Surroundings, array_of, dtype_of
from lamina.exchange.onnx.reading.texts import TEXTS, texts_made

OPERATORS: dict[str, Function] = {
    **ELEMENTWISE, **SHAPES, **PLACES, **SUMS, **SPATIAL, **RESAMPLING, **NORMALISATION, **RECURRENT, **TEXTS,
}  # fmt: skip
"""The table of import: ONNX's operators, and what they mean here."""

_STATISTICS: dict[str, tuple[int, ...]] = {"BatchNormalization": (3, 4)}
"""Operands that belong to the model and are not trained."""

_SETTINGS: dict[str, tuple[int, ...]] = {"Resize": (1, 2), "Upsample": (1,)}
"""Operands that say what to do: floating-point numbers that are no weights."""


@dataclass(frozen=True)
class InputInfo:
    """What the file says of an input.

    Attributes
    ----------
    name : str
    dtype : DType
        int64 for texts, which are numbers inside.
    sizes : tuple of (int or None), or None
        None for a length that may be any; None as a whole where the number of axes is not said.
    texts : bool
    """

    name: str
    dtype: DType
    sizes: tuple[int | None, ...] | None
    texts: bool


@dataclass(frozen=True)
class Contents:
    """A file, read.

    Attributes
    ----------
    calls : tuple of Call
        In an order in which they can be made.
    inputs : tuple of InputInfo
    outputs : tuple of str
    parameters, buffers, constants : dict of str to array
        The values in the file: those to train, those to keep with the model, and the others.
    texts : dict of str to int
        The texts of the file with their numbers.
    text_outputs : frozenset of str
    """

    calls: tuple[Call, ...]
    inputs: tuple[InputInfo, ...]
    outputs: tuple[str, ...]
    parameters: dict[str, npt.NDArray[Any]]
    buffers: dict[str, npt.NDArray[Any]]
    constants: dict[str, npt.NDArray[Any]]
    texts: dict[str, int]
    text_outputs: frozenset[str]


def contents_of(model: Any, place: str, folder: Path) -> Contents:
    """Return what a ``ModelProto`` holds.

    Raises
    ------
    CheckpointError
        When it is no model whose every operator is here; the message names the node.
    """
    graph = model.graph
    opset = _opset(model, place)
    if graph.sparse_initializer:
        raise CheckpointError(f"{place}: it has sparse tensors, which are not supported")
    around = Surroundings(folder)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for message in graph.initializer:
        if not message.name or message.name in arrays:
            raise CheckpointError(f"{place}: two tensors of the file are named {message.name!r}")
        arrays[message.name] = array_of(message, around, f"{place}: the tensor {message.name!r}")
    # In old files the tensors are listed among the inputs too.
    inputs = tuple(_input(each, place) for each in graph.input if each.name not in arrays)
    outputs = tuple(each.name for each in graph.output)
    texts = {each.name for each in graph.initializer if each.data_type == STRING}
    texts |= {each.name for each in inputs if each.texts}
    calls = _calls(graph, place, opset, around, [*arrays, *(each.name for each in inputs)], texts)
    made = {*arrays, *(each.name for each in inputs), *(name for call in calls for name in call.outputs)}
    for name in outputs:
        if name not in made:
            raise CheckpointError(f"{place}: nothing makes the output {name!r}")
    if not outputs:
        raise CheckpointError(f"{place}: the model has no outputs")
    sorts = _sorted_arrays(model, graph, arrays, texts, place)
    return Contents(calls, inputs, outputs, *sorts, around.texts, frozenset(texts.intersection(outputs)))


def _opset(model: Any, place: str) -> int:
    versions = [int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx")]
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= NEWEST_OPSET:
        found = ", ".join(map(str, versions)) or "none"
        raise CheckpointError(
            f"{place}: the model is of the operator set {found}; from {OLDEST_OPSET} to {NEWEST_OPSET} they can be read"
        )
    return versions[0]


def _input(message: Any, place: str) -> InputInfo:
    if message.type.WhichOneof("value") != "tensor_type":
        raise CheckpointError(f"{place}: the input {message.name!r} is no tensor")
    kind = message.type.tensor_type
    texts = kind.elem_type == STRING
    dtype = int64 if texts else dtype_of(kind.elem_type, f"{place}: the input {message.name!r}")
    if not kind.HasField("shape"):
        return InputInfo(message.name, dtype, None, texts)
    sizes = tuple(each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim)
    if any(size is not None and size < 0 for size in sizes):
        raise CheckpointError(f"{place}: the input {message.name!r} has an axis of negative length")
    return InputInfo(message.name, dtype, sizes, texts)


def _calls(
    graph: Any, place: str, opset: int, around: Surroundings, known: list[str], texts: set[str]
) -> tuple[Call, ...]:
    """Return the calls of the nodes, and add the names of results that are texts to ``texts``."""
    made = set(known)
    if len(made) < len(known) or "" in made:
        raise CheckpointError(f"{place}: two inputs have the same name, or one has none")
    calls = []
    for number, node in enumerate(graph.node):
        where = f"{place}: node {node.name or number!r} ({node.op_type})"
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain != ("ai.onnx.ml" if node.op_type in TEXTS else "") or node.op_type not in OPERATORS:
            name = f"{domain}.{node.op_type}" if domain else node.op_type
            raise CheckpointError(f"{where}: the operator {name} is not supported")
        for name in node.input:
            if name and name not in made:
                raise CheckpointError(f"{where}: it reads {name!r}, which nothing before it makes")
        for name in node.output:
            if name in made:
                raise CheckpointError(f"{where}: it makes {name!r}, which something else makes too")
            if name:
                made.add(name)
        if not any(node.output):
            raise CheckpointError(f"{where}: it makes nothing")
        calls.append(call_of(node, where, OPERATORS[node.op_type], opset, around))
        if texts_made(node, texts, where):
            texts.update(filter(None, node.output))
    return tuple(calls)


def _sorted_arrays(
    model: Any, graph: Any, arrays: dict[str, npt.NDArray[Any]], texts: set[str], place: str
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """Return the tensors of the file as parameters, buffers and constants.

    Our own files say which are which. In others floating-point tensors with axes are parameters, but for the
    statistics of a normalisation, and the rest are constants: shapes, indices, single numbers.
    """
    notes = {each.key: each.value for each in model.metadata_props}
    if "lamina.parameters" in notes and "lamina.buffers" in notes:
        trained, kept = (_noted(notes[key], arrays, place) for key in ("lamina.parameters", "lamina.buffers"))
    else:
        kept, settings = (_operands(graph, table) & arrays.keys() for table in (_STATISTICS, _SETTINGS))
        trained = {name for name, array in arrays.items() if array.ndim and _floating(array)} - kept - settings
    parameters = {name: array for name, array in arrays.items() if name in trained and _floating(array)}
    buffers = {name: array for name, array in arrays.items() if name in kept - texts and name not in parameters}
    return parameters, buffers, {name: each for name, each in arrays.items() if name not in {**parameters, **buffers}}


def _operands(graph: Any, table: dict[str, tuple[int, ...]]) -> set[str]:
    """Return the names of the operands at these places of these operators."""
    return {node.input[at] for node in graph.node for at in table.get(node.op_type, ()) if at < len(node.input)}


def _floating(array: npt.NDArray[Any]) -> bool:
    return as_dtype(array.dtype).floating


def _noted(text: str, arrays: dict[str, npt.NDArray[Any]], place: str) -> set[str]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{place}: the list of its weights is damaged: {error}") from error
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise CheckpointError(f"{place}: the list of its weights is damaged")
    return set(names) & arrays.keys()
