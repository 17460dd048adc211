"""What becomes of the sums of a contraction."""

from __future__ import annotations

from lamina.compiler.codegen.expressions import Step
from lamina.compiler.codegen.values import Value
from lamina.compiler.schedule.kernels import Contraction
from lamina.compiler.schedule.views import combined, contiguous


def finish(step: Step, value: Value) -> None:
    """Compute what is made of finished sums, an element or a vector of them, and store what is to be kept."""
    body = step.body
    kernel = body.kernel
    assert isinstance(kernel, Contraction)
    assert kernel.value is not None
    dims = len(kernel.dims)
    index = kernel.index_of(kernel.value)
    assert index is not None
    step.bind(kernel.value, index, value)
    step.compute(each for each in kernel.computed if each is not kernel.value)
    results = []
    for each in kernel.computed:
        at = kernel.index_of(each)
        assert at is not None
        if each in body.pointers:
            results.append((each, combined(at, contiguous(each.shape), 0, dims), step.of(each, at)))
    for each, place, found in results:
        step.store(each, place, found)
