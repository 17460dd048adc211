"""What generation keeps of the places before: their keys and values."""

from __future__ import annotations

from lamina.dtypes import DEFAULT_FLOAT, DTypeLike, as_dtype, int64
from lamina.errors import ShapeError
from lamina.functions.creation import arange, asarray, zeros
from lamina.functions.manipulation import permute_dims, reshape
from lamina.functions.operands import cast
from lamina.tensor import Tensor
from lamina.variable import Variable


class KeyValueCache:
    """Keys and values of the places of a sequence so far, with room for a fixed number.

    It is no part of a model's state. The room is fixed, so that a step of generation has the same shapes whatever came
    before, and is compiled once; how far it is filled is a variable.

    Parameters
    ----------
    samples, heads, capacity, width : int
        Sequences, heads of keys and values, places, and width of a head.
    dtype : DType, default float32
    device : str, optional

    Attributes
    ----------
    keys, values : Variable of shape [capacity, samples, heads, width]
    length : Variable
        int64 of shape []: how many places are filled.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> cache = nn.KeyValueCache(1, 2, capacity=8, width=4)
    >>> new = la.random.normal((1, 2, 3, 4))
    >>> keys, values, mask = cache.extended(new, new)
    >>> keys.shape, mask.shape, cache.length.item()
    ((1, 2, 8, 4), (3, 8), 3)
    """

    def __init__(
        self,
        samples: int,
        heads: int,
        capacity: int,
        width: int,
        *,
        dtype: DTypeLike | None = None,
        device: str | None = None,
    ) -> None:
        wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
        shape = (capacity, samples, heads, width)
        # Places come first, so that new ones are rows, written without a copy of the others.
        self.keys = Variable(zeros(shape, dtype=wanted, device=device), "keys", trainable=False)
        self.values = Variable(zeros(shape, dtype=wanted, device=device), "values", trainable=False)
        self.length = Variable(asarray(0, dtype=int64, device=device), "length", trainable=False)

    @property
    def capacity(self) -> int:
        """How many places there is room for."""
        return self.keys.shape[0]

    def extended(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add the keys and values of L more places, and return all with the mask for their queries.

        Parameters
        ----------
        keys, values : Tensor of shape [samples, heads, L, width]

        Returns
        -------
        keys, values : Tensor of shape [samples, heads, capacity, width]
        mask : Tensor of bools, shape [L, capacity]
            True at the places that are filled and not behind the query's.

        Raises
        ------
        ShapeError
            When shapes do not fit. What goes beyond the capacity is left out, for how far the cache is filled is not
            known while a step is compiled.
        """
        capacity, samples, heads, width = self.keys.shape
        count = keys.shape[-2] if keys.ndim == 4 else -1
        if keys.shape != (samples, heads, count, width) or values.shape != keys.shape or count > capacity:
            raise ShapeError(
                f"KeyValueCache: expected keys and values of shape [{samples}, {heads}, L, {width}] with L at most "
                f"{capacity}, got {list(keys.shape)} and {list(values.shape)}"
            )
        places = arange(count, device=self.length.device) + self.length.value
        for variable, new in ((self.keys, keys), (self.values, values)):
            variable.assign_rows(places, cast(permute_dims(new, (2, 0, 1, 3)), variable.dtype))
        self.length.assign(self.length.value + count)
        everywhere = [permute_dims(each.value, (1, 2, 0, 3)) for each in (self.keys, self.values)]
        mask = arange(capacity, device=self.length.device) <= reshape(places, (count, 1))
        return everywhere[0], everywhere[1], mask

    def clear(self) -> None:
        """Begin a new sequence."""
        self.length.assign(0)
