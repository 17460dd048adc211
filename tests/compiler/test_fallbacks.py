"""Operations that a program leaves to Python: same results as eager, same errors, nothing lost."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.compiler.codegen.fallback import emit_fallback
from lamina.compiler.codegen.faults import FAULT_CALLBACK
from lamina.compiler.codegen.module import Module
from lamina.compiler.codegen.values import PTR
from lamina.compiler.graph import ir
from lamina.compiler.graph.fallbacks import FALLBACKS
from lamina.compiler.runtime.fallback import Fallback
from lamina.compiler.runtime.loading import load
from lamina.compiler.runtime.machine_code import assemble
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64
from lamina.dtypes import as_dtype
from lamina.primitives.primitive import Spec
from lamina.primitives.table import TABLE

PARAMS: dict[str, dict[str, Any]] = {
    "qr": {"mode": "reduced"},
    "svd": {"full_matrices": False},
    "solve_triangular": {"upper": False, "unitriangular": False},
}


def operands(op: str, dtype: str, batch: tuple[int, ...] = (), size: int = 3) -> list[Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*batch, size, size))
    if op in ("cholesky", "eigh"):
        x = x @ np.swapaxes(x, -1, -2) + size * np.eye(size)
    right = [rng.normal(size=(size, 2)).astype(dtype)] if op.startswith("solve") else []
    return [x.astype(dtype), *right]


def graph_value(op: str, arrays: list[Any]) -> ir.Value:
    specs = [Spec(each.shape, as_dtype(each.dtype)) for each in arrays]
    params = PARAMS.get(op, {})
    inputs = [ir.input_value(at, spec) for at, spec in enumerate(specs)]
    return ir.operation(op, inputs, TABLE[op].spec(op, *specs, **params), params)


def addresses(arrays: list[Any]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(each.ctypes.data for each in arrays))


def results_of(value: ir.Value) -> list[Any]:
    specs = value.spec if isinstance(value.spec, tuple) else (value.spec,)
    return [np.full(spec.shape, 7, spec.dtype.name) for spec in specs]


def compute(op: str, arrays: list[Any]) -> tuple[int, list[Any], Fallback]:
    value = graph_value(op, arrays)
    fallback, results = Fallback([value]), results_of(value)
    return fallback.callback(0, addresses(arrays), addresses(results)), results, fallback


def eager(op: str, arrays: list[Any]) -> list[Any]:
    found = TABLE[op](*map(la.asarray, arrays), **PARAMS.get(op, {}))._data
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("shape", [((), 3), ((2, 2), 4), ((0,), 2), ((), 1), ((3,), 0)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", sorted(FALLBACKS))
def test_a_fallback_gives_what_eager_gives(op: str, dtype: str, shape: tuple[tuple[int, ...], int]) -> None:
    arrays = operands(op, dtype, *shape)
    code, results, fallback = compute(op, arrays)
    assert code == 0
    fallback.raise_pending()
    for got, expected in zip(results, eager(op, arrays), strict=True):
        assert got.tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("op", ["inv", "solve", "solve_triangular", "cholesky"])
def test_a_failure_is_kept_and_raised_as_eager_raises_it(op: str, capfd: pytest.CaptureFixture[str]) -> None:
    arrays = operands(op, "float32")
    arrays[0][:] = -1 if op == "cholesky" else 0
    code, results, fallback = compute(op, arrays)
    assert code == FAULT_CALLBACK
    assert all((each == 7).all() for each in results)
    with pytest.raises(la.DataError) as expected:
        eager(op, arrays)
    with pytest.raises(la.DataError) as raised:
        fallback.raise_pending()
    assert str(raised.value) == str(expected.value)
    fallback.raise_pending()  # once
    assert capfd.readouterr().err == ""


def test_an_interruption_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    arrays = operands("inv", "float32")
    monkeypatch.setattr(np.linalg, "inv", interrupted)
    code, _, fallback = compute("inv", arrays)
    assert code == FAULT_CALLBACK
    with pytest.raises(KeyboardInterrupt):
        fallback.raise_pending()


def program(value: ir.Value) -> tuple[str, int]:
    """Return the module of ``program(buffers, fault)``: the callback's address, then the arrays."""
    module = Module(host())
    count = len(value.operands)
    total = count + (len(value.spec) if isinstance(value.spec, tuple) else 1)
    with module.function("program", [("buffers", PTR), ("fault", PTR)], internal=False) as f:
        callback, *arrays = (f.load(PTR, f.at(f.arguments["buffers"], f.integer(at), PTR)) for at in range(total + 1))
        emit_fallback(f, callback, 1, arrays[:count], arrays[count:], f.arguments["fault"])
    return str(module), total


@pytest.mark.parametrize("op", sorted(FALLBACKS))
def test_generated_code_calls_back_from_another_thread(op: str) -> None:
    arrays = operands(op, "float64", (2,))
    value = graph_value(op, arrays)
    fallback, results, fault = Fallback([value.operands[0], value]), results_of(value), np.zeros(1, np.int64)
    text, _ = program(value)
    code = load(assemble(text, host()))
    buffers = addresses([np.empty(1), *arrays, *results])
    buffers[0] = ctypes.cast(fallback.callback, ctypes.c_void_p).value
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("program"))
    worker = threading.Thread(target=function, args=(ctypes.addressof(buffers), fault.ctypes.data))
    worker.start()
    worker.join()
    assert fault[0] == 0
    for got, expected in zip(results, eager(op, arrays), strict=True):
        assert got.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_generated_code_reports_a_failure() -> None:
    arrays = [np.zeros((2, 2))]
    value = graph_value("inv", arrays)
    fallback, results, fault = Fallback([value, value]), results_of(value), np.zeros(1, np.int64)
    code = load(assemble(program(value)[0], host()))
    buffers = addresses([np.empty(1), *arrays, *results])
    buffers[0] = ctypes.cast(fallback.callback, ctypes.c_void_p).value
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(code.address("program"))
    function(ctypes.addressof(buffers), fault.ctypes.data)
    assert fault[0] == FAULT_CALLBACK
    with pytest.raises(la.DataError, match="singular"):
        fallback.raise_pending()


def test_the_call_is_written_for_other_processors_too() -> None:
    assert assemble(program(graph_value("svd", operands("svd", "float32")))[0], AARCH64)


# --- signals ---


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("calls", [1, 3], ids=["long way", "short way"])
@pytest.mark.parametrize("raises", [True, False])
def test_a_signal_while_python_computes_is_handled_outside_and_half_updates_nothing(
    raises: bool, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[float]] = []
    weight = la.variable(np.eye(2))

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        weight.assign(la.linalg.inv(la.linalg.inv(x) + weight) + weight)
        return la.linalg.inv(x).sum()

    x = la.asarray([[2.0, 0.0], [0.0, 4.0]], dtype="float64")
    for _ in range(calls):
        total = step(x)
    before = weight.numpy().copy()
    inverse = np.linalg.inv
    signals = iter([True])

    def interrupted(matrix: Any) -> Any:
        if next(signals, False):
            signal.raise_signal(signal.SIGINT)
        return inverse(matrix)

    def handler(*_: Any) -> None:
        seen.append(weight.tolist())
        if raises:
            raise KeyboardInterrupt

    monkeypatch.setattr(np.linalg, "inv", interrupted)
    old = signal.signal(signal.SIGINT, handler)
    try:
        if raises:
            with pytest.raises(KeyboardInterrupt):
                step(x)
        else:
            assert step(x).item() == total.item()
    finally:
        signal.signal(signal.SIGINT, old)
    assert seen == [before.tolist()]
    after = before if raises else inverse(inverse(x.numpy()) + before) + before
    np.testing.assert_allclose(weight.numpy(), after)
