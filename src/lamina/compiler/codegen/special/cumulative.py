"""Running sums and products along an axis, in the order of the elements, as eager computes them."""

from __future__ import annotations

from functools import partial

from lamina.compiler.codegen.elements import load_element, narrow, store_element
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.special.job import Job, added, bytes_at
from lamina.compiler.codegen.special.lines import each_walk
from lamina.compiler.codegen.values import Value
from lamina.dtypes import DType


def _emit(job: Job, *, product: bool) -> None:
    """``result[k] = result[k - 1] + x[k]``; a narrow type runs in float32 and is rounded where it is stored."""
    f, dtype = job.f, job.value.dtype
    if job.value.shape[job.value.params["axis"]] == 0:
        return
    combined = multiplied if product else added
    with each_walk(job) as walk:
        first = load_element(f, dtype, bytes_at(f, job.operands[0], walk.start, dtype.itemsize), walk.lanes)
        store_element(f, dtype, first, bytes_at(f, job.results[0], walk.start, dtype.itemsize))
        total = f.variable(first)
        with f.loop(f.integer(1), f.integer(walk.lines.length)) as at:
            here = f.add(walk.start, f.mul(at, f.integer(walk.lines.inner)))
            element = load_element(f, dtype, bytes_at(f, job.operands[0], here, dtype.itemsize), walk.lanes)
            f.set(total, combined(f, dtype, f.get(total), element))
            store_element(f, dtype, narrow(f, dtype, f.get(total)), bytes_at(f, job.results[0], here, dtype.itemsize))


emit_cumulative_sum = partial(_emit, product=False)
emit_cumulative_prod = partial(_emit, product=True)


def multiplied(f: Emitter, dtype: DType, a: Value, b: Value) -> Value:
    """Return a product in registers; of truth values, whether both are true."""
    if dtype.floating:
        return f.fmul(a, b)
    return f.binary("and" if dtype.kind == "bool" else "mul", a, b)
