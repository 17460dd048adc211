"""Initialisers: what the first values of a parameter are drawn from.

Each function returns an initialiser, a small frozen object; ``initializer(shape, dtype=...)`` draws a tensor
from the default generator of `lamina.random`. ``nn.Linear(..., init=...)`` takes one, or its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

from lamina import random
from lamina.dtypes import DEFAULT_FLOAT, DType, DTypeLike, as_dtype, float32, float64, python_number
from lamina.errors import DataError, DTypeError, ShapeError
from lamina.functions.comparisons import clip, where
from lamina.functions.creation import full
from lamina.functions.manipulation import permute_dims, reshape
from lamina.linalg import qr
from lamina.nn.inverse_erf import inverse_erf
from lamina.nn.patterned_init import dirac, eye, sparse
from lamina.other_names import INIT, of_module
from lamina.tensor import Tensor

Mode = Literal["fan_in", "fan_out"]


class Initializer(Protocol):
    """What makes the first value of a parameter."""

    def __call__(self, shape: Sequence[int], /, *, dtype: Any = None) -> Tensor: ...


# --- of one value or one distribution ---------------------------------------------------------------------


@dataclass(frozen=True)
class Constant:
    """Every element is ``value``."""

    value: float

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        return full(shape, self.value, dtype=dtype or DEFAULT_FLOAT)


@dataclass(frozen=True)
class Uniform:
    """Uniform on [low, high)."""

    low: float
    high: float

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        return random.uniform(shape, self.low, self.high, dtype=dtype)


@dataclass(frozen=True)
class Normal:
    """Normal with a mean and a standard deviation."""

    mean: float
    std: float

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        return random.normal(shape, mean=self.mean, std=self.std, dtype=dtype)


@dataclass(frozen=True)
class TruncatedNormal:
    """Normal with a mean and a standard deviation, restricted to [low, high]."""

    mean: float
    std: float
    low: float
    high: float

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        # The inverse of the distribution function, of numbers uniform between its values at the two ends.
        first, last = (math.erf((end - self.mean) / (self.std * math.sqrt(2.0))) for end in (self.low, self.high))
        wanted = DEFAULT_FLOAT if dtype is None else as_dtype(dtype)
        standard = inverse_erf(random.uniform(shape, first, last, dtype=wanted if wanted is float64 else float32))
        return clip(standard * (self.std * math.sqrt(2.0)) + self.mean, self.low, self.high).astype(wanted)


def zeros() -> Constant:
    """Return the initialiser that gives zeros."""
    return Constant(0.0)


def ones() -> Constant:
    """Return the initialiser that gives ones."""
    return Constant(1.0)


def constant(value: float) -> Constant:
    """Return the initialiser that gives ``value`` everywhere."""
    return Constant(float(value))


def uniform(low: float = 0.0, high: float = 1.0) -> Uniform:
    """Return an initialiser uniform on [low, high): mean ``(low + high)/2``, variance ``(high - low)**2 / 12``."""
    if not low <= high:
        raise DataError(f"init.uniform: low must not exceed high, got {low} and {high}")
    return Uniform(low, high)


def normal(mean: float = 0.0, std: float = 1.0) -> Normal:
    """Return a normal initialiser with the mean and standard deviation given."""
    _positive("normal", "std", std)
    return Normal(mean, std)


def truncated_normal(mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0) -> TruncatedNormal:
    """Return a normal initialiser restricted to [low, high], values outside being drawn again.

    Parameters
    ----------
    mean, std : float
        Of the normal distribution before it is cut.
    low, high : float
        The ends, in the units of the values (not of ``std``), as in PyTorch.

    Raises
    ------
    DataError
        When ``std`` is not positive, or [low, high] is empty or lies beyond five standard deviations.
    """
    _positive("truncated_normal", "std", std)
    if not low < high or low > mean + 5.0 * std or high < mean - 5.0 * std:
        raise DataError(f"init.truncated_normal: no part of the distribution lies between {low} and {high}")
    return TruncatedNormal(mean, std, low, high)


def _positive(name: str, parameter: str, value: float) -> None:
    if not (value > 0.0 and math.isfinite(value)):
        raise DataError(f"init.{name}: {parameter} must be positive and finite, got {value}")


# --- scaled by the number of inputs and outputs -----------------------------------------------------------


@dataclass(frozen=True)
class VarianceScaling:
    """Mean 0 and variance ``gain**2 / fan``, where fan is the number of inputs, of outputs, or their mean."""

    gain: float
    fan: Literal["fan_in", "fan_out", "fan_mean"]
    distribution: Literal["uniform", "normal"]

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_mean": (fan_in + fan_out) / 2.0}[self.fan]
        std = self.gain / math.sqrt(max(fan, 1.0))
        if self.distribution == "normal":
            return random.normal(shape, std=std, dtype=dtype)
        # A uniform distribution on ±bound has the variance bound**2 / 3.
        bound = math.sqrt(3.0) * std
        return random.uniform(shape, -bound, bound, dtype=dtype)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return fan-in and fan-out of a weight of shape [out, in, *kernel]: how many inputs an output has, and back.

    Raises
    ------
    ShapeError
        For fewer than two axes.
    """
    if len(shape) < 2:
        raise ShapeError(f"init: fan-in and fan-out need a shape [out, in, ...], got {list(shape)}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


_GAINS = {"linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor that keeps the variance through a nonlinearity: PyTorch's table.

    Parameters
    ----------
    nonlinearity : {"linear", "identity", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}
    param : float, default 0.01
        The slope of the negative side of ``"leaky_relu"``, whose gain is ``sqrt(2 / (1 + param**2))``.

    Raises
    ------
    DataError
        When the nonlinearity is not in the table.

    Examples
    --------
    >>> from lamina import nn
    >>> nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope * slope))
    gain = _GAINS.get(nonlinearity)
    if gain is None:
        names = ", ".join((*_GAINS, "leaky_relu"))
        raise DataError(f"init.calculate_gain: {nonlinearity!r} is not in the table; use one of {names}")
    return gain


def _gain(name: str, gain: Any) -> float:
    """Return a gain; a shape in its place is a mistake, for the initialiser takes that later."""
    number = python_number(gain)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise DTypeError(f"init.{name}: gain is a Python number, got {gain!r}; write init.{name}()(shape) for a tensor")
    return number


def xavier_uniform(gain: float = 1.0) -> VarianceScaling:
    """Return an initialiser uniform on ±``gain * sqrt(6 / (fan_in + fan_out))``.

    Source: X. Glorot, Y. Bengio, AISTATS 2010, equation 16.
    """
    return VarianceScaling(_gain("xavier_uniform", gain), "fan_mean", "uniform")


def xavier_normal(gain: float = 1.0) -> VarianceScaling:
    """Return a normal initialiser of variance ``gain**2 * 2 / (fan_in + fan_out)``.

    Source: X. Glorot, Y. Bengio, AISTATS 2010, equation 12.
    """
    return VarianceScaling(_gain("xavier_normal", gain), "fan_mean", "normal")


def kaiming_uniform(a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu") -> VarianceScaling:
    """Return an initialiser uniform on ±``gain * sqrt(3 / fan)``.

    Source: K. He et al., ICCV 2015, equations 10 and 14.

    Parameters
    ----------
    a : float, default 0.0
        The slope of the negative side, used with ``"leaky_relu"``.
    mode : {"fan_in", "fan_out"}
        Whether the variance is kept forwards or backwards.
    nonlinearity : str, default "leaky_relu"
        What follows the layer, for `calculate_gain`.

    Raises
    ------
    DataError
        When the mode or nonlinearity is unknown.
    """
    return VarianceScaling(calculate_gain(nonlinearity, a), _mode("kaiming_uniform", mode), "uniform")


def kaiming_normal(a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu") -> VarianceScaling:
    """Return a normal initialiser of variance ``gain**2 / fan``; the parameters are those of `kaiming_uniform`."""
    return VarianceScaling(calculate_gain(nonlinearity, a), _mode("kaiming_normal", mode), "normal")


def _mode(name: str, mode: Mode) -> Mode:
    if mode not in ("fan_in", "fan_out"):
        raise DataError(f'init.{name}: mode must be "fan_in" or "fan_out", got {mode!r}')
    return mode


def lecun_uniform() -> VarianceScaling:
    """Return an initialiser uniform on ±``sqrt(3 / fan_in)``: variance ``1 / fan_in``.

    Source: Y. LeCun et al., "Efficient BackProp", 1998, equation 16.
    """
    return VarianceScaling(1.0, "fan_in", "uniform")


def lecun_normal() -> VarianceScaling:
    """Return a normal initialiser of variance ``1 / fan_in``, which goes with `SELU`; see `lecun_uniform`."""
    return VarianceScaling(1.0, "fan_in", "normal")


glorot_uniform, glorot_normal = xavier_uniform, xavier_normal
he_uniform, he_normal = kaiming_uniform, kaiming_normal


@dataclass(frozen=True)
class Orthogonal:
    """Rows, or columns if there are fewer, that are orthogonal and of length ``gain``."""

    gain: float

    def __call__(self, shape: Sequence[int], /, *, dtype: DTypeLike | None = None) -> Tensor:
        if len(shape) < 2:
            raise ShapeError(f"init.orthogonal: expected a shape of at least two axes, got {list(shape)}")
        rows, columns = shape[0], math.prod(shape[1:])
        drawn = random.normal((max(rows, columns), min(rows, columns)), dtype=dtype)
        narrow = drawn.dtype.bits < 32
        q, r = qr(drawn.astype(float32) if narrow else drawn)
        # Signs that make the diagonal of r positive make q uniform over all orthogonal matrices.
        diagonal = reshape(r, (-1,))[:: r.shape[1] + 1]
        signs = where(diagonal < 0.0, diagonal._full(diagonal.shape, -1.0), 1.0)
        matrix = q * signs * self.gain
        matrix = matrix.astype(drawn.dtype) if narrow else matrix
        return reshape(permute_dims(matrix, (1, 0)) if rows < columns else matrix, tuple(shape))


def orthogonal(gain: float = 1.0) -> Orthogonal:
    """Return an initialiser of orthogonal matrices; axes behind the first count as one.

    Source: A. M. Saxe et al., ICLR 2014, section 3; made by the QR decomposition of a normal matrix
    (F. Mezzadri, Notices of the AMS 54, 2007).
    """
    return Orthogonal(_gain("orthogonal", gain))


# --- by name ----------------------------------------------------------------------------------------------

INITIALIZERS: dict[str, Callable[[], Initializer]] = {
    "zeros": zeros,
    "ones": ones,
    "uniform": uniform,
    "normal": normal,
    "truncated_normal": truncated_normal,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
    "eye": eye,
    "dirac": dirac,
    "sparse": sparse,
}


def as_initializer(init: Initializer | str) -> Initializer:
    """Return an initialiser, or the one of a name with its defaults.

    Raises
    ------
    DataError
        When there is none of that name, or a function of this module was given uncalled.
    """
    if isinstance(init, str):
        make = INITIALIZERS.get(init)
        if make is None:
            raise DataError(f"init: {init!r} is not known; use one of {', '.join(INITIALIZERS)}")
        return make()
    if not callable(init):
        raise DataError(f"init: expected a name or a function of a shape, got {init!r}")
    factories: tuple[Any, ...] = (constant, *INITIALIZERS.values())
    if init in factories:
        name = getattr(init, "__name__", "")
        raise DataError(f"init: {name} makes an initialiser; call it, as in nn.init.{name}(...)")
    return init


def made_by(name: str, initializer: Any, shape: tuple[int, ...], dtype: DType) -> Tensor:
    """Return what an initialiser, which may be a user's, makes for a layer, as a constant, if it fits."""
    made = initializer(shape, dtype=dtype)
    if not isinstance(made, Tensor):
        raise DTypeError(f"{name}: init {initializer!r} must return a Tensor, got {type(made).__name__}")
    if made.shape != shape or made.dtype is not dtype:
        raise ShapeError(
            f"{name}: init {initializer!r} was to make {dtype.name}{list(shape)}, "
            f"got {made.dtype.name}{list(made.shape)}"
        )
    return made._untracked


if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise of_module("lamina.nn.init", name, INIT)
