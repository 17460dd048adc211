"""The code of a product for a range of rows and columns."""

from __future__ import annotations

from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.blocking import BlockedProduct, panel_bytes
from lamina.compiler.codegen.matmul.column import emit_column
from lamina.compiler.codegen.matmul.dots import emit_dots
from lamina.compiler.codegen.matmul.plan import Column, Dots, Resident, Tiling, plan
from lamina.compiler.codegen.matmul.product import Epilogue, Prefetch, Product
from lamina.compiler.codegen.matmul.resident import emit_resident, emit_zeros
from lamina.compiler.codegen.values import I8, Value
from lamina.compiler.target import Target


def column_units(product: Product, target: Target) -> int:
    """Return how many columns must stay together: shares of columns begin at multiples of it, or at the end.

    Where B is packed, threads that share the columns pack a part of B each; those that share the rows each pack all.
    """
    how = plan(product, target)
    if isinstance(how, Tiling):
        return how.width
    if isinstance(how, Dots):
        return how.columns
    return max(product.n, 1)


def scratch_bytes(product: Product, target: Target) -> int:
    """Return how much memory one thread needs for packed panels, at an address that is a multiple of 64."""
    how = plan(product, target)
    return sum(panel_bytes(product, how)) if isinstance(how, Tiling) else 0


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
    overlaps: bool = False,
    prefetch: Prefetch | None = None,
) -> None:
    """Write the code that computes a part of C and hands each of its elements to the epilogue once.

    An element is summed in the same order whatever part it is in.

    Parameters
    ----------
    f : Emitter
        Of the function to write to.
    target : Target
    product : Product
    a, b : Value
        Pointers to A[0, 0] and B[0, 0].
    begin, end : Value
        The rows to compute, i64.
    scratch : Value
        Pointer to `scratch_bytes` of memory that no other thread uses.
    epilogue : Epilogue
        Writes the code for what becomes of a row's element, or of several neighbours in a vector.
    columns : (Value, Value), optional
        The columns to compute, i64, at multiples of `column_units` or the end. All by default.
    overlaps : bool
        Whether the epilogue of a tile is worked on while the sums of the next are made; its code is written twice then.
    prefetch : Prefetch, optional
        Is called for then before a tile's sums, so that what its epilogue reads arrives meanwhile.
    """
    first, last = columns or (f.integer(0), f.integer(product.n))
    how = plan(product, target)
    if how == "nothing":
        return
    with f.when(f.binary("and", f.icmp("slt", begin, end), f.icmp("slt", first, last))):
        if isinstance(how, Resident):
            emit_resident(f, target, product, how, a, b, begin, end, epilogue)
        elif isinstance(how, Dots):
            emit_dots(f, target, product, how, a, b, begin, end, first, last, epilogue)
        elif isinstance(how, Column):
            emit_column(f, target, product, how, a, b, begin, end, epilogue)
        elif isinstance(how, Tiling):
            size_a, size_b, _ = panel_bytes(product, how)
            packed_b = f.at(scratch, f.integer(size_a), I8)
            edge = f.at(packed_b, f.integer(size_b), I8)
            panels = scratch, packed_b, edge
            part = begin, end, first, last
            BlockedProduct(f, target, product, how, a, b, *part, *panels, epilogue, overlaps, prefetch).write()
        else:
            emit_zeros(f, product, begin, end, first, last, epilogue)
