"""Writing models as ONNX."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.errors import CheckpointError, DataError, DTypeError, TracingError
from lamina.exchange.onnx.answers import add_answers, answer_names
from lamina.exchange.onnx.batch import Operation
from lamina.exchange.onnx.columns import add_columns, holdings
from lamina.exchange.onnx.forward import Forward, traced_forward
from lamina.exchange.onnx.fusion import fused, reachable
from lamina.exchange.onnx.library import LARGEST_FILE, onnx_library
from lamina.exchange.onnx.nodes import Nodes
from lamina.exchange.onnx.operators import OPERATORS, REFUSED
from lamina.exchange.onnx.proto import Described, written
from lamina.files import PathLike, check_path, replace_file
from lamina.functions.creation import asarray, zeros
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.data import TablePreprocessing, Target


def export_onnx(
    model: Callable[..., Any],
    path: PathLike,
    example_input: Any = None,
    *,
    preprocessing: TablePreprocessing | None = None,
    target: Target | None = None,
    dynamic_batch: bool = True,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model's forward pass, in evaluation, as an ONNX file (operator set 18).

    The forward pass is traced, so everything that it computes from its input must be computed with tensors. Weights
    keep their names of the state dict. The file is written whole or not at all.

    Parameters
    ----------
    model : Module or callable
        On the cpu. It is as before afterwards.
    path : str or path
    example_input : Tensor, array, or tuple of them
        Values do not matter, shapes and types do. The first axis is the batch: it may have any length in the exported
        model, for every input in which it is as long as in the first. With ``preprocessing`` it may be left out.
    preprocessing : TablePreprocessing, optional
        How the columns of a table become the model's inputs. The exported model then takes one input of shape
        [batch, 1] for each column, named like it: float64 for numbers, and for dates as seconds since 1970-01-01, with
        NaN where one is missing; texts for truth values and categories, with the empty text where one is missing.
        `onnx_inputs` makes them from a table.
    target : ClassTarget or NumericTarget, optional
        What the model answers. The exported model then returns ``label`` (texts, of shape [batch]) and
        ``probabilities`` ([batch, classes]), or ``value`` (float64 of shape [batch], in the column's units).
    dynamic_batch : bool, default True
        Whether the batch may have any length; otherwise it has the example's.
    input_names, output_names : sequence of str, optional
        By default ``input``, or ``input_0`` and so on, and likewise ``output``; a dict that is returned names its own.
    metadata : mapping of str to str, optional
        Texts to keep in the file.

    Raises
    ------
    TracingError
        When the forward pass cannot be traced, holds an operation that ONNX does not have, or depends on the length
        of the batch in more than its shapes; the message names it.
    DataError
        When the example, the names, the preprocessing or the target do not fit.
    BackendError
        When the package onnx is not installed.
    CheckpointError
        When the file cannot be written, or would be larger than the 2 GiB that the format allows.

    Examples
    --------
    >>> import lamina as la, pathlib, tempfile
    >>> from lamina import nn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> la.exchange.export_onnx(model, path, la.zeros((1, 2)))
    >>> la.exchange.import_onnx(path)(la.zeros((5, 2))).shape
    (5, 1)

    Source: ONNX specification, https://onnx.ai/onnx/repo-docs/IR.html
    """
    library = onnx_library("export_onnx")
    check_path("export_onnx", path)
    examples = _examples(example_input, preprocessing)
    forward = traced_forward(model, examples, dynamic_batch)
    name = type(model).__name__
    described = _described(name, forward, preprocessing, target, _names(input_names), _names(output_names))
    proto = written(library, described, {**_own_metadata(forward, preprocessing, target), **_texts(metadata)})
    if proto.ByteSize() > LARGEST_FILE:
        raise CheckpointError(f"export_onnx: the model has {proto.ByteSize()} bytes, an ONNX file at most 2 GiB")
    replace_file("export_onnx", path, proto.SerializeToString())


# --- what was given ---------------------------------------------------------------------------------------


def _examples(given: Any, preprocessing: TablePreprocessing | None) -> list[Tensor]:
    if given is None:
        if preprocessing is None:
            raise DataError("export_onnx: give an example input, of the shape and type that the model takes")
        given = zeros((1, len(preprocessing.feature_names)))
    examples = [_example(each) for each in (given if isinstance(given, tuple) else (given,))]
    if not examples:
        raise DataError("export_onnx: give at least one example input")
    if preprocessing is not None:
        wanted = len(preprocessing.feature_names)
        if len(examples) != 1 or examples[0].shape[1:] != (wanted,):
            shapes = ", ".join(str(list(each.shape)) for each in examples)
            raise DataError(
                f"export_onnx: the preprocessing makes {wanted} features, so that the example is of shape "
                f"[batch, {wanted}], got {shapes}"
            )
    return examples


def _example(given: Any) -> Tensor:
    if isinstance(given, Operand):
        return given._snapshot
    if isinstance(given, np.ndarray):
        return asarray(given)
    raise DTypeError(
        f"export_onnx: the example input is a {type(given).__name__}; give a tensor, an array, or a tuple of them"
    )


def _names(given: Sequence[str] | None) -> list[str] | None:
    if given is None:
        return None
    names = list(given)
    if isinstance(given, str) or not all(isinstance(each, str) and each for each in names):
        raise DataError(f"export_onnx: names are given as a list of texts, got {given!r}")
    if len(set(names)) < len(names):
        raise DataError(f"export_onnx: two names are the same: {', '.join(names)}")
    return names


def _texts(metadata: Mapping[str, str] | None) -> dict[str, str]:
    texts = dict(metadata or {})
    for key, text in texts.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise DataError(f"export_onnx: metadata holds texts by name, got {key!r}: {text!r}; use json.dumps")
    return texts


def _own_metadata(forward: Forward, preprocessing: TablePreprocessing | None, target: Target | None) -> dict[str, str]:
    """Return what `import_onnx` and people want to know: which weights train, what features and classes there are."""
    trained = {name: each.trainable for name, each in forward.variables.items()}
    found: dict[str, Any] = {
        "lamina.parameters": [name for name, trainable in trained.items() if trainable],
        "lamina.buffers": [name for name, trainable in trained.items() if not trainable],
    }
    if preprocessing is not None:
        found["lamina.features"] = list(preprocessing.feature_names)
        found["lamina.columns"] = holdings(preprocessing)
    if target is not None:
        found["lamina.target"] = target.to_json()
    return {key: json.dumps(value, ensure_ascii=False) for key, value in found.items()}


# --- the graph --------------------------------------------------------------------------------------------


def _described(
    name: str,
    forward: Forward,
    preprocessing: TablePreprocessing | None,
    target: Target | None,
    input_names: list[str] | None,
    output_names: list[str] | None,
) -> Described:
    """Return all nodes with inputs and outputs."""
    if preprocessing is not None and input_names is not None:
        raise DataError("export_onnx: with preprocessing the inputs are named like the columns; leave input_names out")
    if target is not None and output_names is not None:
        raise DataError("export_onnx: with a target the outputs have their names; leave output_names out")
    nodes = Nodes(taken=set(forward.weights))
    described = Described(name, nodes, forward.dynamic)
    if preprocessing is None:
        wanted = _checked("input_names", input_names, _numbered("input", len(forward.inputs)), nodes)
        for each, operation in zip(wanted, forward.inputs, strict=True):
            described.add_input(each, operation.shape, operation.dtype)
    else:
        wanted = [_column_name(nodes, column.name) for column in preprocessing.columns]
    nodes.batch_of = wanted[0]
    if target is None:
        given = _checked("output_names", output_names, _default_outputs(forward), nodes)
    else:
        given = [nodes.name(each) for each in answer_names(target)]
    if preprocessing is not None:
        wanted = [add_columns(described, preprocessing, wanted, forward.inputs[0])]
    results = _computed(described, forward, wanted)
    if target is not None:
        add_answers(described, target, given, forward.outputs, results)
        return described
    # One result may be returned twice, and is renamed once.
    for each, result, (_, operation) in zip(given, results, forward.outputs, strict=True):
        described.add_output(each, described.renamed.get(result, result), operation.shape, operation.dtype)
    return described


def _numbered(stem: str, count: int) -> list[str]:
    return [stem] if count == 1 else [f"{stem}_{number}" for number in range(count)]


def _default_outputs(forward: Forward) -> list[str]:
    names = [name for name, _ in forward.outputs]
    if all(each.isdigit() for each in names):
        return _numbered("output", len(names)) if len(names) > 1 else ["output"]
    return [each or "output" for each in names]


def _checked(what: str, given: list[str] | None, default: list[str], nodes: Nodes) -> list[str]:
    """Return names that are then taken; those that a user gave as they are."""
    if given is None:
        return [nodes.name(each) for each in default]
    if len(given) != len(default):
        raise DataError(f"export_onnx: {what} has {len(given)} names, and the model {len(default)} such tensors")
    for each in given:
        if each in nodes.taken:
            raise DataError(f"export_onnx: {each!r} of {what} is the name of another tensor of the model")
    return [nodes.name(each) for each in given]


def _column_name(nodes: Nodes, column: str) -> str:
    if column in nodes.taken or not column:
        raise DataError(f"export_onnx: the column {column!r} cannot be an input: the name is taken; rename the column")
    return nodes.name(column)


def _computed(described: Described, forward: Forward, arguments: Sequence[str]) -> list[str]:
    """Add the nodes of the forward pass and return the names of what it returns."""
    outputs = [operation for _, operation in forward.outputs]
    fused(outputs)
    known: dict[Operation, Any] = dict(zip(forward.inputs, arguments, strict=True))
    needed = reachable(outputs)
    reached = set(needed)
    for name, (operation, value) in forward.weights.items():
        if operation in reached:
            described.weights[name] = value
            known[operation] = name
    for operation in needed:
        if operation not in known:
            known[operation] = _emitted(described.nodes, operation, [known[each] for each in operation.operands])
    return [known[operation] for operation in outputs]


def _emitted(nodes: Nodes, operation: Operation, operands: list[Any]) -> Any:
    if operation.op == "item":
        return operands[0][operation.params["index"]]
    row = OPERATORS.get(operation.op)
    if row is None:
        reason = REFUSED.get(operation.op, "ONNX has no such operator")
        raise TracingError(f"export_onnx: the forward pass computes {operation.op}, which cannot be exported: {reason}")
    return row(nodes, operation, *operands)
