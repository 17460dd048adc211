"""What the tests of exchange share: a model exported, checked by the ONNX checker, and run by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lamina as la
from lamina.exchange import export_onnx

NDArray = npt.NDArray[Any]


@pytest.fixture(scope="session")
def onnx() -> Any:
    return pytest.importorskip("onnx")


@pytest.fixture(scope="session")
def runtime() -> Any:
    return pytest.importorskip("onnxruntime")


@pytest.fixture
def session(runtime: Any) -> Callable[..., Any]:
    """Return a function that opens a model in onnxruntime."""

    def opened(path: Path | bytes) -> Any:
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        return runtime.InferenceSession(path if isinstance(path, bytes) else str(path), options)

    return opened


@pytest.fixture
def run_onnx(onnx: Any, session: Callable[..., Any], tmp_path: Path) -> Callable[..., list[NDArray]]:
    """Return a function that exports a model and runs it on arrays."""

    def run(model: Any, *inputs: NDArray, example: Sequence[NDArray] | None = None, **options: Any) -> list[NDArray]:
        path = tmp_path / "model.onnx"
        export_onnx(
            model, path, tuple(la.asarray(each) for each in (inputs if example is None else example)), **options
        )
        onnx.checker.check_model(onnx.load(path), full_check=True)
        opened = session(path)
        names = [each.name for each in opened.get_inputs()]
        return opened.run(None, dict(zip(names, inputs, strict=True)))  # type: ignore[no-any-return]

    return run


@pytest.fixture
def normal() -> Callable[..., NDArray]:
    """Return a function that draws normally distributed numbers."""
    generator = np.random.default_rng(7)

    def draw(*shape: int, dtype: str = "float32") -> NDArray:
        return generator.normal(size=shape).astype(dtype)

    return draw


@pytest.fixture
def one_node(onnx: Any) -> Callable[..., Any]:
    """Return a function that makes a model of one node."""

    def made(
        op: str, inputs: list[NDArray], constants: list[NDArray | None], opset: int, outputs: int, **attributes: Any
    ) -> Any:
        """Return a model of one node; constants come after the inputs, None is one left out."""
        helper = onnx.helper
        names = [f"x{at}" for at in range(len(inputs))]
        held = [f"c{at}" if each is not None else "" for at, each in enumerate(constants)]
        node = helper.make_node(op, [*names, *held], [f"y{at}" for at in range(outputs)], **attributes)
        kinds = [helper.np_dtype_to_tensor_dtype(each.dtype) for each in inputs]
        graph = helper.make_graph(
            [node], "one",
            [helper.make_tensor_value_info(n, k, x.shape) for n, k, x in zip(names, kinds, inputs, strict=True)],
            [helper.make_empty_tensor_value_info(f"y{at}") for at in range(outputs)],
            [onnx.numpy_helper.from_array(c, n) for n, c in zip(held, constants, strict=True) if c is not None],
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)

    return made
