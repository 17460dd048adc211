"""Tables of vectors, looked up by number. Their gradients name the rows that were used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.autodiff.node import record
from lamina.autodiff.row_gradient import gather_rows
from lamina.dtypes import DTypeLike
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.creation import asarray
from lamina.functions.operands import floating, tensor
from lamina.linalg import vector_norm
from lamina.nn.init import Initializer, as_initializer, made_by
from lamina.nn.label_checks import check_rows
from lamina.nn.module import Module
from lamina.nn.settings import parameter_dtype, positive_count
from lamina.primitives.broadcasting import reshape
from lamina.primitives.elementwise import less, where
from lamina.primitives.indexing import put_rows, take
from lamina.tensor import Tensor
from lamina.variable import Variable


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = True,
) -> Tensor:
    """Return the rows of a table, ``weight[input]``.

    Parameters
    ----------
    input : Tensor of integers, shape [...]
        Which rows, from 0 up to the number of rows.
    weight : Tensor of shape [rows, d]
    padding_idx : int, optional
        A row that gets no gradient; counted from the end if negative.
    max_norm : float, optional
        Rows that are used and whose norm is larger are scaled to this norm first, in ``weight`` itself, which must
        then be a `Variable`.
    norm_type : float, default 2.0
        The ``p`` of that norm, ``(Σ |w|ᵖ)^(1/p)``.
    scale_grad_by_freq : bool, default False
        Whether the gradient of a row is divided by how often the row was used.
    sparse : bool, default True
        Whether the gradient is a `lamina.RowGradient`, which names the rows that were used. An optimiser then leaves
        the others alone; see `lamina.optim.Optimizer`. PyTorch's default is the dense gradient, with which momentum
        moves and weight decay shrinks rows that were not used.

    Returns
    -------
    Tensor of shape [..., d]

    Raises
    ------
    DTypeError
        When the input is not of integers.
    SubscriptError
        When one of them is negative or the table has no such row.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> nn.embedding(la.asarray([2, 0]), la.asarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    Tensor([[5., 6.],
            [1., 2.]], shape=[2, 2], dtype=float32)
    """
    input, weight = tensor("embedding", input), floating("embedding", weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the weight is a table of shape [rows, d], got {list(weight.shape)}")
    check_rows("embedding", input, weight.shape[0])
    ignored = _row("embedding", padding_idx, weight.shape[0])
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    return gather_rows(weight, input, ignored=ignored, by_frequency=scale_grad_by_freq, dense=not sparse)


def _row(owner: str, index: int | None, length: int) -> int | None:
    if index is None:
        return None
    if isinstance(index, bool) or not isinstance(index, int) or not -length <= index < length:
        raise DataError(f"{owner}: padding_idx names one of the {length} rows, got {index!r}")
    return index % length


def _shorten(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows at the indices that are longer than the norm allowed."""
    if not isinstance(weight, Variable):
        raise DTypeError("embedding: max_norm changes the weight, which is then a variable made with la.variable")
    if not norm_type > 0.0 or not max_norm > 0.0:
        raise DataError(f"embedding: max_norm and norm_type are positive, got {max_norm} and {norm_type}")
    with record(False):
        places = reshape(indices._untracked, shape=(indices.size,))
        rows = take(weight._untracked, places, axis=0)
        norms = vector_norm(rows, axis=1, keepdims=True, ord=norm_type)
        too_long = less(norms._scalar(max_norm), norms)
        weight.assign_rows(places, where(too_long, rows * (max_norm / (norms + 1e-7)), rows))


class _Given:
    """An initialiser that makes what is there."""

    def __init__(self, values: Tensor) -> None:
        self._values = values

    def __call__(self, shape: Sequence[int], *, dtype: DTypeLike | None = None) -> Tensor:
        return self._values


class Embedding(Module):
    """A table of vectors, looked up by number: words, users, categories.

    Its gradient names the rows that were used, so that a step costs in proportion to these and not to the table,
    unless something else needs it dense: another use of the weight, or a penalty on it.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table.
    embedding_dim : int
        Length of a row.
    padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        As in `embedding`. The row ``padding_idx`` begins as zeros.
    init : callable or str, optional
        What makes the weight, as in `Linear`; by default numbers of the standard normal distribution.
    dtype : DType, default float32
        Of the weight.

    Attributes
    ----------
    weight : Variable of shape [num_embeddings, embedding_dim]

    Raises
    ------
    ShapeError, DTypeError, DataError
        When a setting or an input is out of its range.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> table = nn.Embedding(1_000_000, 8)
    >>> table(la.asarray([[3, 5, 3]])).shape
    (1, 3, 8)
    >>> optimizer = la.optim.Adam(table.parameters())
    >>> optimizer.step((table(la.asarray([3, 5, 3])) ** 2).sum().backward())  # two rows, not a million
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = True,
        *,
        init: Initializer | str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.num_embeddings = positive_count("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = positive_count("Embedding", "embedding_dim", embedding_dim)
        self.padding_idx = _row("Embedding", padding_idx, self.num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        wanted = parameter_dtype("Embedding", dtype)
        initializer = as_initializer("normal" if init is None else init)
        made = made_by("Embedding", initializer, (self.num_embeddings, self.embedding_dim), wanted)
        if self.padding_idx is not None and init is None:
            made = put_rows(made, made._full((1, self.embedding_dim), 0), asarray([self.padding_idx]))
        self.weight = Variable(made, "weight")

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **settings: Any) -> Embedding:
        """Return a table of given vectors.

        Parameters
        ----------
        embeddings : Tensor or array, shape [num_embeddings, embedding_dim]
        freeze : bool, default True
            Whether the table is a buffer, which is not trained.
        **settings
            Those of `Embedding` from ``padding_idx`` to ``sparse``.

        Examples
        --------
        >>> from lamina import nn
        >>> table = nn.Embedding.from_pretrained([[1.0, 2.0], [3.0, 4.0]])
        >>> table.parameters(), table.num_embeddings
        ([], 2)
        """
        values = asarray(embeddings)._untracked
        if values.ndim != 2:
            raise ShapeError(f"Embedding: expected vectors of shape [rows, d], got {list(values.shape)}")
        rows, length = values.shape
        made = cls(rows, length, **settings, init=_Given(values), dtype=values.dtype)
        made.weight = Variable(values, "weight", trainable=not freeze)
        return made

    def __call__(self, input: Tensor) -> Tensor:
        """Return the rows, of shape [..., embedding_dim], at indices of shape [...]."""
        return embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        shown = {"padding_idx": None, "max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": True}
        others = [f"{name}={getattr(self, name)}" for name, usual in shown.items() if getattr(self, name) != usual]
        return ", ".join([str(self.num_embeddings), str(self.embedding_dim), *others])
