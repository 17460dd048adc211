"""Models of others come in as modules: PyTorch's, old operator sets, and every operator as onnxruntime computes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lamina as la
from lamina import nn
from lamina.errors import CheckpointError, DataError, LaminaError
from lamina.exchange import OnnxModel, export_onnx, import_onnx
from lamina.exchange.onnx.reading.elementwise import ELEMENTWISE
from lamina.exchange.onnx.reading.graph import OPERATORS
from lamina.exchange.onnx.reading.indexing import PLACES
from lamina.exchange.onnx.reading.shapes import SHAPES
from lamina.exchange.onnx.reading.sums import SUMS

onnx = pytest.importorskip("onnx")
NDArray = npt.NDArray[Any]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def floats(*shape: int) -> NDArray:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def ints(*values: int) -> NDArray:
    return np.asarray(values, np.int64)


def whole(*shape: int) -> NDArray:
    return np.random.default_rng(3).integers(-4, 5, shape)


def truths(*shape: int) -> NDArray:
    return np.random.default_rng(3).random(shape) < 0.5


# The others are those of layers, which have a file of their own.
PLAIN = ELEMENTWISE.keys() | SHAPES.keys() | PLACES.keys() | SUMS.keys()
X, POSITIVE = floats(2, 3, 4), np.abs(floats(2, 3, 4)) + 0.5
Row = tuple[str, list[NDArray], list[NDArray | None], dict[str, Any]]
UNARY = [
    "Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Exp", "Sin", "Cos", "Tan", "Atan", "Sinh", "Cosh", "Tanh",
    "Asinh", "Erf", "Relu", "Sigmoid", "Softplus", "Softsign", "Mish", "HardSwish", "Identity", "IsNaN", "Shape",
    "Size",
]  # fmt: skip
ROWS: list[Row] = [
    *[(op, [X], [], {}) for op in UNARY],
    *[(op, [POSITIVE], [], {}) for op in ("Log", "Sqrt", "Reciprocal")],
    *[(op, [np.tanh(X)], [], {}) for op in ("Asin", "Acos", "Atanh")],
    ("Acosh", [POSITIVE + 1.0], [], {}),
    *[(op, [X, floats(4)], [], {}) for op in ("Add", "Sub", "Mul", "Div", "Less", "Greater", "Equal", "Max", "Min")],
    *[(op, [X, floats(4)], [], {}) for op in ("LessOrEqual", "GreaterOrEqual", "Sum", "Mean")],
    ("Div", [ints(7, -7, 7, -7, 6), ints(2, 2, -2, -2, 3)], [], {}),
    ("Mod", [ints(7, -7, 7, -7), ints(3, 3, -3, -3)], [], {}),
    ("Mod", [ints(7, -7, 7, -7), ints(3, 3, -3, -3)], [], {"fmod": 1}),
    ("Mod", [X, POSITIVE], [], {"fmod": 1}),
    ("Pow", [POSITIVE, X], [], {}),
    ("Pow", [POSITIVE], [ints(2)], {}),
    ("Max", [X, X * 2, -X], [], {}),
    *[(op, [truths(2, 3), truths(3)], [], {}) for op in ("And", "Or", "Xor")],
    ("Not", [truths(3)], [], {}),
    *[(op, [whole(4), whole(4)], [], {}) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")],
    ("BitwiseNot", [whole(4)], [], {}),
    ("BitShift", [np.asarray([1, 200], np.uint8), np.asarray([3, 2], np.uint8)], [], {"direction": "LEFT"}),
    ("BitShift", [np.asarray([1, 200], np.uint8), np.asarray([3, 2], np.uint8)], [], {"direction": "RIGHT"}),
    ("IsInf", [np.asarray([1.0, np.inf, -np.inf, np.nan], np.float32)], [], {"detect_negative": 0}),
    ("Where", [truths(3, 4), X, floats(4)], [], {}),
    ("Clip", [X], [np.float32(-0.5), np.float32(0.5)], {}),
    ("Clip", [X], [None, np.float32(0.5)], {}),
    ("Cast", [X], [], {"to": 7}),
    ("Cast", [whole(4)], [], {"to": 9}),
    ("CastLike", [X], [ints(1)], {}),
    ("LeakyRelu", [X], [], {"alpha": 0.2}),
    ("PRelu", [X], [floats(4)], {}),
    ("Elu", [X], [], {"alpha": 0.5}),
    ("Celu", [X], [], {"alpha": 0.5}),
    ("Selu", [X], [], {}),
    ("HardSigmoid", [X], [], {"alpha": 0.3}),
    ("ThresholdedRelu", [X], [], {"alpha": 0.3}),
    ("Softmax", [X], [], {"axis": 1}),
    ("LogSoftmax", [X], [], {}),
    ("Dropout", [X], [np.float32(0.3)], {}),
    *[(f"Reduce{kind}", [POSITIVE], [ints(0, -1)], {"keepdims": 0}) for kind in ("Sum", "Mean", "Max", "Min", "Prod")],
    *[(f"Reduce{kind}", [POSITIVE], [], {}) for kind in ("L1", "L2", "SumSquare", "LogSum", "LogSumExp")],
    ("ReduceSum", [X], [], {"noop_with_empty_axes": 1}),
    ("ArgMax", [X], [], {"axis": 1}),
    ("ArgMin", [whole(5, 5)], [], {"axis": -1, "keepdims": 0, "select_last_index": 1}),
    ("CumSum", [X], [np.asarray(1, np.int64)], {"exclusive": 1, "reverse": 1}),
    ("TopK", [X], [ints(2)], {"axis": 2, "largest": 0}),
    ("Gemm", [floats(3, 2)], [floats(3, 4), floats(4)], {"transA": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", [floats(2, 3)], [floats(4, 3)], {"transB": 1}),
    ("MatMul", [X, floats(4, 5)], [], {}),
    ("MatMul", [floats(3), floats(3)], [], {}),
    ("Einsum", [X, floats(2, 4, 5)], [], {"equation": "bij,bjk->ik"}),
    ("Det", [floats(2, 3, 3)], [], {}),
    ("Reshape", [X], [ints(0, -1)], {}),
    ("Reshape", [X], [ints(4, -1, 2)], {"allowzero": 1}),
    ("Flatten", [X], [], {"axis": 2}),
    ("Flatten", [X], [], {"axis": -1}),
    ("Transpose", [X], [], {}),
    ("Transpose", [X], [], {"perm": [1, 0, 2]}),
    ("Squeeze", [floats(1, 3, 1)], [ints(0)], {}),
    ("Squeeze", [floats(1, 3, 1)], [], {}),
    ("Unsqueeze", [X], [ints(0, -1)], {}),
    ("Concat", [X, X * 2], [], {"axis": -1}),
    ("Split", [X], [ints(1, 3)], {"axis": 2}),
    ("Split", [floats(7)], [], {"num_outputs": 2}),
    ("Slice", [X], [ints(1, -2), ints(2**62, 3), ints(1, 2), ints(1, 1)], {}),
    ("Slice", [X], [ints(-1), ints(-(2**62)), ints(2), ints(-2)], {}),
    ("Slice", [X], [ints(0, 5), ints(1, -9)], {}),
    ("Expand", [floats(3, 1)], [ints(2, 1, 4)], {}),
    ("Tile", [X], [ints(1, 2, 3)], {}),
    ("Pad", [X], [ints(0, 1, 2, 1, 0, -1), np.float32(9.0)], {}),
    ("Pad", [X], [ints(1, 2), np.float32(0.0), ints(1)], {}),
    *[("Pad", [X], [ints(1, 0, 2, 0, 2, 3)], {"mode": mode}) for mode in ("reflect", "edge", "wrap")],
    ("Pad", [X], [ints(0, -1, 2, 0, 1, -1)], {"mode": "edge"}),
    ("Shape", [X], [], {"start": 1, "end": -1}),
    ("ConstantOfShape", [], [ints(2, 3)], {"value": onnx.helper.make_tensor("v", 7, [1], [5])}),
    ("Range", [], [np.asarray(3, np.int64), np.asarray(11, np.int64), np.asarray(3, np.int64)], {}),
    ("Constant", [], [], {"value_ints": [1, 2]}),
    ("Constant", [], [], {"value_float": 2.5}),
    ("Gather", [X], [np.asarray([[0, -1], [2, 2]])], {"axis": 2}),
    ("Gather", [X], [np.asarray(1, np.int64)], {}),
    ("GatherElements", [X, np.zeros((2, 3, 2), np.int64)], [], {"axis": 2}),
    ("ScatterElements", [X, np.ones((2, 3, 4), np.int64), X], [], {"axis": 1, "reduction": "add"}),
    ("ScatterElements", [X, np.asarray([[[1, -1]], [[0, 2]]]), floats(2, 1, 2)], [], {"axis": 2}),
    *[("ScatterElements", [X, np.ones((2, 3, 2), np.int64), floats(2, 3, 2)], [], {"axis": 2, "reduction": kind})
      for kind in ("max", "min")],
    ("ScatterND", [X, np.asarray([[1, -1], [0, 0]]), floats(2, 4)], [], {}),
    *[("ScatterND", [X, np.asarray([[1, 2], [1, 2]]), floats(2, 4)], [], {"reduction": kind})
      for kind in ("add", "max", "min")],
    ("GatherND", [X, np.asarray([[[1, -1]], [[0, 0]]])], [], {}),
    ("GatherND", [X, np.asarray([[1, -1], [0, 0]])], [], {"batch_dims": 1}),
    ("DepthToSpace", [floats(2, 8, 2, 3)], [], {"blocksize": 2, "mode": "CRD"}),
    ("DepthToSpace", [floats(2, 8, 2, 3)], [], {"blocksize": 2}),
    ("SpaceToDepth", [floats(2, 3, 4, 6)], [], {"blocksize": 2}),
    ("ScatterND", [X, np.asarray([[1], [1]]), floats(2, 3, 4)], [], {"reduction": "add"}),
    ("OneHot", [ints(0, 2, -1, 7)], [ints(3), np.asarray([0.5, 2.0], np.float32)], {"axis": 0}),
    ("Trilu", [floats(3, 4)], [np.asarray(1, np.int64)], {"upper": 0}),
]  # fmt: skip
OUTPUTS = {"Split": 2, "TopK": 2}


def named(row: Row) -> str:
    return f"{row[0]}{''.join(f' {key}={value}' for key, value in row[3].items() if not hasattr(value, 'dims'))}"


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_operators_mean_what_onnxruntime_computes(
    row: Row, one_node: Callable[..., Any], session: Callable[..., Any], tmp_path: Path
) -> None:
    op, inputs, constants, attributes = row
    model = one_node(op, inputs, constants, 18, OUTPUTS.get(op, 1), **attributes)
    onnx.save(model, tmp_path / "one.onnx")
    wanted = session(tmp_path / "one.onnx").run(None, {f"x{at}": each for at, each in enumerate(inputs)})
    got = import_onnx(tmp_path / "one.onnx")(*map(la.asarray, inputs))
    for one, other in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        assert one.dtype.name == other.dtype.name
        np.testing.assert_allclose(one.numpy(), other, **CLOSE)


def test_every_operator_of_the_table_is_looked_at() -> None:
    # Gelu and Swish are newer than what onnxruntime has for this operator set.
    assert PLAIN - {row[0] for row in ROWS} == {"Gelu", "Swish"}


OLD: list[tuple[int, Row]] = [
    (7, ("Softmax", [X], [], {})),
    (11, ("LogSoftmax", [X], [], {"axis": 2})),
    (7, ("Dropout", [X], [], {"ratio": 0.3})),
    (7, ("Clip", [X], [], {"min": -0.5, "max": 0.5})),
    (9, ("Slice", [X], [], {"starts": [0, 1], "ends": [9, 3], "axes": [1, 2]})),
    (7, ("Pad", [X], [], {"pads": [0, 1, 0, 1, 0, 0], "value": 2.0})),
    (11, ("ReduceSum", [X], [], {"axes": [-1], "keepdims": 0})),
    (13, ("ReduceMax", [X], [], {"axes": [0, 2]})),
    (11, ("Squeeze", [floats(1, 3)], [], {"axes": [0]})),
    (11, ("Unsqueeze", [X], [], {"axes": [0, 4]})),
    (11, ("Split", [X], [], {"axis": 2, "split": [1, 3]})),
]


@pytest.mark.parametrize(("opset", "row"), OLD, ids=lambda each: each if isinstance(each, int) else named(each))
def test_older_operator_sets_keep_their_meaning(
    opset: int, row: Row, one_node: Callable[..., Any], session: Callable[..., Any], tmp_path: Path
) -> None:
    op, inputs, constants, attributes = row
    onnx.save(one_node(op, inputs, constants, opset, OUTPUTS.get(op, 1), **attributes), tmp_path / "one.onnx")
    wanted = session(tmp_path / "one.onnx").run(None, {"x0": inputs[0]})
    got = import_onnx(tmp_path / "one.onnx")(la.asarray(inputs[0]))
    for one, other in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        np.testing.assert_allclose(one.numpy(), other, **CLOSE)


# Corners are aligned with a length that is not rounded here; onnxruntime rounds it, as does the text of the operator.
DIFFERENT = {"test_resize_downsample_scales_linear_align_corners", "test_resize_downsample_scales_cubic_align_corners"}


@pytest.mark.slow
def test_what_onnx_itself_tests_of_these_operators() -> None:
    """Each of ONNX's own tests is passed, or refused as it is read; 1150 and more are passed."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    passed = 0
    for case in found:
        nodes = case.model.graph.node
        if any(each.op_type not in OPERATORS or each.domain for each in nodes) or "bf16" in case.name:
            continue
        if case.name in DIFFERENT:
            continue
        passed += _agrees(case)
    assert passed >= 1150


def _agrees(case: Any) -> bool:
    """Tell whether a case could be read; fail if its results are others."""
    import tempfile

    given, wanted = ([_array(each) for each in arrays] for arrays in case.data_sets[0])
    held = set()
    for at, (info, value) in enumerate(zip(case.model.graph.input, given, strict=False)):
        # Shapes must be known; these tests give them as inputs.
        factors = any(each.op_type == "Resize" for each in case.model.graph.node)
        if at and value is not None and (factors or value.dtype.kind == "i") and value.ndim <= 1:
            case.model.graph.initializer.append(onnx.numpy_helper.from_array(value, info.name))
            held.add(at)
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(case.model, f"{folder}/case.onnx")
        try:
            model = import_onnx(f"{folder}/case.onnx")
        except CheckpointError:
            return False
    got = model(*[la.asarray(each) for at, each in enumerate(given) if at not in held])
    for one, other in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        assert one.dtype.name == other.dtype.name, case.name
        np.testing.assert_allclose(
            one.numpy().astype(np.float64), other.astype(np.float64), rtol=case.rtol, atol=max(case.atol, 1e-6),
            err_msg=case.name,
        )  # fmt: skip
    return True


def _array(value: Any) -> NDArray | None:
    if isinstance(value, onnx.TensorProto):
        return np.asarray(onnx.numpy_helper.to_array(value))
    return None if isinstance(value, list | dict) or value is None else np.asarray(value)


# --- whole models ----------------------------------------------------------------------------------------------


def torch_export(model: Any, example: Any, path: Path, dynamic: bool) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {"x": {0: "batch"}} if dynamic else None
        torch.onnx.export(model, (example,), str(path), dynamo=False, input_names=["x"], dynamic_axes=axes)


def first_of(layer: Any) -> Any:
    """Return a layer of PyTorch that gives the first of the results of another."""
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Any) -> Any:
            return self.layer(x)[0]

    return Module()


TORCH_MODELS: dict[str, Callable[[Any], Any]] = {
    "mlp": lambda t: t.nn.Sequential(t.nn.Linear(6, 8), t.nn.ReLU(), t.nn.Dropout(0.2), t.nn.Linear(8, 3)),
    "activations": lambda t: t.nn.Sequential(
        t.nn.Linear(6, 6), t.nn.GELU(), t.nn.SiLU(), t.nn.ELU(), t.nn.LeakyReLU(0.1), t.nn.Softplus(), t.nn.Mish(),
        t.nn.Hardswish(), t.nn.PReLU(), t.nn.SELU(), t.nn.Softsign(), t.nn.Hardtanh(), t.nn.LogSoftmax(-1),
    ),
    "normalised": lambda t: t.nn.Sequential(
        t.nn.Linear(6, 4), t.nn.BatchNorm1d(4), t.nn.Tanh(), t.nn.LayerNorm(4), t.nn.Softmax(1)
    ),
    "shapes": lambda t: t.nn.Sequential(t.nn.Unflatten(1, (2, 3)), t.nn.Linear(3, 4), t.nn.Flatten(), t.nn.Sigmoid()),
    "pictures": lambda t: t.nn.Sequential(
        t.nn.Unflatten(1, (1, 2, 3)), t.nn.Conv2d(1, 4, 2, padding=1), t.nn.BatchNorm2d(4), t.nn.ReLU(),
        t.nn.MaxPool2d(2, ceil_mode=True), t.nn.Upsample(scale_factor=2.0, mode="bilinear"), t.nn.GroupNorm(2, 4),
        t.nn.ConvTranspose2d(4, 2, 2, stride=2), t.nn.InstanceNorm2d(2, affine=True), t.nn.ReflectionPad2d(1),
        t.nn.AvgPool2d(3, padding=1, count_include_pad=False), t.nn.Flatten(), t.nn.LazyLinear(3),
    ),
    "sequences": lambda t: t.nn.Sequential(t.nn.Unflatten(1, (3, 2)), first_of(t.nn.LSTM(2, 4, batch_first=True))),
    "attention": lambda t: t.nn.Sequential(
        t.nn.Unflatten(1, (3, 2)), t.nn.TransformerEncoderLayer(2, 1, 4, batch_first=True)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH_MODELS)
def test_models_from_pytorch_compute_the_same_and_can_be_trained_on(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    theirs = TORCH_MODELS[name](torch)
    theirs(torch.randn(5, 6))
    theirs.eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean += torch.linspace(-1, 1, 4)
    # PyTorch writes the length of the example into the shapes of attention and into first states.
    torch_export(theirs, torch.randn(5, 6), tmp_path / "model.onnx", dynamic=name not in ("attention", "sequences"))
    ours = import_onnx(tmp_path / "model.onnx")
    x = floats(5, 6)
    wanted = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(la.asarray(x)).numpy(), wanted, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(la.compile(ours)(la.asarray(x)).numpy(), wanted, rtol=2e-5, atol=1e-5)
    grads = la.sum(ours(la.asarray(x)) ** 2).backward()
    assert ours.parameters()
    assert all(bool(la.all(la.isfinite(grads[each]))) for each in ours.parameters())


def test_a_model_goes_out_and_comes_back_and_trains_to_the_same_weights(tmp_path: Path) -> None:
    x, y = floats(32, 4), np.random.default_rng(0).integers(0, 3, 32)
    model = nn.MLP(4, [8], 3, activation="gelu")
    export_onnx(model, tmp_path / "model.onnx", la.zeros((1, 4)))
    back = import_onnx(tmp_path / "model.onnx")
    assert list(back.state_dict()) == list(model.state_dict())
    for each in (model, back):
        la.fit(each, (x, y), loss=nn.cross_entropy, epochs=3, batch_size=8, seed=0, progress=False)
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(back.state_dict()[name].numpy(), value.numpy(), **CLOSE)
    back.load_state_dict(model.state_dict())
    la.save(back, tmp_path / "back.safetensors")
    la.load(model, tmp_path / "back.safetensors")


def test_what_was_read_can_be_written_again(session: Callable[..., Any], tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ELU(), nn.Linear(5, 2), nn.Softmax())
    export_onnx(model, tmp_path / "first.onnx", la.zeros((1, 4)))
    export_onnx(import_onnx(tmp_path / "first.onnx"), tmp_path / "second.onnx", la.zeros((1, 4)))
    x = floats(6, 4)
    first, second = (session(tmp_path / name).run(None, {"input": x})[0] for name in ("first.onnx", "second.onnx"))
    np.testing.assert_allclose(first, second, **CLOSE)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8", "uint16", "int64", "bool"])
def test_weights_of_every_type_come_back(dtype: str, tmp_path: Path) -> None:
    class Holding(nn.Module):
        def __init__(self) -> None:
            values = la.asarray([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
            self.held = la.variable(values.astype(dtype), name="held", trainable=False)

        def __call__(self, x: Any) -> Any:
            return x, self.held * 1 if dtype != "bool" else ~self.held

    model = Holding()
    export_onnx(model, tmp_path / "model.onnx", la.zeros((1, 3)))
    back = import_onnx(tmp_path / "model.onnx")
    assert back.state_dict()["held"].dtype is model.held.dtype
    assert bool(la.all(back.state_dict()["held"] == model.held))


def test_values_beside_the_model_are_read_from_its_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    model = nn.Linear(30, 40)
    export_onnx(model, folder / "whole.onnx", la.zeros((1, 30)))
    proto = onnx.load(folder / "whole.onnx")
    onnx.save(proto, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    x = la.asarray(floats(2, 30))
    np.testing.assert_allclose(import_onnx(folder / "model.onnx")(x).numpy(), model(x).numpy(), **CLOSE)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    with pytest.raises(CheckpointError, match=r"weights\.bin"):
        import_onnx(folder / "model.onnx")
    proto = onnx.load(folder / "model.onnx", load_external_data=False)
    for location in ("../weights.bin", str(tmp_path / "weights.bin"), "", "."):
        for each in proto.graph.initializer:
            each.external_data[0].value = location
        (folder / "model.onnx").write_bytes(proto.SerializeToString())
        with pytest.raises(CheckpointError, match=r"not in the folder|does not hold|cannot be read"):
            import_onnx(folder / "model.onnx")
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    for each in proto.graph.initializer:
        each.external_data[0].value = "link.bin"
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(CheckpointError, match="not in the folder"):
        import_onnx(folder / "model.onnx")


def test_a_model_says_what_it_is_and_checks_what_it_is_called_with(tmp_path: Path) -> None:
    export_onnx(nn.Linear(3, 2), tmp_path / "model.onnx", la.zeros((1, 3)))
    model = import_onnx(tmp_path / "model.onnx")
    assert isinstance(model, OnnxModel)
    assert repr(model) == "OnnxModel(inputs=['input'], outputs=['output'], nodes=1)"
    with pytest.raises(DataError, match="it takes input"):
        model()
    with pytest.raises(LaminaError):
        model(la.zeros((1, 4)))
