"""Large products: blocks that stay in cache, panels, and register tiles over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import lamina.compiler.codegen.matmul.amx as amx
from lamina.compiler.codegen.emitter import Emitter
from lamina.compiler.codegen.matmul.cells import SIDE, Squares
from lamina.compiler.codegen.matmul.packing import Panel, ask_for_rows, fill, fill_partly, fill_rows
from lamina.compiler.codegen.matmul.plan import Tiling
from lamina.compiler.codegen.matmul.product import Epilogue, Prefetch, Product
from lamina.compiler.codegen.matmul.tiles import Beside, Drain, Operand, accumulate, keep
from lamina.compiler.codegen.values import Value, Variable
from lamina.compiler.target import Target

_ALIGNMENT = 64


def panel_bytes(product: Product, plan: Tiling) -> tuple[int, int, int]:
    """Return the bytes that packed panels take: of A's block, of B's block, and of the panel at B's right."""
    item = product.summed.bits // 8
    a = (plan.block_rows // plan.rows) * plan.cells.depth * plan.a_width * item if plan.pack_a else 0
    b = plan.room * plan.cells.depth * plan.width * item
    edge = 0 if plan.shares_edge else plan.cells.depth * plan.edge_width * item
    return tuple(-(-size // _ALIGNMENT) * _ALIGNMENT for size in (a, b, edge))  # type: ignore[return-value]


class Ahead(NamedTuple):
    """How far the next panel of B is packed beside the sums of one.

    Packing reads what lies far apart in memory, where a processor does not see by itself what comes next, and would
    wait for it longer than it multiplies in the meantime.

    Attributes
    ----------
    panel : Panel
    rows : Variable
        How many rows of the next panel are filled.
    each : Variable
        How many are filled at a time; 0 where there is no next panel to fill.
    """

    panel: Panel
    rows: Variable
    each: Variable

    def pack(self, f: Emitter, source: Value, into: Value) -> None:
        """Fill some rows of the panel that is filled from and to there, and ask for the memory of the next."""
        regular, first, each = f.integer(self.panel.regular), f.get(self.rows), f.get(self.each)
        with f.when(f.icmp("slt", first, f.intrinsic("smin", regular, f.mul(each, regular)))):
            stop = f.intrinsic("smin", f.add(first, each), regular)
            fill_rows(f, self.panel, source, into, first, stop)
            ask_for_rows(f, self.panel, source, stop, f.intrinsic("smin", f.add(stop, each), regular))
            f.set(self.rows, stop)


class BlockedProduct(NamedTuple):
    """Writes the code of one product by tiles.

    Attributes
    ----------
    a, b : Value
        The operands.
    begin, end, first, last : Value
        The rows and columns to compute.
    packed_a, packed_b, edge : Value
        Memory for panels.
    """

    f: Emitter
    target: Target
    product: Product
    plan: Tiling
    a: Value
    b: Value
    begin: Value
    end: Value
    first: Value
    last: Value
    packed_a: Value
    packed_b: Value
    edge: Value
    epilogue: Epilogue
    overlaps: bool = False
    prefetch: Prefetch | None = None

    def write(self) -> None:
        """Write all of it."""
        with amx.configured(self.f) if isinstance(self.plan.cells, Squares) else nullcontext():
            self._blocks()

    def _blocks(self) -> None:
        """Compute the columns whose panels are kept together, one block after the other."""
        f, plan = self.f, self.plan
        block = plan.block_panels * plan.width
        if plan.pack_b and plan.block_rows < self.product.m and block < self.product.n:
            with f.loop(self.first, self.last, block) as column:
                self._block(column, f.intrinsic("smin", f.add(column, f.integer(block)), self.last))
        else:
            self._block(self.first, self.last)

    def _block(self, first: Value, last: Value) -> None:
        """Compute columns whose panels are kept together, and with the last of them what is left at the right."""
        f, plan, product = self.f, self.plan, self.product
        full, stop = self._full, f.intrinsic("smin", last, f.integer(self._full))
        at_right = f.icmp("eq", last, f.integer(product.n))
        if full < product.n and not plan.shares_edge:
            with f.when(at_right):
                self._pack_edge(self.edge)
        with self._row_blocks() as (begin, end):
            if plan.pack_a:
                self._pack_a(begin, end)
            if full or plan.shares_edge:
                ahead = None
                if plan.packs_ahead(self.overlaps):
                    ahead = Ahead(self._b_panel(plan.width), f.variable(f.integer(0)), f.variable(f.integer(0)))
                with f.loop(first, last if plan.shares_edge else stop, plan.width) as column:
                    b = self._b_operand(begin, first, column, ahead)
                    if ahead is not None:
                        self._begin_next(ahead, begin, end, f.icmp("slt", f.add(column, f.integer(plan.width)), stop))
                    self._panel(begin, end, first, column, b, plan.lanes, plan.vectors, plan.width, ahead)
            if full < product.n and not plan.shares_edge:
                with f.when(at_right):
                    b = Operand(self.edge, plan.edge_width, True)
                    edge = plan.edge_lanes, plan.edge_vectors, product.n - full
                    self._panel(begin, end, first, f.integer(full), b, *edge)

    @property
    def _full(self) -> int:
        """How many columns are in full panels."""
        return self.product.n // self.plan.width * self.plan.width

    def _b_operand(self, begin: Value, first: Value, column: Value, ahead: Ahead | None) -> Operand:
        """Return a panel of B; the first block of rows that needs it packs it, so that it is in cache at once."""
        f, plan, product = self.f, self.plan, self.product
        if not plan.pack_b:
            return Operand(self._b_at(column), product.b_strides[0], False)
        panel, filled = self._place(first, column), None if ahead is None else f.get(ahead.rows)
        if product.m <= plan.block_rows:
            self._pack_b(column, panel, filled)
        else:
            with f.when(f.icmp("eq", begin, self.begin)):
                self._pack_b(column, panel, filled)
        return Operand(panel, plan.width, True)

    def _place(self, first: Value, column: Value) -> Value:
        """Return where a panel of B is packed to; where all rows are one block, one place does, or two by turns."""
        f, plan = self.f, self.plan
        number = f.binary("udiv", f.sub(column, first), f.integer(plan.width))
        if self.product.m <= plan.block_rows:
            number = f.binary("urem", number, f.integer(1 + plan.packs_ahead(self.overlaps)))
        return f.at(self.packed_b, f.mul(number, f.integer(plan.cells.depth * plan.width)), self.product.summed)

    def _begin_next(self, ahead: Ahead, begin: Value, end: Value, there: Value) -> None:
        """Begin a panel, if it is there to be packed by the first block of rows: spread over all full tiles."""
        f, plan, unit = self.f, self.plan, ahead.panel.unit
        parts = f.mul(f.binary("udiv", f.sub(end, begin), f.integer(plan.rows)), f.integer(plan.parts * unit))
        more = f.add(parts, f.integer(ahead.panel.regular - 1))
        each = f.binary("udiv", more, f.intrinsic("smax", parts, f.integer(1)))
        wanted = f.binary("and", there, f.icmp("eq", begin, self.begin))
        f.set(ahead.each, f.select(wanted, f.mul(each, f.integer(unit)), f.integer(0)))
        f.set(ahead.rows, f.integer(0))

    def _pack_b(self, column: Value, into: Value, filled: Value | None) -> None:
        f, plan = self.f, self.plan
        if not plan.shares_edge:
            fill(f, self._b_panel(plan.width), self._b_at(column), into, filled)
            return
        if self._full:
            with f.when(f.icmp("slt", column, f.integer(self._full))):
                fill(f, self._b_panel(plan.width), self._b_at(column), into, filled)
        with f.when(f.icmp("eq", column, f.integer(self._full))):
            self._pack_edge(into)

    def _pack_edge(self, into: Value) -> None:
        left = self.f.integer(self.product.n - self._full)
        panel = self._b_panel(self.plan.edge_width)
        fill_partly(self.f, panel, self._b_at(self.f.integer(self._full)), into, left)

    def _panel(
        self,
        begin: Value,
        end: Value,
        first_column: Value,
        column: Value,
        b: Operand,
        lanes: int,
        vectors: int,
        valid: int,
        ahead: Ahead | None = None,
    ) -> None:
        """Compute rows of a panel of columns, as many at a time as a tile has, and what is left by low tiles.

        The epilogue comes after each tile, or is done beside the sums of the next.
        """
        f, product, plan, width = self.f, self.product, self.plan, lanes * vectors
        buffer = f.slot(product.summed, plan.rows * width)
        drain = Drain(product, self.epilogue, buffer, width, lanes if vectors % 2 else 2 * lanes)
        last = None
        if plan.shares_edge:
            left_over = product.n % plan.width
            last = f.icmp("eq", column, f.integer(product.n - left_over)), left_over
        # What the buffer holds: so many rows, from which on.
        first, height, full = f.variable(begin), f.variable(f.integer(0)), f.integer(plan.rows)

        def tile(row: Value, count: Value, beside: Beside | None = None) -> None:
            self._tile(begin, row, count, b, lanes, vectors, buffer, beside)
            f.set(first, row)
            f.set(height, count)

        parts = plan.parts
        overlaps = self.overlaps and plan.spreads

        def pack(_: Value) -> None:
            if ahead is not None:
                following = f.add(column, f.integer(plan.width))
                ahead.pack(f, self._b_at(following), self._place(first_column, following))

        if overlaps:
            each_time = -(-plan.rows // parts)
            with f.loop(begin, f.sub(end, f.binary("srem", f.sub(end, begin), full)), plan.rows) as row:

                def beside(part: Value) -> None:
                    pack(part)
                    start = f.mul(part, f.integer(each_time))
                    self._ask(f.add(row, start), each_time, column, width)
                    stop = f.intrinsic("smin", f.add(start, f.integer(each_time)), f.get(height))
                    with f.loop(start, stop) as r:
                        drain.row(f, f.get(first), r, column, valid, last)

                tile(row, full, Beside(parts, beside))
        with f.while_() as loop:
            drain.columns(f, f.get(first), f.get(height), column, valid, last)
            row = f.add(f.get(first), f.get(height))
            left = f.sub(end, row)
            loop.leave_unless(f.icmp("sgt", left, f.integer(0)))
            if plan.rows > plan.low and not overlaps:
                with f.when(f.icmp("sge", left, full)):
                    tile(row, full, None if ahead is None else Beside(parts, pack))
            with f.when(f.icmp("slt", left, full)) if plan.rows > plan.low else nullcontext():
                tile(row, f.intrinsic("smin", left, f.integer(plan.low)))

    def _ask(self, row: Value, rows: int, column: Value, width: int) -> None:
        """Ask for the memory of the epilogue of some rows; all at once it would keep the panels from being read."""
        if self.prefetch is not None:
            for number in range(rows):
                self.prefetch(self.f, self.f.add(row, self.f.integer(number)), column, width)

    def _tile(
        self,
        begin: Value,
        row: Value,
        count: Value,
        b: Operand,
        lanes: int,
        vectors: int,
        buffer: Value,
        beside: Beside | None = None,
    ) -> None:
        """Put the sums of a tile into a buffer: of all rows, or of a low tile's, the last repeated."""
        f, plan = self.f, self.plan
        rows = plan.rows if count.literal == plan.rows else plan.low
        if isinstance(plan.cells, Squares):
            a = self._squares_of(begin, row)
            amx.multiply(f, plan.cells, a, b.pointer, rows // SIDE, vectors, buffer, beside)
            return
        each = [f.integer(r) for r in range(rows)]
        if rows < plan.rows or plan.rows == plan.low:
            last = f.sub(count, f.integer(1))
            each = [each[0], *(f.intrinsic("smin", r, last) for r in each[1:])]
        found, offsets = self._a_tile(begin, row, each)
        sums = accumulate(f, self.target, plan.cells, found, offsets, b, lanes, vectors, beside)
        keep(f, self.product, sums, buffer)

    def _squares_of(self, begin: Value, row: Value) -> Value:
        """Return where the squares of a row of A begin."""
        f, cells = self.f, self.plan.cells
        return f.at(self.packed_a, f.mul(f.sub(row, begin), f.integer(cells.depth)), cells.type)

    def _a_tile(self, begin: Value, row: Value, rows: list[Value]) -> tuple[Operand, list[Value]]:
        """Return where a tile that starts at a row finds A, and how far away each of its rows begins."""
        f, plan, product = self.f, self.plan, self.product
        if not plan.pack_a:
            stride = f.integer(product.a_strides[0])
            start = f.at(self.a, f.mul(row, stride), product.stored)
            return Operand(start, product.a_strides[1], False), [f.mul(each, stride) for each in rows]
        inside = f.sub(row, begin)
        panel = f.binary("udiv", inside, f.integer(plan.rows))
        skipped = f.mul(panel, f.integer(plan.cells.depth * plan.a_width - plan.rows))
        start = f.at(self.packed_a, f.add(inside, skipped), product.summed)
        return Operand(start, plan.a_width, True), [f.integer(r) for r in range(len(rows))]

    @contextmanager
    def _row_blocks(self) -> Iterator[tuple[Value, Value]]:
        """Write what is inside for the rows of A that are packed, or kept in cache, together."""
        f, size = self.f, self.plan.block_rows
        if self.product.m <= size:
            yield self.begin, self.end
            return
        with f.loop(self.begin, self.end, size) as begin:
            yield begin, f.intrinsic("smin", f.add(begin, f.integer(size)), self.end)

    def _pack_a(self, begin: Value, end: Value) -> None:
        f, plan, product = self.f, self.plan, self.product
        if isinstance(plan.cells, Squares):
            with f.loop(begin, end, SIDE) as row:
                source = f.at(self.a, f.mul(row, f.integer(product.a_strides[0])), product.stored)
                into = self._squares_of(begin, row)
                amx.fill_rows(f, plan.cells, product.a_strides, source, into, f.sub(end, row))
            return
        panel = Panel(product, self.target, plan.cells, plan.a_width, *product.a_strides)
        with f.loop(begin, end, plan.rows) as row:
            source = f.at(self.a, f.mul(row, f.integer(product.a_strides[0])), product.stored)
            number = f.binary("udiv", f.sub(row, begin), f.integer(plan.rows))
            into = f.at(self.packed_a, f.mul(number, f.integer(plan.cells.depth * plan.a_width)), product.summed)
            left = f.sub(end, row)
            with f.when(f.icmp("sge", left, f.integer(plan.a_width))):
                fill(f, panel, source, into)
            with f.when(f.icmp("slt", left, f.integer(plan.a_width))):
                fill_partly(f, panel, source, into, left)

    def _b_panel(self, width: int) -> Panel:
        along, across = self.product.b_strides
        return Panel(self.product, self.target, self.plan.cells, width, across, along)

    def _b_at(self, column: Value) -> Value:
        return self.f.at(self.b, self.f.mul(column, self.f.integer(self.product.b_strides[1])), self.product.stored)
