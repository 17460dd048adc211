"""Texts in models that are read: every operator that takes them, as onnxruntime computes it, and all others refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lamina as la
from lamina import nn
from lamina.data import ClassTarget
from lamina.errors import CheckpointError, DTypeError, TracingError
from lamina.exchange import export_onnx, import_onnx
from lamina.exchange.onnx.reading.texts import _OF_TEXTS

onnx = pytest.importorskip("onnx")
helper = onnx.helper
NDArray = npt.NDArray[Any]
STRING, INT64 = 8, 7
WORDS = np.array([["Ulm", "", "Köln"], ["Bonn", "Ulm", "Rom"]], object)
OTHERS = np.array([["Ulm", "Rom", "Köln"], ["", "Ulm", "Bonn"]], object)


def ints(*values: int) -> NDArray:
    return np.asarray(values, np.int64)


def model_of(op: str, inputs: list[NDArray], constants: list[NDArray], results: int = 1, **attributes: Any) -> Any:
    """Return a model of one node."""
    domain = "ai.onnx.ml" if op == "LabelEncoder" else ""
    names, held = [f"x{at}" for at in range(len(inputs))], [f"c{at}" for at in range(len(constants))]
    made = [f"y{at}" for at in range(results)]
    node = helper.make_node(op, [*names, *held], made, domain=domain, **attributes)
    if op == "Where":
        node.input[:] = [*held, *names]
    kinds = [STRING if each.dtype == object else helper.np_dtype_to_tensor_dtype(each.dtype) for each in inputs]
    graph = helper.make_graph(
        [node], "one",
        [helper.make_tensor_value_info(n, k, x.shape) for n, k, x in zip(names, kinds, inputs, strict=True)],
        [helper.make_empty_tensor_value_info(name) for name in made],
        [onnx.numpy_helper.from_array(value, name) for name, value in zip(held, constants, strict=True)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


TOWNS = {"keys_strings": ["Ulm", "Rom", ""]}
ROWS: list[tuple[str, list[NDArray], list[NDArray], dict[str, Any]]] = [
    ("Identity", [WORDS], [], {}),
    ("Reshape", [WORDS], [ints(3, 2)], {}),
    ("Squeeze", [WORDS[:, :1]], [ints(1)], {}),
    ("Unsqueeze", [WORDS], [ints(0)], {}),
    ("Flatten", [WORDS], [], {}),
    ("Transpose", [WORDS], [], {}),
    ("Split", [WORDS], [ints(1, 1)], {"axis": 0, "results": 2}),
    ("Slice", [WORDS], [ints(1), ints(3), ints(1)], {}),
    ("Expand", [WORDS], [ints(2, 2, 3)], {}),
    ("Concat", [WORDS, OTHERS], [], {"axis": 1}),
    ("Concat", [WORDS], [OTHERS], {"axis": 0}),
    ("Gather", [WORDS], [ints(2, 0)], {"axis": 1}),
    ("Gather", [WORDS[0]], [np.asarray([[1], [2]])], {}),
    ("GatherElements", [WORDS], [np.asarray([[0, 2], [1, 1]])], {"axis": 1}),
    ("GatherND", [WORDS], [np.asarray([[0, 2], [1, 1]])], {}),
    ("Where", [WORDS, OTHERS], [np.asarray([[True, False, False], [False, True, True]])], {}),
    ("Equal", [WORDS, OTHERS], [], {}),
    ("Shape", [WORDS], [], {}),
    ("Size", [WORDS], [], {}),
    ("LabelEncoder", [WORDS], [], TOWNS | {"values_int64s": [5, 7, 9], "default_int64": -3}),
    ("LabelEncoder", [WORDS], [], TOWNS | {"values_int64s": [5, 7, 9]}),
    ("LabelEncoder", [WORDS], [], TOWNS | {"values_floats": [0.5, 1.5, 2.5], "default_float": 0.25}),
    ("LabelEncoder", [WORDS], [], TOWNS | {"values_strings": ["Donau", "Tiber", "–"]}),
    ("LabelEncoder", [WORDS], [], TOWNS | {"values_strings": ["Donau", "Tiber", "–"], "default_string": "Rhein"}),
    ("LabelEncoder", [ints(4, 2, -1)], [], {"keys_int64s": [4, -1], "values_strings": ["four", "less"]}),
    ("LabelEncoder", [ints(4, 2, -1)], [], {"keys_int64s": [4, -1], "values_int64s": [0, 2**60]}),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_operators_on_texts_mean_what_onnxruntime_computes(
    row: tuple[str, list[NDArray], list[NDArray], dict[str, Any]], session: Callable[..., Any], tmp_path: Path
) -> None:
    op, inputs, constants, attributes = row
    onnx.save(model_of(op, inputs, constants, **attributes), tmp_path / "one.onnx")
    wanted = session(tmp_path / "one.onnx").run(None, {f"x{at}": each for at, each in enumerate(inputs)})
    got = import_onnx(tmp_path / "one.onnx")(*inputs)
    for one, other in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        assert isinstance(one, np.ndarray) == (other.dtype == object)
        values = one if isinstance(one, np.ndarray) else one.numpy()
        assert values.dtype == other.dtype
        np.testing.assert_array_equal(values, other)


def test_every_operator_that_texts_may_meet_is_looked_at() -> None:
    # onnxruntime does not repeat texts.
    assert _OF_TEXTS.keys() - {row[0] for row in ROWS} == {"Tile"}


@pytest.mark.parametrize("given", [WORDS.tolist(), WORDS.astype(str), WORDS.astype(np.dtypes.StringDType())])
def test_texts_are_given_as_lists_or_as_arrays_of_any_kind(given: Any, tmp_path: Path) -> None:
    onnx.save(model_of("LabelEncoder", [WORDS], [], **TOWNS, values_int64s=[1, 2, 3]), tmp_path / "one.onnx")
    assert import_onnx(tmp_path / "one.onnx")(given).numpy().tolist() == [[1, 3, -1], [-1, 1, 2]]


@pytest.mark.parametrize("given", [la.zeros((2, 3)), [["Ulm", None, ""]], [[1, 2, 3]], np.zeros((2, 3))])
def test_what_is_no_text_is_refused(given: Any, tmp_path: Path) -> None:
    onnx.save(model_of("Identity", [WORDS], []), tmp_path / "one.onnx")
    with pytest.raises(DTypeError, match="the input 'x0' takes texts"):
        import_onnx(tmp_path / "one.onnx")(given)


@pytest.mark.parametrize(
    "model",
    [
        model_of("Relu", [WORDS], []),
        model_of("Cast", [WORDS], [], to=1),
        model_of("Concat", [WORDS, ints(1, 2)], [], axis=0),
        model_of("Gather", [ints(1, 2), WORDS], []),
        model_of("Where", [WORDS, ints(1)], [np.asarray([True])]),
        model_of("LabelEncoder", [WORDS], [], keys_int64s=[1], values_int64s=[1]),
        model_of("LabelEncoder", [ints(1)], [], keys_strings=["1"], values_int64s=[1]),
        model_of("LabelEncoder", [WORDS], [], keys_strings=["1"], values_int64s=[1, 2]),
    ],
    ids=lambda model: model.graph.node[0].op_type,
)
def test_no_node_calculates_with_texts(model: Any, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "one.onnx")
    with pytest.raises(CheckpointError, match="node 0"):
        import_onnx(tmp_path / "one.onnx")


def test_a_classifier_is_compiled_with_the_numbers_of_its_texts(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(nn.Linear(3, 2), path, la.zeros((1, 3)), target=ClassTarget("y", ("no", "yes"), numeric=False))
    model, x = import_onnx(path), la.random.Generator(0).normal((5, 3))
    labels, chances = model(x)
    numbers, compiled = la.compile(model.on_numbers)(x)
    assert model.texts.texts(numbers).tolist() == labels.tolist()
    np.testing.assert_allclose(compiled.numpy(), chances.numpy(), rtol=1e-6)
    with pytest.raises(TracingError):
        la.compile(model)(x)
