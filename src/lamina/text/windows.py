"""Samples of a long text: windows, and what comes next at each place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lamina import random
from lamina.errors import DataError
from lamina.functions.creation import arange, asarray
from lamina.functions.indexing import take
from lamina.functions.manipulation import reshape
from lamina.tensor import Tensor

Places = npt.NDArray[np.int64]


class TextWindows:
    """Windows of a text at random places, each with the tokens that come next.

    ``batch`` is for steps of one's own, compiled ones too; for `lamina.fit` this is a `lamina.data.Stream`.

    Parameters
    ----------
    tokens : Tensor or array of integers, shape [n]
        The whole text; it stays in memory on the device, so that a compiled step can draw from it.
    length : int
        Tokens of a window, fewer than ``n``.
    windows : int, optional
        How many windows an epoch of the stream has; as many as stand one behind the other when None. A shuffled epoch
        goes through the text from a place drawn at random, again and again where it takes more, and in the order of
        the text the windows are evenly spread over it.
    device : str, optional
    name : str, default "text"
        What to call it in messages.

    Raises
    ------
    DataError
        When the text has not more than ``length`` tokens, or there are to be no windows.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import text
    >>> windows = text.TextWindows(la.arange(100), length=4)
    >>> inputs, targets = windows.batch(2)
    >>> inputs.shape, bool((targets == inputs + 1).all())
    ((2, 4), True)
    """

    def __init__(
        self,
        tokens: Tensor | np.ndarray,
        length: int,
        *,
        windows: int | None = None,
        device: str | None = None,
        name: str = "text",
    ) -> None:
        self.tokens, self.length, self.name = asarray(tokens, dtype="int64", device=device), length, name
        if self.tokens.ndim != 1 or not 0 < length < self.tokens.shape[0]:
            raise DataError(
                f"TextWindows: expected more than length={length} tokens, and a length from 1; got tokens of shape "
                f"{list(self.tokens.shape)}"
            )
        if windows is not None and windows < 1:
            raise DataError(f"TextWindows: an epoch has at least 1 window, got windows={windows}")
        self.whole = (self.tokens.shape[0] - 1) // length
        self.windows = self.whole if windows is None else windows

    def __len__(self) -> int:
        return self.windows

    def __repr__(self) -> str:
        return f"TextWindows({self.name!r}, tokens={self.tokens.shape[0]}, length={self.length}, windows={len(self)})"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample's inputs."""
        return (self.length,)

    def batches(
        self, batch_size: int, *, seed: int | None, epoch: int, start: int = 0
    ) -> Iterator[tuple[Places, Places]]:
        """Yield ``(inputs, targets)``, int64 of shape [samples, length], as `lamina.data.Stream.batches` says."""
        if batch_size < 1 or start < 0 or epoch < 0 or (seed is not None and seed < 0):
            raise DataError(
                f"batches: batch_size={batch_size} counts from 1, start={start}, epoch={epoch} and seed={seed} from 0"
            )
        tokens, starts = self.tokens.numpy(), self._starts(seed, epoch)
        for first in range(start * batch_size, len(self), batch_size):
            places = starts[first : first + batch_size, None] + np.arange(self.length)
            yield tokens[places], tokens[places + 1]

    def _starts(self, seed: int | None, epoch: int) -> Places:
        """Return where the windows of an epoch begin."""
        if seed is None:
            return np.linspace(0, self.whole, len(self), endpoint=False).astype(np.int64) * self.length
        draw = np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, epoch], dtype=np.uint64)))
        # Windows that stand one behind the other, the first at any of the places that leave room for all of them.
        room = self.tokens.shape[0] - self.whole * self.length
        passes = [
            draw.permutation(self.whole) * self.length + draw.integers(room) for _ in range(-(-len(self) // self.whole))
        ]
        return np.concatenate(passes)[: len(self)]

    def batch(self, samples: int, generator: random.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return inputs and targets, each of shape [samples, length], at places drawn at random."""
        draw = random.default_generator() if generator is None else generator
        device = self.tokens.device
        starts = draw.integers((samples, 1), 0, self.tokens.shape[0] - self.length, device=device)
        return self._at(starts)

    def consecutive(self) -> tuple[Tensor, Tensor]:
        """Return all windows that stand one behind the other, for evaluation; what is left over is left out."""
        count = (self.tokens.shape[0] - 1) // self.length
        starts = reshape(arange(0, count * self.length, self.length, device=self.tokens.device), (count, 1))
        return self._at(starts)

    def _at(self, starts: Tensor) -> tuple[Tensor, Tensor]:
        places = starts + arange(self.length, device=self.tokens.device)
        return take(self.tokens, places, axis=0), take(self.tokens, places + 1, axis=0)
