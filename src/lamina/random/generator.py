"""`Generator`: a stream of random numbers and the distributions drawn from it."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.backends.registry import get_backend
from lamina.backends.thread_state import STATE
from lamina.dtypes import DEFAULT_INT, DType, DTypeLike, bool_, float32, float64, int64, uint64
from lamina.errors import CheckpointError, DataError, DTypeError, ShapeError
from lamina.forking import fork_safe
from lamina.functions.creation import asarray, full
from lamina.functions.elementwise import minimum
from lamina.functions.indexing import take
from lamina.functions.manipulation import new_shape, reshape
from lamina.functions.searching import argsort
from lamina.primitives.batching import drawing_apart, lowered, wrapped
from lamina.primitives.operand import Operand
from lamina.primitives.randomness import random_bits
from lamina.random.checks import (
    ShapeLike,
    check_finite,
    float_type,
    integer_range,
    key_of,
    probabilities,
    rounded_range,
    type_there,
)
from lamina.random.words import join, normal_pairs, scaled, unit
from lamina.tensor import Tensor
from lamina.variable import Variable

_STATE_NAMES = ("key", "counter")


class Generator:
    """A stream of random numbers.

    Its state is two variables, so a compiled step advances it as it updates parameters. Draws from several
    threads never overlap; which thread gets which numbers is then left to chance, so give each its own
    (`spawn`).

    Parameters
    ----------
    seed : int or None, default None
        Any integer from 0. Below ``2**64`` it is the key of the stream; a larger one is hashed to a key (the
        first eight bytes of SHA-256 of its little-endian bytes). None takes a key from the operating system.
    device : str, optional
        Where the two state variables live; numbers are the same on every device.

    Attributes
    ----------
    key, counter : Variable
        uint64 of shape []: the stream, and the number of the next block of four 32-bit words.

    Raises
    ------
    DataError, DTypeError
        When the seed is negative or no integer.

    Examples
    --------
    >>> import lamina as la
    >>> a, b = la.random.Generator(7), la.random.Generator(7)
    >>> bool((a.uniform((3,)) == b.uniform((3,))).all())
    True
    """

    def __init__(self, seed: int | None = None, *, device: str | None = None) -> None:
        self._start(_constant(key_of(seed), device), _constant(0, device))

    def _start(self, key: Tensor, counter: Tensor) -> None:
        self.key = Variable(key, "random.key", trainable=False)
        self.counter = Variable(counter, "random.counter", trainable=False)
        self._lock = fork_safe(threading.RLock())  # a handler of a signal may draw as well

    # --- state ---

    def seed(self, seed: int | None = None) -> None:
        """Begin the stream of ``seed`` anew; the two state variables stay the same objects."""
        key = _constant(key_of(seed), self.key.device)
        with self._lock:
            self.key.assign(key)
            self.counter.assign(0)

    def spawn(self, n: int) -> list[Generator]:
        """Return ``n`` generators of other streams, whose keys are the next ``n`` draws of 64 bits from this one.

        Two keys are equal with probability ``n**2 / 2**65``.
        """
        if n < 0:
            raise DataError(f"spawn: expected a number of generators from 0, got {n}")
        keys = join(self._rows(n, 2, self.key.device))
        return [_generator(keys[each], _constant(0, self.key.device)) for each in range(n)]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state by name: ``key`` and ``counter``."""
        return {"key": self.key.value, "counter": self.counter.value}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned.

        Raises
        ------
        CheckpointError
            When it is not such a state; this generator is unchanged then.
        """
        if set(state) != set(_STATE_NAMES):
            raise CheckpointError(
                f"Generator.load_state_dict: expected the names key and counter, got {', '.join(map(str, state))}"
            )
        values = {name: asarray(state[name], device=self.key.device) for name in _STATE_NAMES}
        for name, value in values.items():
            if value.shape != () or value.dtype is not uint64:
                raise CheckpointError(
                    f"Generator.load_state_dict: {name} must be uint64 of shape [], "
                    f"got {value.dtype.name} of shape {list(value.shape)}"
                )
        with self._lock:
            self.key.assign(values["key"])
            self.counter.assign(values["counter"])

    def __repr__(self) -> str:
        return f"Generator(key={self.key.item():#018x}, counter={self.counter.item()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _generator, (self.key._untracked, self.counter._untracked)

    # --- words ---

    def _reserve(self, blocks: int, device: str) -> tuple[Tensor, Tensor]:
        """Return the key, and the number of the first of so many fresh blocks, which nobody else will draw."""
        with self._lock:
            start = self.counter.value
            self.counter.assign(start + blocks)
        return self.key.value.to(device), start.to(device)

    def _words(self, size: int, device: str) -> Tensor:
        """Return ``size`` fresh words of 32 bits; the rest of the last block is thrown away."""
        blocks = -(-size // 4)
        levels = [] if STATE.batching is None else drawing_apart()
        calls = [level.size for level in levels]
        key, start = self._reserve(math.prod(calls) * blocks, device)
        if not levels:
            return random_bits(key, start, size=size)
        words = random_bits(lowered(key), lowered(start), size=math.prod(calls) * blocks * 4)
        words = reshape(words, (*calls, blocks * 4))[..., :size]
        for level in levels:
            words = wrapped(words, level)
        return words

    def _rows(self, size: int, width: int, device: str) -> Tensor:
        """Return fresh words in ``size`` rows, of as many as one number or pair of numbers takes."""
        return self._words(size * width, device).reshape((size, width))

    def _unit(self, lengths: tuple[int, ...], dtype: DType, device: str) -> Tensor:
        """Return numbers in [0, 1) of float64 or float32."""
        words = self._rows(math.prod(lengths), 2 if dtype is float64 else 1, device)
        return reshape(unit(words, dtype), lengths)

    # --- distributions ---

    def uniform(
        self,
        shape: ShapeLike,
        low: float = 0.0,
        high: float = 1.0,
        *,
        dtype: DTypeLike | None = None,
        device: str | None = None,
    ) -> Tensor:
        """Return numbers drawn uniformly from ``[low, high)``; see `lamina.random.uniform`."""
        lengths = new_shape("uniform", shape)
        wanted, where = float_type("uniform", dtype, device), get_backend(device).name
        check_finite("uniform", low=low, high=high)
        if low > high:
            raise DataError(f"uniform: low {low} lies above high {high}; exchange them")
        first, last, span = rounded_range(low, high, wanted)
        wide = float64 if wanted is float64 else float32
        drawn = self._unit(lengths, wide, where)
        if (first, span) != (0.0, 1.0):
            drawn = drawn * span + first
        drawn = drawn.astype(wanted)
        if wanted is wide and (first, span) == (0.0, 1.0):
            return drawn
        # Rounding may reach the end of the range, which does not belong to it.
        return minimum(drawn, last)

    def normal(
        self,
        shape: ShapeLike,
        *,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: DTypeLike | None = None,
        device: str | None = None,
    ) -> Tensor:
        """Return numbers drawn from a normal distribution; see `lamina.random.normal`."""
        lengths = new_shape("normal", shape)
        wanted, where = float_type("normal", dtype, device), get_backend(device).name
        check_finite("normal", mean=mean, std=std)
        if std < 0:
            raise DataError(f"normal: std is {std}; a standard deviation is not negative")
        size = math.prod(lengths)
        words = self._rows(-(-size // 2), 4 if wanted is float64 else 2, where)
        drawn = reshape(normal_pairs(words, wanted)[:size], lengths)
        if (mean, std) != (0.0, 1.0):
            drawn = drawn * float(std) + float(mean)
        return drawn.astype(wanted)

    def integers(
        self, shape: ShapeLike, low: int, high: int, *, dtype: DTypeLike | None = None, device: str | None = None
    ) -> Tensor:
        """Return integers drawn uniformly from ``low`` to ``high - 1``; see `lamina.random.integers`."""
        lengths = new_shape("integers", shape)
        wanted = type_there("integers", dtype, DEFAULT_INT, device)
        low, high = integer_range(low, high, wanted)
        span = high - low
        # Two words leave 32 bits or more beyond the range; a wider range takes a whole block.
        count = 2 if span <= 2**32 or span == 2**64 else 4
        words = self._rows(math.prod(lengths), count, get_backend(device).name)
        offsets = join(words) if span == 2**64 else scaled(words, span)
        if wanted is uint64:
            return reshape(offsets + low, lengths)
        # Modulo 2**64, so that a range of more than 2**63 integers comes out right too.
        return reshape((offsets.astype(int64) + low).astype(wanted), lengths)

    def bernoulli(
        self, shape: ShapeLike, p: float | Tensor, *, dtype: DTypeLike | None = None, device: str | None = None
    ) -> Tensor:
        """Return truth values that hold with probability ``p``; see `lamina.random.bernoulli`."""
        lengths = new_shape("bernoulli", shape)
        if isinstance(p, Operand):
            place = p.device if device is None else device
            wanted = type_there("bernoulli", dtype, bool_, place)
            probability = probabilities(p, lengths).to(place)
            precise = float64 if p.dtype is float64 else float32
            return (self._unit(lengths, precise, place) < probability.astype(precise)).astype(wanted)
        wanted = type_there("bernoulli", dtype, bool_, device)
        if not isinstance(p, int | float | np.number) or not 0 <= p <= 1:
            raise DataError(f"bernoulli: p is {p!r}; a probability lies between 0 and 1")
        return (self._unit(lengths, float32, get_backend(device).name) < float(p)).astype(wanted)

    def permutation(self, n_or_tensor: int | Tensor, *, device: str | None = None) -> Tensor:
        """Return 0 to ``n - 1``, or a tensor's rows, in random order; see `lamina.random.permutation`."""
        if isinstance(n_or_tensor, Operand):
            if n_or_tensor.ndim == 0:
                raise ShapeError("permutation: a tensor without axes has no rows; give an int or a tensor with axes")
            order = self.permutation(n_or_tensor.shape[0], device=n_or_tensor.device)
            rows = take(n_or_tensor, order, axis=0)
            return rows if device is None else rows.to(device)
        try:
            n = operator.index(n_or_tensor)
        except TypeError as error:
            raise DTypeError(f"permutation: expected an int or a Tensor, got {type(n_or_tensor).__name__}") from error
        if n < 0:
            raise ShapeError(f"permutation: {n} elements; expected a number from 0")
        return argsort(join(self._rows(n, 2, get_backend(device).name)))


def _generator(key: Tensor, counter: Tensor) -> Generator:
    made = Generator.__new__(Generator)
    made._start(key, counter)
    return made


def _constant(value: int, device: str | None) -> Tensor:
    return full((), value, dtype=uint64, device=device)
