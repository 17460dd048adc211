"""Every row of the table on a backend: values, shapes, types and gradients.

See `lamina.testing.check_backend` for what a backend's author calls.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings

from lamina.backends.protocol import Backend, numpy_dtype
from lamina.backends.registry import get_backend
from lamina.dtypes import DType, as_dtype, float32, float64
from lamina.errors import BackendError
from lamina.primitives import specs
from lamina.primitives.primitive import Primitive, Spec
from lamina.primitives.table import TABLE
from lamina.tensor import Tensor
from lamina.testing.comparison import difference
from lamina.testing.factorisations import RESULTS, factorisation_difference, without_gauge
from lamina.testing.gradients import check_gradients
from lamina.testing.strategies import Case, cases

LINEAR_ALGEBRA = frozenset(
    {specs.square_matrix, specs.solve, specs.solve_triangular, specs.slogdet, specs.eigh, specs.qr, specs.svd}
)

# Takes one result out of several; the rows that have several are checked with it.
WITH_OTHERS = frozenset({"item"})


def check_backend(backend: Backend | str, *, examples: int = 25) -> None:
    """Check a whole backend; see `lamina.testing.check_backend`."""
    resolved = resolve(backend)
    failures = []
    checks: list[tuple[str, Callable[[], None]]] = [("conversions", partial(check_conversions, resolved))]
    for name, primitive in TABLE.items():
        checks.append((name, partial(check_primitive, resolved, primitive, examples=examples)))
    for name, check in checks:
        try:
            check()
        except AssertionError as error:
            failures.append((name, str(error)))
        except Exception as error:
            failures.append((name, f"{resolved.name}: {name}: raised {type(error).__name__}: {error}"))
    if failures:
        names = ", ".join(name for name, _ in failures)
        reports = "\n\n".join(report for _, report in failures)
        raise AssertionError(
            f"check_backend: {resolved.name}: {len(failures)} of {len(checks)} checks failed ({names})\n\n{reports}"
        )


def check_primitive(backend: Backend | str, primitive: Primitive | str, *, examples: int = 25, order: int = 1) -> None:
    """Check one row on a backend; see `lamina.testing.check_primitive`."""
    resolved = resolve(backend)
    row = _row(primitive)
    if row.name in WITH_OTHERS:
        return
    if not callable(getattr(resolved, row.name, None)):
        raise AssertionError(f"{resolved.name}: {row.name}: the backend has no such operation")
    for dtype in operand_dtypes(resolved, row):
        _over_cases(resolved, row, dtype, examples, False, lambda case: _check_values(resolved, row, case))
    widest = float64 if float64 in resolved.dtypes else float32
    if row.derivatives is not None and widest in resolved.dtypes and not row.domain.in_steps:
        _over_cases(resolved, row, widest, examples, True, lambda case: _check_derivatives(resolved, row, case, order))


def resolve(backend: Backend | str) -> Backend:
    """Return the backend of a device string, or the backend given."""
    return get_backend(backend) if isinstance(backend, str) else backend


def _row(primitive: Primitive | str) -> Primitive:
    if isinstance(primitive, Primitive):
        return primitive
    if primitive not in TABLE:
        raise BackendError(f"check_primitive: there is no primitive {primitive!r}; the table has {', '.join(TABLE)}")
    return TABLE[primitive]


def operand_dtypes(backend: Backend, primitive: Primitive) -> list[DType]:
    """Return the types that a primitive is checked with: those of its domain that the backend has."""
    if primitive.spec is specs.random_bits:
        return [dtype for dtype in backend.dtypes if dtype.name == "uint64"]
    chosen = [
        dtype
        for dtype in backend.dtypes
        if primitive.domain.takes(dtype)
        # Libraries of linear algebra work in single and double precision.
        and not (primitive.spec in LINEAR_ALGEBRA and dtype.bits < 32)
    ]
    return sorted(chosen, key=lambda dtype: dtype.name)


def _over_cases(
    backend: Backend, primitive: Primitive, dtype: DType, examples: int, smooth: bool, check: Callable[[Case], None]
) -> None:
    """Run a check on drawn cases, the same ones every time, and report the simplest that fails."""

    @seed(zlib.crc32(f"{primitive.name} {dtype.name} {smooth}".encode()))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(cases(primitive, dtype, backend.dtypes, smooth=smooth))
    def run(case: Case) -> None:
        try:
            check(case)
        except Exception as error:
            what = str(error) if isinstance(error, AssertionError) else f"raised {type(error).__name__}: {error}"
            raise AssertionError(f"{backend.name}: {primitive.name}{case}: {what}\n{case.values()}") from error

    run()


def tensors(backend: Backend, case: Case) -> list[Tensor]:
    """Return the operands of a case on a backend."""
    return [Tensor(backend.from_numpy(x, as_dtype(x.dtype)), backend) for x in case.operands]


def _spec_of(backend: Backend, value: Any) -> Spec:
    return Spec(tuple(value.shape), backend.dtype_of(value))


def _check_values(backend: Backend, primitive: Primitive, case: Case) -> None:
    if any(as_dtype(x.dtype) not in backend.dtypes for x in case.operands):
        return
    operands = tensors(backend, case)
    result = primitive(*operands, **case.params)
    promised = primitive.spec(primitive.name, *[Spec(x.shape, x.dtype) for x in operands], **case.params)
    if primitive.name in RESULTS:
        values = result._data
        found = tuple(_spec_of(backend, value) for value in values)
        if found != promised:
            raise AssertionError(f"the results are {_listed(found)}, the shape rule says {_listed(promised)}")
        arrays = tuple(backend.to_numpy(value) for value in values)
        problem = factorisation_difference(primitive.name, case, arrays, promised[0].dtype)
    else:
        found_spec = _spec_of(backend, result._data)
        if found_spec != promised:
            raise AssertionError(f"the result is {found_spec}, the shape rule says {promised}")
        problem = difference(primitive, case, backend.to_numpy(result._data), promised.dtype)
    if problem is not None:
        raise AssertionError(f"the result {problem}")


def _listed(found: tuple[Spec, ...]) -> str:
    return ", ".join(map(str, found))


def _check_derivatives(backend: Backend, primitive: Primitive, case: Case, order: int) -> None:
    operands = tensors(backend, case)
    chosen = [position for position in range(len(operands)) if _differentiable(primitive, operands, position)]
    if not chosen:
        return
    after = without_gauge(primitive.name) if primitive.name in RESULTS else None

    def of_chosen(*values: Tensor) -> Tensor:
        complete = list(operands)
        for position, value in zip(chosen, values, strict=True):
            complete[position] = _symmetric(primitive, value)
        result = primitive(*complete, **case.params)
        return result if after is None else after(result)

    check_gradients(of_chosen, *[operands[position] for position in chosen], order=order)


def _differentiable(primitive: Primitive, operands: list[Tensor], position: int) -> bool:
    assert primitive.derivatives is not None
    return operands[position].dtype.floating and primitive.derivatives[position] is not None


def _symmetric(primitive: Primitive, x: Tensor) -> Tensor:
    """Return the operand of a row that reads one triangle only in a form in which both count."""
    return (x + x.mT) * 0.5 if primitive.name in ("cholesky", "eigh") else x


def check_conversions(backend: Backend) -> None:
    """Check that values of every type cross to the backend and back, and that constants are what they say."""
    for dtype in sorted(backend.dtypes, key=lambda each: each.name):
        for shape in ((), (0,), (2, 3)):
            source = np.arange(np.prod(shape, dtype=np.int64)).reshape(shape).astype(numpy_dtype(dtype))
            array = backend.from_numpy(source, dtype)
            _expect(backend, dtype, "from_numpy", _spec_of(backend, array), Spec(shape, dtype))
            kept = source.copy()
            source[...] = np.ones((), source.dtype)
            back = backend.to_numpy(array)
            if back.dtype != kept.dtype or back.shape != shape or not np.array_equal(back, kept):
                raise AssertionError(
                    f"{backend.name}: to_numpy: {dtype.name}{list(shape)} came back as {back.dtype}{list(back.shape)} "
                    f"with values {back.tolist()}, not {kept.tolist()}; from_numpy must copy"
                )
            filled = backend.full(shape, True if dtype.kind == "bool" else 1, dtype)
            _expect(backend, dtype, "full", _spec_of(backend, filled), Spec(shape, dtype))
            if not np.all(backend.to_numpy(filled) == np.ones((), kept.dtype)):
                raise AssertionError(f"{backend.name}: full: {dtype.name}{list(shape)} is not filled with ones")
            if shape and backend.has_values:
                _check_positions(backend, dtype, kept)


def _check_positions(backend: Backend, dtype: DType, source: np.ndarray[Any, Any]) -> None:
    """Check `nonzero`, which is no row because the shape of its result depends on values."""
    found = [backend.to_numpy(places) for places in backend.nonzero(backend.from_numpy(source, dtype))]
    wanted = source.nonzero()
    if len(found) != len(wanted) or any(
        one.dtype != np.int64 or not np.array_equal(one, other) for one, other in zip(found, wanted, strict=True)
    ):
        raise AssertionError(
            f"{backend.name}: nonzero: {dtype.name}{list(source.shape)} gave {[one.tolist() for one in found]}, "
            f"expected int64 {[one.tolist() for one in wanted]}"
        )


def _expect(backend: Backend, dtype: DType, operation: str, found: Spec, wanted: Spec) -> None:
    if found != wanted:
        raise AssertionError(f"{backend.name}: {operation}: the array is {found}, expected {wanted}")
