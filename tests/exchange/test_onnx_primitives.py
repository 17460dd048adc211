"""Every primitive goes to ONNX, where onnxruntime computes what Lamina does, and comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import lamina as la
from lamina.dtypes import DTYPES
from lamina.errors import TracingError
from lamina.exchange import export_onnx, import_onnx
from lamina.exchange.onnx.operators import OPERATORS, REFUSED
from lamina.primitives.table import TABLE
from lamina.testing.strategies import Case, cases

EXPORTED = sorted(TABLE.keys() & OPERATORS.keys() - {"slogdet"})
DTYPES_OF = {"floating": ("float32",), "integer": ("int64", "uint8"), "bool": ("bool",)}
OTHERS = frozenset(
    DTYPES[name] for name in ("bool", "int8", "int32", "int64", "uint8", "float16", "float32", "float64")
)
# What onnxruntime does otherwise: it fails where a result is undefined, and its largest int64 is one of 32 bits.
SMALL = {"pow", "floor_divide", "remainder", "max", "min", "argmax", "argmin"}


def test_every_primitive_is_exported_or_refused_for_a_reason() -> None:
    assert TABLE.keys() - {"item"} == TABLE.keys() & (OPERATORS.keys() | REFUSED.keys())
    assert not OPERATORS.keys() & REFUSED.keys()


def cases_of(name: str) -> st.SearchStrategy[Case]:
    primitive = TABLE[name]
    names = [dtype for kind in primitive.domain.kinds for dtype in DTYPES_OF.get(kind, ())]
    return st.sampled_from(names).flatmap(
        lambda dtype: cases(primitive, DTYPES[dtype], OTHERS, smooth=DTYPES[dtype].floating)
    )


def defined(name: str, case: Case) -> bool:
    """Tell whether the result is defined, and the same everywhere."""
    if name in ("matmul", "matmul_bfloat16"):
        return all(each.size for each in case.operands)
    if name == "concat" and case.operands[0].ndim == 0:
        return False
    if name not in SMALL or case.operands[0].dtype.kind == "f":
        return True
    return all((np.abs(each.astype(np.float64)) < 8).all() and (each > 0).all() for each in case.operands)


@pytest.mark.parametrize("name", EXPORTED)
def test_onnxruntime_and_a_model_read_back_compute_what_the_primitive_does(
    name: str, onnx: Any, session: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: Path = tmp_path_factory.mktemp("primitives") / "model.onnx"

    @settings(max_examples=6, suppress_health_check=list(HealthCheck))
    @given(cases_of(name))
    def check(case: Case) -> None:
        assume(defined(name, case))

        def model(*operands: Any) -> Any:
            return TABLE[name](*operands, **case.params)

        tensors = tuple(la.asarray(each) for each in case.operands)
        wanted = model(*tensors).numpy()
        export_onnx(model, path, tensors, dynamic_batch=False)
        onnx.checker.check_model(onnx.load(path), full_check=True)
        opened = session(path)
        names = [each.name for each in opened.get_inputs()]
        (got,) = opened.run(None, {key: each.numpy() for key, each in zip(names, tensors, strict=True)})
        for found in (got, import_onnx(path)(*tensors).numpy()):
            assert found.dtype == wanted.dtype
            assert found.shape == wanted.shape
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)

    check()


def test_determinants_go_through(run_onnx: Callable[..., Any], normal: Callable[..., Any]) -> None:
    x = normal(4, 3, 3)
    sign, logarithm = run_onnx(lambda a: tuple(la.linalg.slogdet(a)), x)
    wanted = np.linalg.slogdet(x.astype(np.float64))
    np.testing.assert_array_equal(sign, wanted[0])
    np.testing.assert_allclose(logarithm, wanted[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (lambda x: la.linalg.inv(x), "inv"),
        (lambda x: la.linalg.matrix_exp(x), "matrix_exp"),
        (lambda x: la.linalg.cholesky(x), "cholesky"),
        (lambda x: la.linalg.svd(x)[0], "svd"),
        (lambda x: la.nextafter(x, x + 1.0), "nextafter"),
        (lambda x: la.random.Generator(3).uniform(x.shape) + x, "random_bits"),
    ],
)
def test_what_onnx_does_not_have_is_refused_by_name(model: Any, named: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(TracingError, match=named):
        export_onnx(model, tmp_path / "model.onnx", la.ones((3, 3)), dynamic_batch=False)
    assert not (tmp_path / "model.onnx").exists()
