"""Einstein's summation convention: a product of tensors, named axis by named axis."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from lamina.dtypes import bool_
from lamina.errors import DTypeError, ShapeError
from lamina.functions.linalg_products import diagonal
from lamina.functions.operands import common
from lamina.primitives.broadcasting import reshape, sum_
from lamina.primitives.contraction import product_of
from lamina.primitives.shaping import permute_dims

if TYPE_CHECKING:
    from lamina.tensor import Tensor

# One label for each axis: a letter, or "...k" for the k-th from the end of those an ellipsis stands for.
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Term:
    """An operand and the labels of its axes, each only once."""

    x: Tensor
    labels: Labels

    def sizes(self) -> dict[str, int]:
        """Return the length of each axis by label."""
        return dict(zip(self.labels, self.x.shape, strict=True))


def einsum(subscripts: str, /, *operands: Tensor) -> Tensor:
    """Return the sum of products of elements over the axes whose letters are not in the output.

    Parameters
    ----------
    subscripts : str
        A letter for each axis of each operand, operands separated by commas, and behind ``->`` the letters of
        the result in order. A letter repeated in one operand takes its diagonal. ``...`` stands for axes that
        broadcast. Without ``->`` the result has the axes of the ellipsis and then, in alphabetical order, the
        letters that occur once.
    *operands : Tensor
        Numbers, promoted to their common type.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When the subscripts are malformed or do not fit the shapes.

    Notes
    -----
    Operands are contracted in pairs by matrix products, each time the pair with the least arithmetic.

    Examples
    --------
    >>> import lamina as la
    >>> a, b = la.asarray([[1.0, 2.0], [3.0, 4.0]]), la.asarray([10.0, 1.0])
    >>> la.einsum("ij,j->i", a, b)
    Tensor([12., 34.], shape=[2], dtype=float32)
    >>> la.einsum("ii", a)
    Tensor(5., shape=[], dtype=float32)
    """
    tensors = common("einsum", *operands)
    if tensors[0].dtype is bool_:
        raise DTypeError("einsum: expected numbers, got bool; cast with astype")
    inputs, output = _parsed(subscripts, tensors)
    _check_sizes(subscripts, inputs, tensors)
    terms = [_without_repeats(x, labels) for x, labels in zip(tensors, inputs, strict=True)]
    terms = [_summed(term, _needed(terms, at, output)) for at, term in enumerate(terms)]
    while len(terms) > 1:
        first, second = min(combinations(range(len(terms)), 2), key=lambda pair: _cost(terms[pair[0]], terms[pair[1]]))
        rest = [term for at, term in enumerate(terms) if at not in (first, second)]
        kept = set(output).union(*(term.labels for term in rest))
        terms = [*rest, _product(terms[first], terms[second], kept)]
    (result,) = terms
    order = tuple(result.labels.index(label) for label in output)
    return result.x._snapshot if order == tuple(range(len(order))) else permute_dims(result.x, axes=order)


# --- reading the subscripts -------------------------------------------------------------------------------


def _parsed(subscripts: str, tensors: Sequence[Tensor]) -> tuple[list[Labels], Labels]:
    """Return the labels of each operand and of the result."""
    if not isinstance(subscripts, str):
        raise DTypeError(f'einsum: expected subscripts such as "ij,jk->ik" first, got {type(subscripts).__name__}')
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(tensors):
        raise ShapeError(f"einsum: {subscripts!r} names {len(parts)} operands, got {len(tensors)}")
    inputs = [_labels(subscripts, part, x.ndim, x.shape) for part, x in zip(parts, tensors, strict=True)]
    counts = Counter(label for labels in inputs for label in labels)
    hidden = sorted((label for label in counts if len(label) > 1), key=_ellipsis_position, reverse=True)
    if not arrow:
        return inputs, (*hidden, *sorted(label for label, count in counts.items() if count == 1 and len(label) == 1))
    if hidden and "..." not in right:
        raise ShapeError(f"einsum: {subscripts!r} has an ellipsis on the left only; write ... on the right as well")
    output = _labels(subscripts, right, len(hidden) + len(right.replace("...", "")), None)
    for label, count in Counter(output).items():
        if count > 1 or label not in counts:
            fault = "twice in the result" if count > 1 else "in no operand"
            raise ShapeError(f"einsum: {label!r} of {subscripts!r} occurs {fault}")
    return inputs, output


def _ellipsis_position(label: str) -> int:
    return int(label[3:])


def _labels(subscripts: str, part: str, ndim: int, shape: tuple[int, ...] | None) -> Labels:
    """Return the labels of one operand or of the result, which has ``ndim`` axes."""
    before, dots, after = part.partition("...")
    letters = before + after
    if not all(letter.isascii() and letter.isalpha() for letter in letters):
        raise ShapeError(f"einsum: {part!r} of {subscripts!r} may hold letters and one ellipsis (...) only")
    hidden = ndim - len(letters)
    if hidden < 0 or (hidden and not dots):
        raise ShapeError(
            f"einsum: {part!r} of {subscripts!r} names {len(letters)} axes, the shape is {list(shape or ())}"
        )
    return (*before, *(f"...{position}" for position in range(hidden, 0, -1)), *after)


def _check_sizes(subscripts: str, inputs: Sequence[Labels], tensors: Sequence[Tensor]) -> None:
    """Letters have one length everywhere; the axes of an ellipsis broadcast."""
    sizes: dict[str, int] = {}
    for labels, x in zip(inputs, tensors, strict=True):
        for label, size in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if len(label) > 1 and 1 in (known, size):
                sizes[label] = size if known == 1 else known
            elif known != size:
                given = " and ".join(str(list(each.shape)) for each in tensors)
                name = f"axis {label!r}" if len(label) == 1 else "an axis of the ellipsis"
                raise ShapeError(f"einsum: {name} of {subscripts!r} has lengths {known} and {size} in shapes {given}")


# --- contraction ------------------------------------------------------------------------------------------


def _without_repeats(x: Tensor, labels: Labels) -> Term:
    """Take the diagonal over every label that stands more than once."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            one, other = [at for at, each in enumerate(labels) if each == label][:2]
            rest = [at for at in range(len(labels)) if at not in (one, other)]
            x = diagonal(permute_dims(x, axes=(*rest, one, other)))
            labels = (*(labels[at] for at in rest), label)
    return Term(x, labels)


def _needed(terms: Sequence[Term], position: int, output: Labels) -> set[str]:
    """Return the labels that the result or another operand than that at ``position`` has."""
    return set(output).union(*(term.labels for at, term in enumerate(terms) if at != position))


def _summed(term: Term, needed: set[str]) -> Term:
    axes = tuple(at for at, label in enumerate(term.labels) if label not in needed)
    if not axes:
        return term
    return Term(sum_(term.x, axes=axes, keepdims=False), tuple(label for label in term.labels if label in needed))


def _cost(a: Term, b: Term) -> int:
    """Return how many multiplications the product of two operands takes."""
    return math.prod((a.sizes() | b.sizes()).values())


def _product(a: Term, b: Term, kept: set[str]) -> Term:
    """Multiply two operands and sum over the labels that are not kept, as a batch of matrix products."""
    shared = [label for label in a.labels if label in b.labels]
    batch = [label for label in shared if label in kept]
    inner = [label for label in shared if label not in kept]
    rows = [label for label in a.labels if label not in shared]
    columns = [label for label in b.labels if label not in shared]
    left, right = _as_matrices(a, batch, rows, inner), _as_matrices(b, batch, inner, columns)
    # Without an inner axis the matrix product is an outer one, which broadcasting does.
    product = product_of(left)(left, right) if inner else left * right
    sizes = a.sizes() | b.sizes()
    shape = (*product.shape[:-2], *(sizes[label] for label in (*rows, *columns)))
    return Term(reshape(product, shape=shape), (*batch, *rows, *columns))


def _as_matrices(term: Term, batch: list[str], rows: list[str], columns: list[str]) -> Tensor:
    """Return the operand with the batch axes first, then one axis for ``rows`` and one for ``columns``."""
    sizes = term.sizes()
    axes = tuple(term.labels.index(label) for label in (*batch, *rows, *columns))
    shape = (
        *(sizes[label] for label in batch),
        math.prod(sizes[label] for label in rows),
        math.prod(sizes[label] for label in columns),
    )
    moved = term.x if axes == tuple(range(len(axes))) else permute_dims(term.x, axes=axes)
    return moved if moved.shape == shape else reshape(moved, shape=shape)
