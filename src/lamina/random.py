"""Random numbers, by counting.

Block number ``n`` of stream ``k`` is a function of ``k`` and ``n`` alone: four 32-bit words, Philox-4x32-10. So
the same seed gives the same words eagerly and compiled, on every backend and with any number of threads.
Integers, uniform numbers and permutations are the same to the last bit everywhere; normal ones as far as a
backend's ``log``, ``sin`` and ``cos`` agree. A shorter draw is the beginning of a longer one.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011.
"""

from __future__ import annotations

import hashlib
import math
import operator
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from lamina.backends.protocol import numpy_dtype
from lamina.backends.registry import get_backend
from lamina.dtypes import (
    DEFAULT_FLOAT,
    DEFAULT_INT,
    DType,
    as_dtype,
    bool_,
    float32,
    float64,
    int64,
    integer_info,
    uint64,
)
from lamina.errors import CheckpointError, DataError, DTypeError, ShapeError
from lamina.functions.creation import DTypeLike, asarray, full
from lamina.functions.elementwise import cos, log, minimum, sin, sqrt
from lamina.functions.indexing import take
from lamina.functions.manipulation import as_shape, broadcast_to, reshape, stack
from lamina.functions.searching import argsort
from lamina.primitives.operand import Operand
from lamina.primitives.randomness import random_bits
from lamina.tensor import Tensor, Variable

__all__ = [
    "Generator",
    "default_generator",
    "use_generator",
    "seed",
    "uniform",
    "normal",
    "integers",
    "bernoulli",
    "permutation",
]

Shape = int | Sequence[int]

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
        self._start(_constant(_key_of(seed), device), _constant(0, device))

    def _start(self, key: Tensor, counter: Tensor) -> None:
        self.key = Variable(key, "random.key", trainable=False)
        self.counter = Variable(counter, "random.counter", trainable=False)
        self._lock = threading.Lock()

    # --- state ---

    def seed(self, seed: int | None = None) -> None:
        """Begin the stream of ``seed`` anew; the two state variables stay the same objects."""
        key = _constant(_key_of(seed), self.key.device)
        with self._lock:
            self.key.assign(key)
            self.counter.assign(0)

    def spawn(self, n: int) -> list[Generator]:
        """Return ``n`` generators of other streams, whose keys are the next ``n`` draws of 64 bits from this one.

        Two keys are equal with probability ``n**2 / 2**65``.
        """
        if n < 0:
            raise DataError(f"spawn: expected a number of generators from 0, got {n}")
        keys = _join(self._words(2 * n, self.key.device).reshape((n, 2)))
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

    def _words(self, size: int, device: str) -> Tensor:
        """Return ``size`` fresh words of 32 bits; the rest of the last block is thrown away."""
        with self._lock:
            start = self.counter.value
            words = random_bits(self.key.value.to(device), start.to(device), size=size)
            self.counter.assign(start + -(-size // 4))
        return words

    def _unit(self, size: int, dtype: DType, device: str) -> Tensor:
        """Return numbers in [0, 1): multiples of ``2**-53`` in float64, of ``2**-24`` in float32."""
        if dtype is float64:
            return _fraction53(self._words(2 * size, device).reshape((size, 2)), 0)
        return (self._words(size, device) >> 8).astype(float32) * 2.0**-24

    # --- distributions ---

    def uniform(
        self,
        shape: Shape,
        low: float = 0.0,
        high: float = 1.0,
        *,
        dtype: DTypeLike | None = None,
        device: str | None = None,
    ) -> Tensor:
        """Return numbers drawn uniformly from ``[low, high)``; see `lamina.random.uniform`."""
        lengths = _lengths("uniform", shape)
        wanted, where = _float_type("uniform", dtype, device), get_backend(device).name
        _check_finite("uniform", low=low, high=high)
        if low > high:
            raise DataError(f"uniform: low {low} lies above high {high}; exchange them")
        first, last, span = _rounded_range(low, high, wanted)
        wide = float64 if wanted is float64 else float32
        unit = reshape(self._unit(math.prod(lengths), wide, where), lengths)
        drawn = unit if (first, span) == (0.0, 1.0) else unit * span + first
        drawn = drawn.astype(wanted)
        if wanted is wide and (first, span) == (0.0, 1.0):
            return drawn
        # Rounding may reach the end of the range, which does not belong to it.
        return minimum(drawn, last)

    def normal(
        self,
        shape: Shape,
        mean: float = 0.0,
        std: float = 1.0,
        *,
        dtype: DTypeLike | None = None,
        device: str | None = None,
    ) -> Tensor:
        """Return numbers drawn from a normal distribution; see `lamina.random.normal`."""
        lengths = _lengths("normal", shape)
        wanted, where = _float_type("normal", dtype, device), get_backend(device).name
        _check_finite("normal", mean=mean, std=std)
        if std < 0:
            raise DataError(f"normal: std is {std}; a standard deviation is not negative")
        size = math.prod(lengths)
        drawn = reshape(self._standard_normal(size, wanted, where), lengths)
        if (mean, std) != (0.0, 1.0):
            drawn = drawn * float(std) + float(mean)
        return drawn.astype(wanted)

    def _standard_normal(self, size: int, dtype: DType, device: str) -> Tensor:
        """Return normal numbers by the transform of Box and Muller, which makes two of two uniform ones.

        Source: G. E. P. Box, M. E. Muller, Annals of Mathematical Statistics 29 (1958), 610-611.
        """
        pairs = -(-size // 2)
        if dtype is float64:
            words = self._words(4 * pairs, device).reshape((pairs, 4))
            first, second = _fraction53(words[:, :2], 1), _fraction53(words[:, 2:], 0)
        else:
            words = self._words(2 * pairs, device).reshape((pairs, 2))
            # In (0, 1]: all 32 bits, since numbers near zero, which make the tails, have room for them.
            first = words[:, 0].astype(float32) * 2.0**-32 + 2.0**-33
            second = (words[:, 1] >> 8).astype(float32) * 2.0**-24
        radius, angle = sqrt(log(first) * -2.0), second * (2.0 * math.pi)
        both = stack([radius * cos(angle), radius * sin(angle)], axis=1)
        return reshape(both, (2 * pairs,))[:size]

    def integers(
        self, shape: Shape, low: int, high: int, *, dtype: DTypeLike | None = None, device: str | None = None
    ) -> Tensor:
        """Return integers drawn uniformly from ``low`` to ``high - 1``; see `lamina.random.integers`."""
        lengths = _lengths("integers", shape)
        wanted = _type_there("integers", dtype, DEFAULT_INT, device)
        low, high = _integer_range(low, high, wanted)
        span = high - low
        # Two words leave 32 bits or more beyond the range; a wider range takes a whole block.
        count = 2 if span <= 2**32 or span == 2**64 else 4
        size = math.prod(lengths)
        words = self._words(count * size, get_backend(device).name).reshape((size, count))
        offsets = _join(words) if span == 2**64 else _scaled(words, span)
        if wanted is uint64:
            return reshape(offsets + low, lengths)
        # Modulo 2**64, so that a range of more than 2**63 integers comes out right too.
        return reshape((offsets.astype(int64) + low).astype(wanted), lengths)

    def bernoulli(
        self, shape: Shape, p: float | Tensor, *, dtype: DTypeLike | None = None, device: str | None = None
    ) -> Tensor:
        """Return truth values that hold with probability ``p``; see `lamina.random.bernoulli`."""
        lengths = _lengths("bernoulli", shape)
        if isinstance(p, Operand):
            place = p.device if device is None else device
            wanted = _type_there("bernoulli", dtype, bool_, place)
            probability = _probabilities(p, lengths).to(place)
            precise = float64 if p.dtype is float64 else float32
            drawn = reshape(self._unit(math.prod(lengths), precise, place), lengths)
            return (drawn < probability.astype(precise)).astype(wanted)
        wanted = _type_there("bernoulli", dtype, bool_, device)
        if not isinstance(p, int | float | np.number) or not 0 <= p <= 1:
            raise DataError(f"bernoulli: p is {p!r}; a probability lies between 0 and 1")
        drawn = reshape(self._unit(math.prod(lengths), float32, get_backend(device).name), lengths)
        return (drawn < float(p)).astype(wanted)

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
        return argsort(_join(self._words(2 * n, get_backend(device).name).reshape((n, 2))))


def _generator(key: Tensor, counter: Tensor) -> Generator:
    made = Generator.__new__(Generator)
    made._start(key, counter)
    return made


def _constant(value: int, device: str | None) -> Tensor:
    return full((), value, dtype=uint64, device=device)


def _key_of(seed: int | None) -> int:
    if seed is None:
        return secrets.randbits(64)
    try:
        number = operator.index(seed)
    except TypeError as error:
        raise DTypeError(f"seed: expected an integer or None, got {type(seed).__name__}") from error
    if number < 0:
        raise DataError(f"seed: {number} is negative; use an integer from 0")
    if number < 2**64:
        return number
    digest = hashlib.sha256(number.to_bytes(-(-number.bit_length() // 8), "little")).digest()
    return int.from_bytes(digest[:8], "little")


# --- checks: all before the first word is drawn, so that a failed call leaves the stream where it was --------


def _lengths(name: str, shape: Shape) -> tuple[int, ...]:
    lengths = as_shape(name, shape)
    if any(length < 0 for length in lengths):
        raise ShapeError(f"{name}: shape {list(lengths)} has a negative length")
    return lengths


def _float_type(name: str, dtype: DTypeLike | None, device: str | None) -> DType:
    wanted = _type_there(name, dtype, DEFAULT_FLOAT, device)
    if not wanted.floating:
        raise DTypeError(f"{name}: expected a floating-point type, got {wanted.name}; integers() draws integers")
    return wanted


def _type_there(name: str, dtype: DTypeLike | None, default: DType, device: str | None) -> DType:
    wanted = default if dtype is None else as_dtype(dtype)
    backend = get_backend(device)
    if wanted not in backend.dtypes:
        raise DTypeError(f"{name}: the {backend.name} backend has no {wanted.name}")
    return wanted


def _check_finite(name: str, **values: float) -> None:
    for argument, value in values.items():
        if not isinstance(value, int | float | np.number):
            raise DTypeError(f"{name}: expected a number as {argument}, got {type(value).__name__}")
        if not math.isfinite(value):
            raise DataError(f"{name}: {argument} is {value}; it must be finite")


def _rounded_range(low: float, high: float, dtype: DType) -> tuple[float, float, float]:
    """Return the ends as ``dtype`` holds them, the upper one as the last number before it, and their distance."""
    native = numpy_dtype(dtype)
    with np.errstate(over="ignore"):
        first, end = np.asarray(low).astype(native), np.asarray(high).astype(native)
        span = float(end) - float(first)
        widest = native if dtype is float64 else np.dtype("float32")
        if not np.isfinite(np.asarray(span).astype(widest)):
            raise DataError(f"uniform: the range from {low} to {high} is too wide for {dtype.name}")
    last = np.nextafter(end, first)
    return float(first), float(last), span


def _integer_range(low: int, high: int, dtype: DType) -> tuple[int, int]:
    if not dtype.integral:
        raise DTypeError(f"integers: expected an integer type, got {dtype.name}; cast the result with astype")
    try:
        first, end = operator.index(low), operator.index(high)
    except TypeError as error:
        raise DTypeError(f"integers: expected integers as low and high, got {low!r} and {high!r}") from error
    if first >= end:
        raise DataError(f"integers: no integer lies in [{first}, {end}); high, which is excluded, must exceed low")
    limits = integer_info(dtype)
    if first < limits.min or end - 1 > limits.max:
        raise DataError(
            f"integers: [{first}, {end}) does not fit {dtype.name}, which holds {limits.min} to {limits.max}"
        )
    return first, end


def _probabilities(p: Tensor, lengths: tuple[int, ...]) -> Tensor:
    if not p.dtype.floating:
        raise DTypeError(f"bernoulli: expected floating-point probabilities, got {p.dtype.name}")
    return broadcast_to(p._untracked, lengths)


# --- from words to numbers ------------------------------------------------------------------------------------


def _fraction53(words: Tensor, first: int) -> Tensor:
    """Return ``(k + first) / 2**53`` in float64, where ``k`` is the upper 53 of the 64 bits of two words."""
    high, low = (words[:, 0] >> 5).astype(float64), (words[:, 1] >> 6).astype(float64)
    return (high * 2.0**26 + (low + float(first))) * 2.0**-53


def _join(words: Tensor) -> Tensor:
    """Return two words of 32 bits as one of 64."""
    return (words[:, 0].astype(uint64) << 32) | words[:, 1].astype(uint64)


def _scaled(words: Tensor, span: int) -> Tensor:
    """Return ``floor(v * span / 2**bits)`` where ``v`` is the number of all words of a row, and ``bits`` its width.

    The probability of an integer differs from ``1 / span`` by less than ``2**-bits``. Digits of 32 bits, from the
    last up, keep every product in 64 bits.

    Source: D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019), section 4, without
    the rejection.
    """
    upper, lower, word = span >> 32, span & 0xFFFFFFFF, 0xFFFFFFFF
    total = words[:, words.shape[1] - 1].astype(uint64)
    total = ((total * lower) >> 32) + total * upper
    for at in range(words.shape[1] - 2, -1, -1):
        digit = words[:, at].astype(uint64)
        total = (((total & word) + digit * lower) >> 32) + (total >> 32) + digit * upper
    return total


# --- the default generator ------------------------------------------------------------------------------------

_default = Generator()
_chosen: ContextVar[Generator | None] = ContextVar("lamina.random.generator", default=None)


def default_generator() -> Generator:
    """Return the generator that the functions of this module draw from."""
    return _chosen.get() or _default


@contextmanager
def use_generator(generator: Generator) -> Iterator[Generator]:
    """Draw from ``generator`` where none is named, in this thread and inside a ``with`` block.

    Examples
    --------
    >>> import lamina as la
    >>> with la.random.use_generator(la.random.Generator(3)) as g:
    ...     la.random.default_generator() is g
    True
    """
    token = _chosen.set(generator)
    try:
        yield generator
    finally:
        _chosen.reset(token)


def seed(n: int | None = None) -> None:
    """Begin the default generator's stream anew, so that what follows can be repeated.

    Parameters
    ----------
    n : int or None
        Any integer from 0; None takes one from the operating system, as at the start of the program.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.seed(0)
    >>> la.random.integers((4,), 0, 10)
    Tensor([3, 7, 9, 6], shape=[4], dtype=int64)
    """
    default_generator().seed(n)


def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return numbers drawn uniformly from ``[low, high)``.

    Parameters
    ----------
    shape : int or sequence of int
    low, high : float, default 0 and 1
        The range, as ``dtype`` holds its ends.
    dtype : DType, default float32
        float64 uses 53 random bits, float32 24; float16 and bfloat16 are rounded from float32.
    device : str, optional
        The default device when None.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When ``low`` lies above ``high``, or the range is not finite.
    ShapeError, DTypeError
        When the shape is negative or the type not a floating-point one.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.seed(0)
    >>> la.random.uniform((3,), -1.0, 1.0).shape
    (3,)
    """
    return default_generator().uniform(shape, low, high, dtype=dtype, device=device)


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, dtype: DTypeLike | None = None, device: str | None = None
) -> Tensor:
    """Return numbers drawn from a normal distribution.

    ``mean + std * sqrt(-2 log u1) * cos(2 pi u2)``, and the same with ``sin``, of uniform ``u1, u2``
    (Box and Muller 1958). Nothing lies more than 6.8 standard deviations from the mean, 8.6 in float64.

    Parameters
    ----------
    shape : int or sequence of int
    mean, std : float, default 0 and 1
    dtype : DType, default float32
        float16 and bfloat16 are rounded from float32.
    device : str, optional
        The default device when None.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When ``std`` is negative, or one of the two is not finite.
    ShapeError, DTypeError
        When the shape is negative or the type not a floating-point one.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.normal((2, 3), std=0.1).shape
    (2, 3)
    """
    return default_generator().normal(shape, mean, std, dtype=dtype, device=device)


def integers(shape: Shape, low: int, high: int, *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return integers drawn uniformly from ``low`` to ``high - 1``.

    A random number of 64 bits, or 128 for ranges beyond ``2**32``, times the length of the range, without its
    lower 64 or 128 bits. The probability of each integer is right to ``2**-64``.

    Parameters
    ----------
    shape : int or sequence of int
    low, high : int
        The range; ``high`` is excluded.
    dtype : DType, default int64
        An integer type that holds the range.
    device : str, optional
        The default device when None.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When the range is empty or does not fit the type.
    ShapeError, DTypeError
        When the shape is negative or the type not an integer one.

    Examples
    --------
    >>> import lamina as la
    >>> rolls = la.random.integers((100,), 1, 7)
    >>> bool(((rolls >= 1) & (rolls <= 6)).all())
    True
    """
    return default_generator().integers(shape, low, high, dtype=dtype, device=device)


def bernoulli(shape: Shape, p: float | Tensor, *, dtype: DTypeLike | None = None, device: str | None = None) -> Tensor:
    """Return truth values, each of which holds with probability ``p``.

    Parameters
    ----------
    shape : int or sequence of int
    p : float or Tensor
        A probability, to 24 bits; or a tensor of them that broadcasts to the shape (to 53 bits in float64).
        What a tensor holds is not looked at: below 0 means never, above 1 always, NaN never.
    dtype : DType, default bool
        Ones and zeros in another type.
    device : str, optional
        That of ``p`` where it is a tensor, else the default device.

    Returns
    -------
    Tensor
        Of the shape given.

    Raises
    ------
    DataError
        When a number ``p`` lies outside [0, 1].
    ShapeError, DTypeError
        When a tensor ``p`` does not broadcast to the shape, or holds no floating-point numbers.

    Examples
    --------
    >>> import lamina as la
    >>> la.random.bernoulli((2, 2), 1.0)
    Tensor([[ True,  True],
            [ True,  True]], shape=[2, 2], dtype=bool)
    """
    return default_generator().bernoulli(shape, p, dtype=dtype, device=device)


def permutation(n_or_tensor: int | Tensor, *, device: str | None = None) -> Tensor:
    """Return 0 to ``n - 1`` in random order, or the rows of a tensor in random order.

    The order is that of ``n`` random numbers of 64 bits.

    Parameters
    ----------
    n_or_tensor : int or Tensor
        How many; or a tensor, whose first axis is permuted.
    device : str, optional
        That of the tensor, or the default device for an int.

    Returns
    -------
    Tensor
        int64 of shape [n]; or of the tensor's shape and type.

    Raises
    ------
    ShapeError, DTypeError
        When ``n`` is negative, the tensor has no axis, or it is neither.

    Examples
    --------
    >>> import lamina as la
    >>> la.sort(la.random.permutation(5))
    Tensor([0, 1, 2, 3, 4], shape=[5], dtype=int64)
    """
    return default_generator().permutation(n_or_tensor, device=device)
