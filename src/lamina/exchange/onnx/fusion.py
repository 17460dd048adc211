"""Several operations that ONNX knows as one: linear layers and softmax, convolutions, pooling and normalisation.

Other tools know a model's layers by these operators; what they compute is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lamina.exchange.onnx import normalisation_fusion as normalisation, spatial_fusion as spatial
from lamina.exchange.onnx.batch import Operation, Reads

Pattern = Callable[[Operation, Reads], Operation | None]


def reachable(outputs: Iterable[Operation]) -> list[Operation]:
    """Return everything that outputs depend on, operands before results."""
    seen: dict[Operation, None] = {}
    waiting = [(each, False) for each in outputs]
    while waiting:
        operation, entered = waiting.pop()
        if entered:
            seen.setdefault(operation)
        elif operation not in seen:
            waiting.append((operation, True))
            waiting += [(each, False) for each in operation.operands if each not in seen]
    return list(seen)


def fused(outputs: Sequence[Operation]) -> None:
    """Replace what the patterns find, in place; what nothing reads any more is no longer reachable."""
    found_ones = reachable(outputs)
    reads: Reads = dict.fromkeys(found_ones, 0)
    for each in (*outputs, *(operand for operation in found_ones for operand in operation.operands)):
        reads[each] += 1
    for operation in found_ones:
        for pattern in PATTERNS.get(operation.op, ()):
            found = pattern(operation, reads)
            if found is not None:
                operation.op, operation.operands, operation.params = found.op, found.operands, found.params
                break


def _gemm(total: Operation, reads: Reads) -> Operation | None:
    """``x W^T + b``, or ``x W + b``."""
    product, bias = total.operands
    if product.op != "matmul":
        product, bias = bias, product
    if product.op != "matmul" or len(product.shape) != 2 or product.shape != total.shape or reads[product] > 1:
        return None
    x, weight = product.operands
    if not total.dtype.floating or len(x.shape) != 2 or bias.shape not in ((total.shape[1],), (1, total.shape[1])):
        return None
    turned = weight.op == "permute_dims"
    params = {"transB": 1} if turned else {}
    return total.written_as("gemm", (x, weight.operands[0] if turned else weight, bias), params)


def _softmax(ratio: Operation, reads: Reads) -> Operation | None:
    """``exp(x - max(x)) / sum(exp(x - max(x)))``."""
    powers, total = ratio.operands
    if powers.op != "exp" or total.op != "sum" or total.operands != (powers,):
        return None
    return _over_axis("softmax", ratio, powers.operands[0], total)


def _log_softmax(difference: Operation, reads: Reads) -> Operation | None:
    """``(x - max(x)) - log(sum(exp(x - max(x))))``."""
    shifted, logarithm = difference.operands
    if logarithm.op != "log" or logarithm.operands[0].op != "sum":
        return None
    total = logarithm.operands[0]
    powers = total.operands[0]
    if powers.op != "exp" or powers.operands != (shifted,):
        return None
    return _over_axis("log_softmax", difference, shifted, total)


def _over_axis(op: str, result: Operation, shifted: Operation, total: Operation) -> Operation | None:
    if shifted.op != "subtract" or shifted.operands[1].op != "max":
        return None
    x, largest = shifted.operands
    axes = total.params["axes"]
    if largest.operands != (x,) or largest.params != total.params or len(axes) != 1 or not total.params["keepdims"]:
        return None
    return result.written_as(op, (x,), {"axis": axes[0]})


PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "add": (_gemm, spatial.biased, normalisation.batch_norm, normalisation.standardised),
    "divide": (_softmax, spatial.average_pool),
    "subtract": (_log_softmax,),
    "convolution": (spatial.conv_transpose, spatial.padded_convolution),
    "max": (spatial.max_pool,),
    "sum": (spatial.sum_pool,),
}
