"""The code of a product for a range of rows."""

from __future__ import annotations

from lamina.compiler.codegen.emitter import Emitter, Value
from lamina.compiler.codegen.matmul.arithmetic import load, multiply_add, rounded
from lamina.compiler.codegen.matmul.product import Epilogue, Product
from lamina.compiler.target import Target


def units(product: Product, target: Target) -> int:
    """Return how many rows must stay together: shares of rows begin at multiples of it."""
    return 1


def scratch_bytes(product: Product, target: Target) -> int:
    """Return how much memory one thread needs for packed panels, at an address that is a multiple of 64."""
    return 0


def emit_product(
    f: Emitter,
    target: Target,
    product: Product,
    a: Value,
    b: Value,
    begin: Value,
    end: Value,
    scratch: Value,
    epilogue: Epilogue,
    columns: tuple[Value, Value] | None = None,
) -> None:
    """Write the code that computes rows ``begin`` to ``end`` of C and hands each element to the epilogue once."""
    lanes = target.lanes(product.summed.bits) if product.b_strides[1] == 1 else 0
    with f.loop(begin, end) as row:
        start, width = 0, lanes
        while start < product.n:
            while width > max(product.n - start, 1):
                width //= 2
            if width <= 1:
                width = 0
            stop = product.n if not width else start + (product.n - start) // width * width
            with f.loop(f.integer(start), f.integer(stop), width or 1) as column:
                total = f.variable(f.number(0, product.summed.of(width)))
                with f.loop(f.integer(0), f.integer(product.k)) as k:
                    left = f.add(f.mul(row, f.integer(product.a_strides[0])), f.mul(k, f.integer(product.a_strides[1])))
                    right = f.add(
                        f.mul(k, f.integer(product.b_strides[0])), f.mul(column, f.integer(product.b_strides[1]))
                    )
                    x = f.splat(load(f, target, product, f.at(a, left, product.stored)), width)
                    y = load(f, target, product, f.at(b, right, product.stored), width)
                    f.set(total, multiply_add(f, target, x, y, f.get(total)))
                epilogue(f, row, column, rounded(f, target, product, f.get(total)))
            start = stop
