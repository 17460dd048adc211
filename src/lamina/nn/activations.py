"""Activations as layers. The functions themselves are in `lamina.functions.activations`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

from lamina.errors import DataError
from lamina.functions import activations as functions
from lamina.functions.elementwise import tanh
from lamina.nn.module import Module
from lamina.tensor import Tensor


class Activation(Module):
    """The base of activation layers, whose settings are their dataclass fields; ``repr`` shows them."""

    def extra_repr(self) -> str:
        return ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))  # type: ignore[arg-type]


settings = dataclass(eq=False, repr=False)


@settings
class ReLU(Activation):
    """``max(x, 0)``; see `lamina.relu`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.relu(x)


@settings
class LeakyReLU(Activation):
    """``x`` where positive and ``negative_slope * x`` elsewhere; see `lamina.leaky_relu`."""

    negative_slope: float = 0.01

    def __call__(self, x: Tensor) -> Tensor:
        return functions.leaky_relu(x, self.negative_slope)


@settings
class ELU(Activation):
    """``x`` where positive and ``alpha * (exp(x) - 1)`` elsewhere; see `lamina.elu`."""

    alpha: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return functions.elu(x, self.alpha)


@settings
class SELU(Activation):
    """The ELU scaled to keep mean 0 and variance 1; see `lamina.selu`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.selu(x)


@settings
class GELU(Activation):
    """``x`` times the normal distribution function, exactly or with ``"tanh"`` nearly; see `lamina.gelu`."""

    approximate: Literal["none", "tanh"] = "none"

    def __post_init__(self) -> None:
        if self.approximate not in ("none", "tanh"):
            raise DataError(f'GELU: approximate must be "none" or "tanh", got {self.approximate!r}')

    def __call__(self, x: Tensor) -> Tensor:
        return functions.gelu(x, self.approximate)


@settings
class SiLU(Activation):
    """``x * sigmoid(x)``; see `lamina.silu`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.silu(x)


@settings
class Mish(Activation):
    """``x * tanh(softplus(x))``; see `lamina.mish`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.mish(x)


@settings
class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``; see `lamina.sigmoid`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.sigmoid(x)


@settings
class HardSigmoid(Activation):
    """``x/6 + 1/2`` limited to [0, 1]; see `lamina.hard_sigmoid`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.hard_sigmoid(x)


@settings
class Tanh(Activation):
    """The hyperbolic tangent; see `lamina.tanh`."""

    def __call__(self, x: Tensor) -> Tensor:
        return tanh(x)


@settings
class Softplus(Activation):
    """``log(1 + exp(beta * x)) / beta``, exact for large inputs too; see `lamina.softplus`."""

    beta: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softplus(x, self.beta)


@settings
class Softsign(Activation):
    """``x / (1 + |x|)``; see `lamina.softsign`."""

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softsign(x)


@settings
class Softmax(Activation):
    """``exp(x) / sum(exp(x))`` along ``axis``; see `lamina.softmax`."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        return functions.softmax(x, self.axis)


@settings
class LogSoftmax(Activation):
    """The logarithm of softmax along ``axis``; see `lamina.log_softmax`."""

    axis: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        return functions.log_softmax(x, self.axis)


ACTIVATIONS: dict[str, type[Activation]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SiLU,
    "mish": Mish,
    "sigmoid": Sigmoid,
    "hard_sigmoid": HardSigmoid,
    "tanh": Tanh,
    "softplus": Softplus,
    "softsign": Softsign,
    "softmax": Softmax,
    "log_softmax": LogSoftmax,
}


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
