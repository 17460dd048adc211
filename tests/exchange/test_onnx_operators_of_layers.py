"""Operators of layers mean what onnxruntime computes: convolution, pooling, sizes, normalisation, recurrence."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lamina as la
from lamina.errors import CheckpointError
from lamina.exchange import import_onnx
from lamina.exchange.onnx.reading.normalisation import NORMALISATION
from lamina.exchange.onnx.reading.recurrent import RECURRENT
from lamina.exchange.onnx.reading.resampling import RESAMPLING
from lamina.exchange.onnx.reading.spatial import SPATIAL

onnx = pytest.importorskip("onnx")
NDArray = npt.NDArray[Any]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
Row = tuple[str, list[NDArray], list[NDArray | None], dict[str, Any]]


def floats(*shape: int) -> NDArray:
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


def some(*numbers: float) -> NDArray:
    return np.asarray(numbers, np.float32)


LINE, IMAGE, VOLUME = floats(2, 4, 9), floats(2, 4, 9, 8), floats(2, 4, 5, 4, 6)
NAMES = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [3, 2]},
    {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1},
    {"kernel_shape": [3, 2], "strides": [3, 3], "pads": [1, 1, 0, 1], "ceil_mode": 1},
    *[{"kernel_shape": [3, 4], "strides": [2, 3], "auto_pad": name} for name in NAMES[1:]],
]
CONVOLUTIONS: list[Row] = [
    ("Conv", [LINE], [floats(6, 4, 3)], {}),
    ("Conv", [VOLUME], [floats(3, 4, 2, 1, 3), floats(3)], {"strides": [2, 1, 2], "pads": [1, 0, 2, 0, 0, 1]}),
    ("Conv", [IMAGE], [floats(6, 2, 3, 2), floats(6)], {"group": 2, "dilations": [2, 3], "pads": [3, 0, 1, 5]}),
    ("Conv", [IMAGE], [floats(8, 1, 3, 3)], {"group": 4, "kernel_shape": [3, 3], "strides": [2, 2]}),
    *[("Conv", [IMAGE], [floats(6, 4, 3, 4)], {"auto_pad": name, "strides": [2, 3]}) for name in NAMES],
    ("ConvTranspose", [LINE], [floats(4, 6, 3)], {}),
    ("ConvTranspose", [IMAGE], [floats(4, 3, 3, 2), floats(6)],
     {"group": 2, "strides": [2, 3], "pads": [1, 0, 2, 1], "output_padding": [1, 2], "dilations": [1, 2]}),
    ("ConvTranspose", [VOLUME], [floats(4, 2, 2, 3, 2)], {"strides": [1, 2, 2]}),
    ("ConvTranspose", [IMAGE], [floats(4, 3, 3, 3)], {"strides": [2, 3], "output_shape": [18, 25]}),
    *[("ConvTranspose", [IMAGE], [floats(4, 3, 3, 3)], {"strides": [2, 2], "auto_pad": name}) for name in NAMES],
]  # fmt: skip
POOLING: list[Row] = [
    *[("MaxPool", [IMAGE], [], pool) for pool in POOLS],
    ("MaxPool", [IMAGE], [], {"kernel_shape": [3, 3], "strides": [2, 2], "dilations": [2, 1], "pads": [1, 1, 1, 1]}),
    ("MaxPool", [(IMAGE * 20).astype(np.int8)], [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("MaxPool", [LINE], [], {"kernel_shape": [4]}),
    *[("AveragePool", [IMAGE], [], pool | {"count_include_pad": counted}) for pool, counted in product(POOLS, (0, 1))],
    ("AveragePool", [VOLUME], [], {"kernel_shape": [2, 3, 2], "strides": [2, 1, 2]}),
    ("LpPool", [IMAGE], [], {"kernel_shape": [3, 2], "p": 3, "pads": [1, 0, 1, 1]}),
    *[(op, [x], [], {}) for op in ("GlobalAveragePool", "GlobalMaxPool") for x in (LINE, IMAGE, VOLUME)],
    ("GlobalLpPool", [IMAGE], [], {"p": 3}),
]
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
SIZES: list[Row] = [
    *[("Resize", [IMAGE], [None, some(1, 1, 1.7, 0.6)],
       {"coordinate_transformation_mode": where, "mode": mode})
      for where, mode in product(COORDINATES, ("linear", "cubic", "nearest"))],
    *[("Resize", [IMAGE], [None, None, np.asarray([2, 4, 5, 13])],
       {"nearest_mode": rounding, "coordinate_transformation_mode": "asymmetric"}) for rounding in ROUNDINGS],
    ("Resize", [IMAGE], [None, None, np.asarray([5, 13])], {"axes": [2, 3], "mode": "linear"}),
    ("Resize", [IMAGE], [None, None, np.asarray([7, 20])],
     {"axes": [2, 3], "mode": "linear", "keep_aspect_ratio_policy": "not_larger"}),
    ("Resize", [IMAGE], [None, some(1, 1, 2, 2)], {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}),
    ("Resize", [LINE], [None, some(1, 1, 3)], {"mode": "linear"}),
]  # fmt: skip
NORMS: list[Row] = [
    ("BatchNormalization", [LINE], [floats(4), floats(4), floats(4), np.abs(floats(4)) + 0.5], {"epsilon": 1e-3}),
    ("BatchNormalization", [floats(5, 4)], [floats(4), floats(4), floats(4), np.abs(floats(4)) + 0.5], {}),
    ("LayerNormalization", [IMAGE], [floats(8), floats(8)], {}),
    ("LayerNormalization", [IMAGE], [floats(9, 8)], {"axis": 2}),
    *[("InstanceNormalization", [x], [floats(4), floats(4)], {"epsilon": 1e-3}) for x in (LINE, IMAGE, VOLUME)],
    ("GroupNormalization", [IMAGE], [floats(2), floats(2)], {"num_groups": 2}),
    ("MeanVarianceNormalization", [IMAGE], [], {}),
    ("LpNormalization", [IMAGE], [], {"axis": 1, "p": 1}),
    ("LpNormalization", [IMAGE], [], {}),
    ("LRN", [IMAGE], [], {"size": 3, "alpha": 0.2, "beta": 0.6, "bias": 1.5}),
]
STEPS, LENGTHS = floats(5, 3, 4), np.asarray([5, 2, 4], np.int32)


def recurrent(op: str, gates: int, directions: int, lengths: bool, **attributes: Any) -> Row:
    size, states = 6, 2 if op == "LSTM" else 1
    weights = [floats(directions, gates * size, 4), floats(directions, gates * size, size)]
    constants = [*weights, floats(directions, 2 * gates * size), LENGTHS if lengths else None]
    name = "bidirectional" if directions == 2 else "reverse" if lengths else "forward"
    return op, [STEPS], [*constants, *[floats(directions, 3, size)] * states], {
        "hidden_size": size, "direction": name, **attributes,
    }  # fmt: skip


LOOPS: list[Row] = [
    *[recurrent(op, gates, directions, lengths)
      for (op, gates), directions, lengths in product((("RNN", 1), ("GRU", 3), ("LSTM", 4)), (1, 2), (False, True))],
    recurrent("GRU", 3, 2, False, linear_before_reset=1),
    recurrent("RNN", 1, 1, False, activations=["Relu"]),
    ("LSTM", [STEPS], [floats(1, 24, 4), floats(1, 24, 6), None, None, None, None, floats(1, 18)], {"hidden_size": 6}),
]  # fmt: skip
ROWS = [*CONVOLUTIONS, *POOLING, *SIZES, *NORMS, *LOOPS]
OUTPUTS = {"RNN": 2, "GRU": 2, "LSTM": 3}
OLD: list[tuple[int, Row]] = [
    (7, ("Upsample", [IMAGE], [], {"scales": [1.0, 1.0, 2.0, 3.0]})),
    (9, ("Upsample", [IMAGE], [some(1, 1, 2, 3)], {"mode": "linear"})),
    (10, ("Resize", [IMAGE], [some(1, 1, 2, 3)], {"mode": "linear"})),
    (10, ("AveragePool", [IMAGE], [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})),
    (11, ("Resize", [IMAGE], [some(), some(1, 1, 2, 3)], {"coordinate_transformation_mode": "tf_half_pixel_for_nn"})),
    (21, ("GroupNormalization", [IMAGE], [floats(4), floats(4)], {"num_groups": 2})),
    (22, ("AveragePool", [IMAGE], [], {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 1, 1, 1]})),
    (23, ("RMSNormalization", [IMAGE], [floats(8)], {})),
]


def named(row: Row) -> str:
    return f"{row[0]}{''.join(f' {key}={value}' for key, value in row[3].items())}"


def agree(row: Row, opset: int, one_node: Any, session: Any, path: Path) -> None:
    op, inputs, constants, attributes = row
    onnx.save(one_node(op, inputs, constants, opset, OUTPUTS.get(op, 1), **attributes), path)
    wanted = session(path).run(None, {"x0": inputs[0]})
    got = import_onnx(path)(la.asarray(inputs[0]))
    for one, other in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        assert one.dtype.name == other.dtype.name
        np.testing.assert_allclose(one.numpy(), other, **CLOSE)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_layers_mean_what_onnxruntime_computes(row: Row, one_node: Any, session: Any, tmp_path: Path) -> None:
    agree(row, 18, one_node, session, tmp_path / "one.onnx")


@pytest.mark.parametrize(("opset", "row"), OLD, ids=lambda each: each if isinstance(each, int) else named(each))
def test_so_they_do_in_other_operator_sets(opset: int, row: Row, one_node: Any, session: Any, tmp_path: Path) -> None:
    agree(row, opset, one_node, session, tmp_path / "one.onnx")


def test_every_operator_of_layers_is_looked_at() -> None:
    looked_at = {row[0] for row in (*ROWS, *(row for _, row in OLD))}
    assert SPATIAL.keys() | RESAMPLING.keys() | NORMALISATION.keys() | RECURRENT.keys() <= looked_at


REFUSED: list[tuple[Row, str]] = [
    (("Conv", [IMAGE], [floats(6, 3, 3, 3)], {}), "channels"),
    (("Conv", [IMAGE], [floats(6, 4, 3, 3)], {"group": 0}), "group"),
    (("Conv", [IMAGE], [floats(6, 4, 3, 3)], {"strides": [0, 1]}), "strides"),
    (("Conv", [IMAGE], [floats(6, 4, 3, 3)], {"pads": [2**40, 0, 0, 0]}), "elements"),
    (("Conv", [IMAGE], [floats(6, 4, 3, 3)], {"auto_pad": "ROUND"}), "ROUND"),
    (("ConvTranspose", [IMAGE], [floats(4, 6, 3, 3)], {"strides": [2**40, 1]}), "elements"),
    (("ConvTranspose", [IMAGE], [floats(4, 6, 3, 3)], {"group": 3}), "groups"),
    (("MaxPool", [IMAGE], [], {"kernel_shape": [2**40, 1]}), "window"),
    (("MaxPool", [IMAGE], [], {}), "kernel_shape"),
    (("AveragePool", [IMAGE], [], {"kernel_shape": [2, 2], "pads": [0, 0, 0, 2**30]}), "elements"),
    (("Resize", [IMAGE], [None, some(1, 1, 1e30, 1)], {}), "elements"),
    (("Resize", [IMAGE], [None, some(1, 1, -1, 1)], {}), "positive"),
    (("Resize", [IMAGE], [None, some(1, 1, 2, 1)], {"coordinate_transformation_mode": "tf_crop_and_resize"}), "part"),
    (("Resize", [IMAGE], [None, some(1, 1, 2, 1)], {"antialias": 1, "mode": "linear"}), "antialias"),
    (("GroupNormalization", [IMAGE], [floats(3), floats(3)], {"num_groups": 3}), "groups"),
    (("LRN", [IMAGE], [], {"size": 2**40}), "elements"),
    (recurrent("LSTM", 4, 1, False, clip=0.5), "clipping"),
    (recurrent("LSTM", 4, 1, False, input_forget=1), "coupled"),
    (recurrent("GRU", 3, 1, False, activations=["Sigmoid", "Sine"]), "Sine"),
    (recurrent("GRU", 3, 1, False, hidden_size=7), "do not fit"),
]


@pytest.mark.parametrize(("row", "message"), REFUSED, ids=lambda each: each if isinstance(each, str) else named(each))
def test_what_cannot_be_is_refused_as_the_file_is_read(row: Row, message: str, one_node: Any, tmp_path: Path) -> None:
    op, inputs, constants, attributes = row
    onnx.save(one_node(op, inputs, constants, 18, 1, **attributes), tmp_path / "one.onnx")
    with pytest.raises(CheckpointError, match=message):
        import_onnx(tmp_path / "one.onnx")
