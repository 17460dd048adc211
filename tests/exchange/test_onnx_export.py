"""Models go out as ONNX with batches of any length, and onnxruntime agrees to 1e-5."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lamina as la
from lamina import nn
from lamina.errors import BackendError, CheckpointError, DataError, DTypeError, TracingError
from lamina.exchange import export_onnx, import_onnx

Run = Callable[..., list[npt.NDArray[Any]]]
Draw = Callable[..., npt.NDArray[Any]]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

pytest.importorskip("onnx")


class Attention(nn.Module):
    """Rows that look at one another: the batch is not the axis of independence, but it is still the first."""

    def __init__(self) -> None:
        self.query, self.key, self.value = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(4, 8)

    def __call__(self, x: Any) -> Any:
        scores = la.einsum("bqd,bkd->bqk", self.query(x), self.key(x)) / 8.0**0.5
        return la.softmax(scores) @ self.value(x)


class Normalised(nn.Module):
    """What depends on how many rows there are."""

    def __call__(self, x: Any) -> Any:
        return (x - la.mean(x, axis=0)) / (la.std(x, axis=0, correction=1) + 1e-3)


LAYERS: dict[str, Callable[[], Any]] = {
    **{kind.__name__: kind for kind in nn.ACTIVATIONS.values()},
    "GELU tanh": lambda: nn.GELU("tanh"),
    "LeakyReLU 0.3": lambda: nn.LeakyReLU(0.3),
    "Softplus 2": lambda: nn.Softplus(2.0),
    "ELU 0.7": lambda: nn.ELU(0.7),
    "Softmax 1": lambda: nn.Softmax(1),
    "LogSoftmax 1": lambda: nn.LogSoftmax(1),
    "Linear": lambda: nn.Linear(4, 3),
    "Linear without bias": lambda: nn.Linear(4, 3, bias=False),
    "Identity": nn.Identity,
    "Dropout": lambda: nn.Dropout(0.5),
    "Flatten": nn.Flatten,
    "Flatten 2": lambda: nn.Flatten(2),
    "Flatten all": lambda: nn.Flatten(0),
    "Sequential": lambda: nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.SiLU(), nn.Linear(6, 2), nn.Sigmoid()),
    "MLP": lambda: nn.MLP(4, [8, 8], 3, activation="gelu", dropout=0.3),
    "function": lambda: nn.Sequential(la.tanh, nn.Linear(4, 2), lambda x: x * 2.0),
    "Attention": Attention,
    "Normalised": Normalised,
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_layers_agree_with_onnxruntime_for_every_length_of_the_batch(make: Any, run_onnx: Run, normal: Draw) -> None:
    model = make()
    for rows in (7, 2):
        x = normal(rows, 5, 4) * 3.0
        (got,) = run_onnx(model, x, example=[normal(3, 5, 4)])
        wanted = model.eval()(la.asarray(x)).numpy()
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, **CLOSE)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "reshape": lambda x: x.reshape((-1, 2)),
    "reshape whole": lambda x: x.reshape((x.shape[0] * 2, x.shape[1] // 2)),
    "flatten and back": lambda x: la.flatten(x).reshape(x.shape) + 1.0,
    "transpose": lambda x: x.T @ x,
    "concat": lambda x: la.concat([x, x * 2.0, x[:, :1]], axis=1),
    "stack": lambda x: la.stack([x, -x], axis=1),
    "rows twice": lambda x: la.concat([x, x], axis=0),
    "slice": lambda x: x[1:, ::2],
    "last row": lambda x: x[-1],
    "reversed": lambda x: la.flip(x, axis=0),
    "step through rows": lambda x: x[:-1] - x[1:],
    "gather": lambda x: la.take(x, la.asarray([0, 2, 2]), axis=1),
    "index": lambda x: x[la.asarray([0, 1])],
    "along": lambda x: la.take_along_axis(x, la.argsort(x, axis=1), axis=1),
    "where": lambda x: la.where(x > 0.5, x, la.zeros_like(x)),
    "compare": lambda x: (x > 0.0) & (x <= 1.0) | (x != x),
    "cast": lambda x: x.astype("int32").astype("float32") + x.astype("bool").astype("float32"),
    "clip": lambda x: la.clip(x, -0.5, 0.5),
    "sum": lambda x: la.sum(x, axis=1, keepdims=True) / la.sum(la.abs(x)),
    "mean of all": lambda x: la.mean(x),
    "variance": lambda x: la.var(x, axis=0, correction=1),
    "logsumexp": lambda x: la.logsumexp(x, axis=1),
    "maximum": lambda x: la.max(x, axis=1) + la.min(x, axis=0, keepdims=True).sum(),
    "argmax": lambda x: la.argmax(x, axis=1),
    "count": lambda x: la.count_nonzero(x > 0.0, axis=1),
    "einsum": lambda x: la.einsum("bi,bj->bij", x, x),
    "outer": lambda x: x[:, :, None] * x[:, None, :],
    "norm": lambda x: x / la.linalg.vector_norm(x, axis=1, keepdims=True),
    "cumulative": lambda x: la.cumulative_sum(x, axis=0) + la.cumulative_prod(x, axis=1),
    "sort": lambda x: la.sort(x, axis=0, descending=True),
    "pad": lambda x: la.pad(x, ((1, 2), (0, 1)), constant_values=3.0),
    "roll": lambda x: la.roll(x, 1, axis=1),
    "tile": lambda x: la.tile(x, (2, 3)),
    "repeat": lambda x: la.repeat(x, 2, axis=1),
    "one hot": lambda x: la.one_hot(la.argmax(x, axis=1), 4),
    "split": lambda x: la.split(x, 2, axis=1)[1],
    "squeeze": lambda x: la.squeeze(x[:, None, :], axis=1),
    "broadcast": lambda x: la.broadcast_to(x[:, :1], x.shape),
    "ones like": lambda x: la.ones_like(x) * x,
    "triangle": lambda x: la.tril(x.T @ x),
    "power": lambda x: la.abs(x) ** 1.5 + x**2,
    "trigonometry": lambda x: la.sin(x) + la.atan2(x, la.cos(x)) + la.hypot(x, x),
    "derivative": lambda x: la.grad(lambda y: la.sum(la.tanh(y) ** 3))(x),
    "log_softmax": lambda x: la.log_softmax(x, axis=1),
    "scatter": lambda x: la.scatter_add(x, la.asarray([1, 1, 0, 3]), size=4, axis=1),
    "searchsorted": lambda x: la.searchsorted(la.asarray([-1.0, 0.0, 1.0]), x),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_agree_and_come_back(function: Any, run_onnx: Run, normal: Draw, tmp_path: Path) -> None:
    for rows in (6, 3):
        x = normal(rows, 4)
        (got,) = run_onnx(function, x, example=[normal(2, 4)])
        wanted = function(la.asarray(x)).numpy()
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, **CLOSE)
        again = import_onnx(tmp_path / "model.onnx")(la.asarray(x)).numpy()
        np.testing.assert_allclose(again, wanted, **CLOSE)


# --- what the file says ----------------------------------------------------------------------------------------


def test_weights_have_their_names_of_the_state_dict_and_shared_ones_are_there_once(onnx: Any, tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(3, 3)
            self.again = self.layer
            self.scale = la.variable(2.0)
            self.steps = la.variable([1, 2, 3])

        def __call__(self, x: Any) -> Any:
            return self.again(self.layer(x)) * self.scale + self.steps

    model = Tied()
    export_onnx(model, tmp_path / "model.onnx", la.zeros((1, 3)))
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert {each.name for each in graph.initializer} == model.state_dict().keys()
    back = import_onnx(tmp_path / "model.onnx")
    assert back.state_dict().keys() == model.state_dict().keys()
    assert {name for name, _ in back.named_buffers()} == {name for name, _ in model.named_buffers()}


def test_constants_that_an_operator_has_within_itself_are_not_in_the_file(onnx: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()), path, la.zeros((1, 1, 4, 4)))
    graph = onnx.load(path).graph
    used = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    assert {name for node in graph.node for name in node.output} <= used


def test_linear_layers_and_softmax_are_the_operators_other_tools_know(onnx: Any, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.LogSoftmax())
    export_onnx(model, tmp_path / "model.onnx", la.zeros((1, 3)))
    assert [each.op_type for each in onnx.load(tmp_path / "model.onnx").graph.node] == [
        "Gemm", "Relu", "Gemm", "LogSoftmax",
    ]  # fmt: skip


def test_the_file_says_operator_set_names_shapes_and_what_it_was_told(onnx: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_onnx(
        lambda x, y: (x @ y.T, x + y), path, (la.zeros((2, 3)), la.zeros((2, 3))),
        input_names=["left", "right"], output_names=["products", "sums"], metadata={"author": "Åse"},
    )  # fmt: skip
    model = onnx.load(path)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    assert model.producer_name == "lamina"
    assert [each.name for each in model.graph.input] == ["left", "right"]
    assert [each.name for each in model.graph.output] == ["products", "sums"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 3
    notes = {each.key: each.value for each in model.metadata_props}
    assert notes["author"] == "Åse"
    assert json.loads(notes["lamina.parameters"]) == []


def test_outputs_of_a_dict_have_its_names_and_one_result_may_be_returned_twice(run_onnx: Run, normal: Draw) -> None:
    x = normal(3, 2)

    def model(x: Any) -> Any:
        doubled = x * 2.0
        return {"same": x, "doubled": doubled, "again": doubled, "constant": la.ones(2)}

    same, doubled, again, constant = run_onnx(model, x)
    np.testing.assert_array_equal(same, x)
    np.testing.assert_array_equal(doubled, again)
    np.testing.assert_array_equal(doubled, 2.0 * x)
    np.testing.assert_array_equal(constant, np.ones(2, np.float32))


def test_a_fixed_batch_is_the_length_of_the_example(run_onnx: Run, normal: Draw) -> None:
    x = normal(6, 4)
    (got,) = run_onnx(lambda x: x.reshape((2, 12)) + la.arange(12, dtype="float32"), x, dynamic_batch=False)
    np.testing.assert_allclose(got, x.reshape(2, 12) + np.arange(12), **CLOSE)


def test_an_input_without_the_batch_axis_keeps_its_length(run_onnx: Run, normal: Draw) -> None:
    x, table = normal(6, 3), normal(5, 3)
    (got,) = run_onnx(lambda x, table: x @ table.T, x, table, example=[normal(2, 3), table])
    np.testing.assert_allclose(got, x @ table.T, **CLOSE)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "int8", "uint8", "bool"])
def test_types_are_kept(dtype: str, run_onnx: Run) -> None:
    x = np.asarray([[0, 1, 2], [1, 0, 1]]).astype(dtype)
    model = (lambda x: x ^ True) if dtype == "bool" else (lambda x: x * x + x)
    (got,) = run_onnx(model, x)
    wanted = model(la.asarray(x)).numpy()
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


def test_large_constants_are_in_the_file(run_onnx: Run, normal: Draw) -> None:
    table, x = la.asarray(normal(50, 4)), normal(3, 4)
    (got,) = run_onnx(lambda x: x @ table.T, x)
    np.testing.assert_allclose(got, x @ table.numpy().T, **CLOSE)


# --- what cannot be done ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        lambda x: x.reshape((2, -1)),  # a batch that is odd does not fit
        lambda x: x + la.arange(x.shape[0], dtype="float32")[:, None],
        lambda x: la.sum(x, axis=0) / float(x.shape[0]) ** 0.5,
        lambda x: x * 2.0 if x.shape[0] > 100 else x,
        lambda x: sum((x[at] for at in range(x.shape[0])), la.zeros(3)),
        lambda x: x[: x.shape[0] // 2],
        lambda x: la.cumulative_prod(x, axis=0),
    ],
)
def test_what_depends_on_the_batch_otherwise_is_refused_and_can_be_fixed(model: Any, run_onnx: Run) -> None:
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    with pytest.raises(TracingError, match="dynamic_batch=False"):
        run_onnx(model, x)
    np.testing.assert_allclose(run_onnx(model, x, dynamic_batch=False)[0], model(la.asarray(x)).numpy(), **CLOSE)


class Counting(nn.Module):
    def __init__(self) -> None:
        self.count = la.variable(0.0, name="count", trainable=False)

    def __call__(self, x: Any) -> Any:
        self.count.assign(self.count + 1.0)
        return x


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: export_onnx(nn.Linear(2, 1), path), DataError, "give an example input"),
        (lambda path: export_onnx(nn.Linear(2, 1), path, "x"), DTypeError, "str"),
        (lambda path: export_onnx(nn.Linear(2, 1), path, ()), DataError, "at least one"),
        (lambda path: export_onnx(nn.Linear(2, 1), path, la.zeros((1, 3))), TracingError, "in_features=2"),
        (lambda path: export_onnx(Counting(), path, la.zeros((1, 3))), TracingError, "assigns variable 'count'"),
        (lambda path: export_onnx(lambda x: 3.0, path, la.zeros((1, 3))), DTypeError, "returns float"),
        (lambda path: export_onnx(lambda x: (), path, la.zeros((1, 3))), TracingError, "no tensor"),
        (lambda path: export_onnx(lambda x: x.item(), path, la.zeros(1)), TracingError, "cannot be traced"),
        (lambda path: export_onnx(la.tanh, path, la.zeros(1), input_names=["a", "b"]), DataError, "2 names"),
        (lambda path: export_onnx(la.tanh, path, la.zeros(1), input_names="a"), DataError, "list of texts"),
        (
            lambda path: export_onnx(la.tanh, path, la.zeros(1), input_names=["a"], output_names=["a"]),
            DataError,
            "another tensor",
        ),
        (lambda path: export_onnx(la.tanh, path, la.zeros(1), metadata={"a": 1}), DataError, "metadata"),
        (lambda path: export_onnx(la.tanh, path / "no folder" / "x", la.zeros(1)), CheckpointError, "cannot write"),
        (lambda path: export_onnx(la.tanh, 3, la.zeros(1)), DTypeError, "path"),
    ],
)  # fmt: skip
def test_mistakes_are_told_and_nothing_is_written(
    call: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(error, match=message):
        call(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_model_is_as_before_and_exported_in_evaluation(run_onnx: Run, normal: Draw) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.9))
    model[1].eval()
    x = normal(4, 3)
    (got,) = run_onnx(model, x)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    np.testing.assert_allclose(got, model.eval()(la.asarray(x)).numpy(), **CLOSE)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    for call in (lambda: export_onnx(la.tanh, tmp_path / "m", la.zeros(1)), lambda: import_onnx(tmp_path / "m")):
        with pytest.raises(BackendError, match=r"pip install 'lamina\[onnx\]'"):
            call()
