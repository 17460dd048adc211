"""Activations as layers. The functions themselves are in `lamina.functions.activations`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from lamina.errors import DataError, ShapeError
from lamina.functions import activations as functions, piecewise
from lamina.functions.elementwise import tanh
from lamina.nn.function_layers import FunctionLayer, settings
from lamina.nn.module import Module
from lamina.tensor import Tensor


@settings
class ReLU(FunctionLayer):
    """``max(x, 0)``; see `lamina.relu`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.relu(x)


@settings
class LeakyReLU(FunctionLayer):
    """``x`` where positive and ``negative_slope * x`` elsewhere; see `lamina.leaky_relu`."""

    negative_slope: float = 0.01

    def __call__(self, x: Tensor) -> Tensor:
        return functions.leaky_relu(x, self.negative_slope)


@settings
class ELU(FunctionLayer):
    """``x`` where positive and ``alpha * (exp(x) - 1)`` elsewhere; see `lamina.elu`."""

    alpha: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return functions.elu(x, self.alpha)


@settings
class CELU(FunctionLayer):
    """``x`` where positive and ``alpha * (exp(x / alpha) - 1)`` elsewhere; see `celu`."""

    alpha: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return functions.celu(x, self.alpha)


@settings
class SELU(FunctionLayer):
    """The ELU scaled to keep mean 0 and variance 1; see `lamina.selu`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.selu(x)


@settings
class GELU(FunctionLayer):
    """``x`` times the normal distribution function, exactly or with ``"tanh"`` nearly; see `lamina.gelu`."""

    approximate: Literal["none", "tanh"] = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise DataError(f'GELU: approximate must be "none" or "tanh", got {self.approximate!r}')

    def __call__(self, x: Tensor) -> Tensor:
        return functions.gelu(x, self.approximate)


@settings
class SiLU(FunctionLayer):
    """``x * sigmoid(x)``; see `lamina.silu`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.silu(x)


@settings
class Mish(FunctionLayer):
    """``x * tanh(softplus(x))``; see `lamina.mish`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.mish(x)


@settings
class Sigmoid(FunctionLayer):
    """``1 / (1 + exp(-x))``; see `lamina.sigmoid`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.sigmoid(x)


@settings
class Hardsigmoid(FunctionLayer):
    """``x/6 + 1/2`` limited to [0, 1]; see `lamina.hardsigmoid`."""

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.hardsigmoid(x)


@settings
class Hardswish(FunctionLayer):
    """``x * hardsigmoid(x)``; see `hardswish`."""

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.hardswish(x)


@settings
class Hardtanh(FunctionLayer):
    """``x`` limited to [min_val, max_val]; see `hardtanh`."""

    min_val: float = -1.0
    max_val: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.hardtanh(x, self.min_val, self.max_val)


@settings
class ReLU6(FunctionLayer):
    """``x`` limited to [0, 6]; see `relu6`."""

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.relu6(x)


@settings
class Hardshrink(FunctionLayer):
    """``x`` where ``|x| > lambd`` and zero elsewhere; see `hardshrink`."""

    lambd: float = 0.5

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.hardshrink(x, self.lambd)


@settings
class Softshrink(FunctionLayer):
    """``x`` moved towards zero by ``lambd``; see `softshrink`."""

    lambd: float = 0.5

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.softshrink(x, self.lambd)


@settings
class Tanhshrink(FunctionLayer):
    """``x - tanh(x)``; see `tanhshrink`."""

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.tanhshrink(x)


@settings
class Threshold(FunctionLayer):
    """``x`` above ``threshold`` and ``value`` elsewhere; see `threshold`."""

    threshold: float
    value: float

    def __call__(self, x: Tensor) -> Tensor:
        return piecewise.threshold(x, self.threshold, self.value)


@settings
class LogSigmoid(FunctionLayer):
    """The logarithm of the sigmoid; see `logsigmoid`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.logsigmoid(x)


@settings
class Tanh(FunctionLayer):
    """The hyperbolic tangent; see `lamina.tanh`."""

    def __call__(self, x: Tensor) -> Tensor:
        return tanh(x)


@settings
class Softplus(FunctionLayer):
    """``log(1 + exp(beta * x)) / beta``, exact for large inputs too; see `lamina.softplus`."""

    beta: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softplus(x, self.beta)


@settings
class Softsign(FunctionLayer):
    """``x / (1 + |x|)``; see `lamina.softsign`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softsign(x)


@settings
class Softmax(FunctionLayer):
    """``exp(x) / sum(exp(x))`` along ``axis``; see `lamina.softmax`."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softmax(x, self.axis)


@settings
class LogSoftmax(FunctionLayer):
    """The logarithm of softmax along ``axis``; see `lamina.log_softmax`."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        return functions.log_softmax(x, self.axis)


@settings
class Softmin(FunctionLayer):
    """``softmax(-x)`` along ``axis``; see `softmin`."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softmin(x, self.axis)


@settings
class Softmax2d(FunctionLayer):
    """Softmax over the channels at every place of [n, channels, height, width] or [channels, height, width]."""

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: expected 3 or 4 axes, got shape {list(x.shape)}")
        return functions.softmax(x, -3)


ACTIVATIONS: dict[str, type[FunctionLayer]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "celu": CELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SiLU,
    "mish": Mish,
    "sigmoid": Sigmoid,
    "logsigmoid": LogSigmoid,
    "hardsigmoid": Hardsigmoid,
    "hardswish": Hardswish,
    "hardtanh": Hardtanh,
    "relu6": ReLU6,
    "hardshrink": Hardshrink,
    "softshrink": Softshrink,
    "tanhshrink": Tanhshrink,
    "tanh": Tanh,
    "softplus": Softplus,
    "softsign": Softsign,
    "softmax": Softmax,
    "log_softmax": LogSoftmax,
    "softmin": Softmin,
}
"""The activations that need nothing but an input, by the names of their functions."""


def activation_layer(activation: str | type[Module] | Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return an activation: a new layer by name or class; a function, or a layer that exists, as it is.

    Raises
    ------
    DataError
        When there is no activation of that name.
    """
    if isinstance(activation, type):
        made: Callable[[Any], Any] = activation()
        return made
    if callable(activation):
        return activation
    kind = ACTIVATIONS.get(activation)
    if kind is None:
        raise DataError(f"activation: {activation!r} is not known; use one of {', '.join(ACTIVATIONS)}")
    return kind()
