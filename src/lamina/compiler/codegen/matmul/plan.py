"""How a product is computed: which kind of code, the shape of its tiles, what is packed, how much at a time."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from lamina.compiler.codegen.matmul.cells import (
    SIDE,
    Cells,
    Elements,
    Pairs,
    Squares,
    multiplies_pairs,
    multiplies_squares,
)
from lamina.compiler.codegen.matmul.product import Product
from lamina.compiler.target import Target

_PANELS = 4 * 1024 * 1024  # bytes of B that are packed at a time, in the cache that cores share
_APART = 2048  # bytes from which on lines of neighbouring k get into each other's way
_FEW = 4  # parts into which the sums of a tile must be cut for something to be done beside them
TAIL = 4  # rows of the tile for what is left below the others, whose row pointers are clamped


class Tiling(NamedTuple):
    """Register tiles over packed or plain operands.

    Attributes
    ----------
    lanes, vectors, rows : int
        A tile is so many rows of so many vectors.
    cells : Elements, Pairs or Squares
        What packed panels consist of. Operands that are not packed are elements.
    pack_a, pack_b : bool
        Whether an operand is copied to panels first. What is left at the right of B always is.
    block_rows, block_panels : int
        How many rows of A and panels of B are packed, or kept in cache, at a time.
    edge_lanes, edge_vectors : int
        Shape of a tile for the columns that are left at the right; no vectors where none are left.
    far : bool
        Whether B is not in a core's own cache when it is packed, and two of its panels fit there.
    copied : bool
        Whether panels of B are its rows as they are, and two fit in the first cache.
    """

    lanes: int
    vectors: int
    rows: int
    cells: Cells
    pack_a: bool
    pack_b: bool
    block_rows: int
    block_panels: int
    edge_lanes: int
    edge_vectors: int
    far: bool
    copied: bool

    @property
    def width(self) -> int:
        """Columns of a tile."""
        return self.lanes * self.vectors

    @property
    def shares_edge(self) -> bool:
        """Whether the panel at the right is shaped as the others, so that the same code computes it."""
        return self.pack_b and (self.edge_lanes, self.edge_vectors) == (self.lanes, self.vectors)

    @property
    def edge_width(self) -> int:
        """Columns of the panel at the right, padding included."""
        return self.edge_lanes * self.edge_vectors

    @property
    def low(self) -> int:
        """Rows of the tile for what is left below the others."""
        return min(self.rows, SIDE if isinstance(self.cells, Squares) else TAIL)

    @property
    def steps(self) -> int:
        """How many rounds the inner loop of a tile takes."""
        return self.cells.depth // (SIDE if isinstance(self.cells, Squares) else 1)

    @property
    def parts(self) -> int:
        """Into how many parts the sums of a tile are cut for what is done beside: at most one for each row."""
        if isinstance(self.cells, Squares):
            return max(each for each in range(1, self.rows + 1) if self.steps % each == 0)
        return min(self.rows, self.steps // 2)

    @property
    def spreads(self) -> bool:
        """Whether sums are long enough for something to be done beside them."""
        return self.rows > self.low and self.parts >= _FEW

    def packs_ahead(self, overlaps: bool) -> bool:
        """Tell whether a panel of B is packed beside the sums of the panel before it.

        Packing waits where B is far. Where an epilogue is worked on beside the sums, copying costs least there too;
        transposing takes units that multiply.
        """
        return self.pack_b and self.spreads and (self.far or (overlaps and self.copied))

    @property
    def room(self) -> int:
        """For how many packed panels of B there is memory."""
        return self.block_panels + self.packs_ahead(True) if self.pack_b else 0

    @property
    def a_width(self) -> int:
        """Rows of a packed panel of A, padding included."""
        return -(-self.rows // 4) * 4


class Dots(NamedTuple):
    """Sums of products of two vectors of cells along k: tiles of rows and columns, a vector of partial sums each."""

    lanes: int
    rows: int
    columns: int
    cells: Cells


class Resident(NamedTuple):
    """The whole of B in registers while rows of A pass by. Pieces are (first column, lanes; 0 for a scalar)."""

    pieces: tuple[tuple[int, int], ...]


class Column(NamedTuple):
    """One column of C where neighbours of A lie along m: vectors along m, so many at a time."""

    lanes: int
    vectors: int


Plan = Tiling | Dots | Resident | Column | Literal["nothing", "zeros"]


def pieces(start: int, stop: int, lanes: int) -> tuple[tuple[int, int], ...]:
    """Cut a range of columns into vectors of powers of two, the widest first, and a scalar (0 lanes)."""
    found = []
    while start < stop:
        while lanes > stop - start:
            lanes //= 2
        found.append((start, lanes if lanes > 1 else 0))
        start += lanes
    return tuple(found)


@cache
def plan(product: Product, target: Target) -> Plan:
    """Choose how to compute a product on a machine. The shares of threads have no part in it."""
    m, n, k = product.m, product.n, product.k
    if not m or not n:
        return "nothing"
    if not k:
        return "zeros"
    lanes = target.lanes(product.summed.bits)
    vectors = n // lanes + (n % lanes).bit_count()
    contiguous = product.b_strides[1] == 1 or n == 1
    loads = k * (vectors if contiguous else n)
    if vectors <= 3 and k * vectors <= 16 and loads <= 48:
        return Resident(pieces(0, n, lanes))
    along_k = product.a_strides[1] == 1 and product.b_strides[0] == 1
    if n == 1 and product.a_strides[0] == 1 and not along_k and m >= lanes > 1:
        return Column(lanes, 4)
    # Packing B costs as much as four rows of C; adding up the lanes of a sum as much as forty of its terms. Where
    # operands are rounded to pairs, that takes longer than their products: from 16 rows on each is rounded once.
    fewer = min(k / 10, 16) if multiplies_pairs(product, target) else k / 10
    few_rows = m < fewer and m * k * product.summed.bits // 8 <= target.l2 // 2
    if k > 1 and along_k and 2 * k >= lanes and (n <= 4 or m <= 2 or few_rows):
        return _dots(product, target, lanes)
    return _tiling(product, target, lanes)


def _dots(product: Product, target: Target, lanes: int) -> Dots:
    cells: Cells = Elements(product)
    if product.k >= 8 and multiplies_pairs(product, target):
        cells = Pairs(product)
    while lanes * cells.per_cell > product.k:
        lanes //= 2
    columns = min(product.n, 4)
    budget = 16 if target.registers >= 32 else 8
    rows = min(product.m, max(budget // columns, 1), 8)
    return Dots(lanes, rows, columns, cells)


def _tiling(product: Product, target: Target, lanes: int) -> Tiling:
    m, n, k = product.m, product.n, product.k
    item = product.summed.bits // 8
    while lanes >= 2 * n:
        lanes //= 2
    vectors, rows = tile_shape(m, -(-n // lanes), target)
    cells: Cells = Elements(product)
    if multiplies_squares(product, target):
        cells, vectors, rows = Squares(product), min(-(-n // SIDE), 2), SIDE if m <= SIDE else 2 * SIDE
    elif lanes >= 4 and k > 1 and multiplies_pairs(product, target):
        cells = Pairs(product)
    pairs, width = isinstance(cells, Pairs), lanes * vectors
    pack_b = pairs or product.b_strides[1] != 1 or (m > 8 and (product.converted or k * n * item > target.l1))
    left = n % width
    edge_lanes, edge_vectors = lanes, -(-left // lanes)
    # Pairs are multiplied by vectors of four at least.
    while left and edge_lanes >= 2 * left and not isinstance(cells, Squares) and not (pairs and edge_lanes == 4):
        edge_lanes //= 2
    # Where neighbours of A lie along m, a tile reads them from one cache line, unless lines lie so far apart that
    # one takes another's place.
    lines = product.a_strides[0] == 1 and product.a_strides[1] * item <= _APART
    large = n >= 8 * width and m * k * item > target.l2 and not lines
    pack_a = pairs or (n >= 2 * width if product.converted else large)
    panel = cells.depth * width * item
    far = k * n * product.stored.bits // 8 > target.l2 and 1 in product.b_strides and 2 * panel <= target.l2
    block_rows = max(target.l2 // 2 // (cells.depth * item) // rows, 4) * rows
    if far and pack_a and m * cells.depth * item <= _PANELS:
        # A is packed once and read from the cache that cores share, panels of B from a core's own.
        block_rows = max(block_rows, -(-m // rows) * rows)
    # Every block of rows needs all panels again; a single one needs each of them once.
    block_panels = 1 if m <= block_rows else max(min(-(-n // width), _PANELS // panel), 1)
    edge = edge_lanes, edge_vectors
    copied = product.b_strides[1] == 1 and 2 * panel <= target.l1
    return Tiling(lanes, vectors, rows, cells, pack_a, pack_b, block_rows, block_panels, *edge, far, copied)


def tile_shape(m: int, vectors: int, target: Target) -> tuple[int, int]:
    """Return vectors and rows of a tile: many sums in registers, few rows that are computed and not wanted."""
    many = target.registers >= 32
    if m <= 2:
        return min(vectors, 8 if many else 4), m
    if m <= (6 if many else 3):
        return min(vectors, 4 if many else 3), m
    wide = 3 if many and vectors % 3 == 0 and vectors % 2 else 2
    tallest = {1: 12, 2: 12, 3: 8} if many else {1: 8, 2: 6 if target.fma else 4}
    rows = tallest[min(vectors, wide)]
    heights = range(max(rows - 4, 4), rows + 1)
    return min(vectors, wide), min(heights, key=lambda rows: (_rows_computed(m, rows), -rows))


def _rows_computed(m: int, rows: int) -> int:
    """How many rows tiles of a height compute for m of them; those in low tiles cost more."""
    full = m // rows * rows
    return 4 * full + 5 * (-(-(m - full) // TAIL) * TAIL)
