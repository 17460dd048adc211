"""A network as an estimator holds it: made, trained, asked, and copied as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina import optim, random
from lamina.autodiff.node import no_grad
from lamina.backends.registry import CPU
from lamina.dtypes import DType
from lamina.errors import DataError
from lamina.nn.activations import ACTIVATIONS
from lamina.nn.containers import MLP
from lamina.nn.init import uniform
from lamina.nn.linear_layers import Linear
from lamina.nn.module import Module
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.compiler.decorator import CompiledFunction

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "amsgrad": optim.AMSGrad,
    "adamax": optim.Adamax,
    "nadam": optim.NAdam,
    "radam": optim.RAdam,
    "sgd": optim.SGD,
    "rmsprop": optim.RMSprop,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "lion": optim.Lion,
    "lamb": optim.LAMB,
}

# scikit-learn's names of what has another one here.
_ACTIVATIONS: dict[str, Any] = {"logistic": "sigmoid", "identity": lambda x: x}

_BLOCK = 2048
"""Rows of one call of the compiled network: their activations fit in cache, and one shape is compiled once."""
_COMPILED_ROWS = 2 * _BLOCK
"""Rows from which a prediction is compiled. Fewer are quicker operation by operation than a program is loaded."""
_EAGER_ROWS = 1024
"""Rows at a time of a prediction operation by operation: their activations stay in cache."""


@dataclass(frozen=True)
class Recipe:
    """How a network and its optimiser are made, which is all that is copied of them beside their values.

    Attributes
    ----------
    inputs, outputs : int
    dtype : str
        Of the network's own layers; a ``module`` chooses its own.
    hidden : tuple of int
    activation : str, class or callable
    module : callable, optional
        Makes the model of the numbers of inputs and outputs, in place of hidden layers and activation.
    optimizer : str or callable
    lr : float
    """

    inputs: int
    outputs: int
    dtype: str
    hidden: tuple[int, ...]
    activation: Any
    module: Callable[[int, int], Module] | None
    optimizer: Any
    lr: float

    @property
    def compiles(self) -> bool:
        """Whether the network is known to be one that can be compiled."""
        return self.module is None and isinstance(self.activation, str)

    def model(self) -> Module:
        """Return a new model, which draws from the default generator."""
        if self.module is None:
            activation = self.activation
            if isinstance(activation, str):
                activation = _ACTIVATIONS.get(activation, activation)
            made: Module = MLP(self.inputs, self.hidden, self.outputs, activation, dtype=self.dtype)
            _begin_evenly(made)
            return made
        made = self.module(self.inputs, self.outputs)
        if not isinstance(made, Module):
            raise DataError(
                f"module: {self.module!r} made {type(made).__name__}; it makes an nn.Module of the numbers of inputs "
                "and outputs"
            )
        return made

    def optimizer_of(self, model: Module) -> optim.Optimizer:
        """Return a new optimiser of a model."""
        make = OPTIMIZERS[self.optimizer] if isinstance(self.optimizer, str) else self.optimizer
        made = make(model.parameters(), lr=self.lr)
        if not isinstance(made, optim.Optimizer):
            raise DataError(
                f"optimizer: {self.optimizer!r} made {type(made).__name__}; it makes a lamina.optim.Optimizer"
            )
        return made


def _begin_evenly(model: Module) -> None:
    """Draw weights and biases of each layer from one interval, ``±sqrt(6 / (inputs + outputs))``.

    Source: X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16.
    """
    for layer in model.modules():
        if isinstance(layer, Linear):
            bound = math.sqrt(6.0 / (layer.in_features + layer.out_features))
            for parameter in layer.parameters():
                parameter.assign(uniform(-bound, bound)(parameter.shape, dtype=parameter.dtype))


def check_recipe(owner: str, activation: Any, optimizer: Any, module: Any) -> None:
    """Refuse names that are not known, and objects that make nothing."""
    if isinstance(activation, str) and activation not in ACTIVATIONS and activation not in _ACTIVATIONS:
        names = ", ".join([*ACTIVATIONS, *_ACTIVATIONS])
        raise DataError(f"{owner}: activation is {activation!r}; use one of {names}, or a function or layer")
    if not isinstance(activation, str) and not callable(activation):
        raise DataError(f"{owner}: activation is {activation!r}; give a name, a class of layers or a function")
    if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
        raise DataError(f"{owner}: optimizer is {optimizer!r}; use one of {', '.join(OPTIMIZERS)}, or what makes one")
    if not callable(optimizer) and not isinstance(optimizer, str):
        raise DataError(
            f"{owner}: optimizer is {optimizer!r}; give a name such as 'adam', or what makes one of parameters, as "
            "functools.partial(optim.SGD, momentum=0.9)"
        )
    if module is not None and (not callable(module) or isinstance(module, Module)):
        raise DataError(
            f"{owner}: module is {type(module).__name__}; give a class or function that makes an nn.Module of the "
            "numbers of inputs and outputs"
        )


class Network:
    """A model with its optimiser and its random numbers.

    It is copied as its recipe and plain arrays: a copy makes the model anew and gives it the same values.

    Parameters
    ----------
    recipe : Recipe
    generator : Generator
        Of the first weights, the order of the rows and what layers draw.
    """

    def __init__(self, recipe: Recipe, generator: random.Generator) -> None:
        self.recipe = recipe
        self.generator = generator
        with random.use_generator(generator):
            self.model = recipe.model()
        self.model.train(False)
        self.optimizer = recipe.optimizer_of(self.model)
        self._compiled: CompiledFunction[..., Tensor] | None = None

    @property
    def dtype(self) -> DType:
        """The type of the parameters, and so of what goes in."""
        return self.model.parameters()[0].dtype

    def new_optimizer(self, optimizer: Any, lr: float) -> None:
        """Begin with a new optimiser and go on with the weights, as when a trained network is trained again."""
        self.recipe = Recipe(**{**vars(self.recipe), "optimizer": optimizer, "lr": lr})
        self.optimizer = self.recipe.optimizer_of(self.model)

    # --- answers ---

    def outputs(self, inputs: np.ndarray, compiled: bool) -> np.ndarray:
        """Return the outputs of the model for rows, of shape [n, outputs].

        Parameters
        ----------
        inputs : ndarray of shape [n, inputs]
        compiled : bool
            Whether many rows may go through a compiled program.
        """
        rows = np.ascontiguousarray(inputs, self.dtype.name)
        with no_grad():
            if compiled and len(rows) >= _COMPILED_ROWS:
                return self._compiled_outputs(rows)
            if len(rows) <= _EAGER_ROWS:
                return self._answers(self.model(Tensor(rows, CPU)), len(rows))
            parts = [
                self._answers(self.model(Tensor(part, CPU)), len(part))
                for part in (rows[start : start + _EAGER_ROWS] for start in range(0, len(rows), _EAGER_ROWS))
            ]
        return np.concatenate(parts)

    def _compiled_outputs(self, rows: np.ndarray) -> np.ndarray:
        if self._compiled is None:
            from lamina.compiler.decorator import compile

            self._compiled = compile(self.model.__call__)
        made = np.empty((len(rows), self.recipe.outputs), rows.dtype)
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            size = len(part)
            if size < _BLOCK:
                part = np.concatenate([part, np.zeros((_BLOCK - size, rows.shape[1]), rows.dtype)])
            made[start : start + size] = self._answers(self._compiled(part), _BLOCK)[:size]
        return made

    def _answers(self, given: Any, rows: int) -> np.ndarray:
        """Return what the model gave as an array, if it is of the shape it has to be."""
        expected = rows, self.recipe.outputs
        if not isinstance(given, Tensor) or given.shape != expected:
            found = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise DataError(f"module: the model gave {found} for {rows} rows; it must give a tensor {list(expected)}")
        return given.numpy()

    # --- copies ---

    def __getstate__(self) -> dict[str, Any]:
        state = {name: _plain(value) for name, value in self.optimizer.state_dict().items()}
        return {
            "recipe": self.recipe,
            "weights": {name: value.numpy().copy() for name, value in self.model.state_dict().items()},
            "optimizer": state,
            "generator": {name: value.numpy().copy() for name, value in self.generator.state_dict().items()},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["recipe"], random.Generator(0))  # type: ignore[misc]
        self.model.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.load_state_dict(state["generator"])


def _plain(value: Any) -> Any:
    return value.numpy().copy() if isinstance(value, Tensor) else value
