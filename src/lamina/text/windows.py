"""Samples of a long text: windows, and what comes next at each place."""

from __future__ import annotations

import numpy as np

from lamina import random
from lamina.errors import DataError
from lamina.functions.creation import arange, asarray
from lamina.functions.indexing import take
from lamina.functions.manipulation import reshape
from lamina.tensor import Tensor


class TextWindows:
    """Windows of a text at random places, each with the tokens that come next.

    Parameters
    ----------
    tokens : Tensor or array of integers, shape [n]
        The whole text; it stays in memory on the device, so that a compiled step can draw from it.
    length : int
        Tokens of a window, fewer than ``n``.
    device : str, optional

    Raises
    ------
    DataError
        When the text has not more than ``length`` tokens.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import text
    >>> windows = text.TextWindows(la.arange(100), length=4)
    >>> inputs, targets = windows.batch(2)
    >>> inputs.shape, bool((targets == inputs + 1).all())
    ((2, 4), True)
    """

    def __init__(self, tokens: Tensor | np.ndarray, length: int, *, device: str | None = None) -> None:
        self.tokens, self.length = asarray(tokens, dtype="int64", device=device), length
        if self.tokens.ndim != 1 or not 0 < length < self.tokens.shape[0]:
            raise DataError(
                f"TextWindows: expected more than length={length} tokens, and a length from 1; got tokens of shape "
                f"{list(self.tokens.shape)}"
            )

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
