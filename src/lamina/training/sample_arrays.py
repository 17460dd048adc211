"""Arrays of samples as tensors that fit a model: one array, or a tuple or dict of several."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.autodiff.trees import Path, in_words, leaves
from lamina.backends.registry import get_backend
from lamina.dtypes import DEFAULT_FLOAT, DType
from lamina.errors import BackendError, DataError, DTypeError
from lamina.functions.creation import asarray
from lamina.primitives.operand import Operand
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.nn.module import Module

Tree = Any
"""A tensor, or a tuple or a dict of trees: several arrays in which the same number counts the same sample."""

SEVERAL = "several arrays are a tuple or a dict of them"


@dataclass(frozen=True)
class Place:
    """Where a model's parameters are, and their type: what data are made to fit.

    NumPy arrays and lists have no device and are often float64 by accident, so they are converted; tensors are
    as their owner made them, so they must fit.
    """

    device: str
    dtype: DType
    move: bool = False
    """Whether tensors on other devices are moved too."""

    @classmethod
    def of(cls, model: Any) -> Place:
        """Return the place of a model; one without parameters works on the default device in the default type."""
        parameters = model.parameters()
        if not parameters:
            return cls(get_backend().name, DEFAULT_FLOAT)
        return cls(parameters[0].device, parameters[0].dtype)


def is_rows(inputs: Tree) -> bool:
    """Tell whether samples are numbers or rows of them; a row of integers is a sequence of tokens."""
    return all(each.ndim < 2 or (each.ndim == 2 and each.dtype.floating) for each in leaves(inputs))


def called(model: Module, inputs: Tree) -> Any:
    """Return what a model answers: it takes a tuple of inputs as arguments, and a dict as arguments by name."""
    if inputs.__class__ is tuple:
        return model(*inputs)
    return model(**inputs) if inputs.__class__ is dict else model(inputs)


def check_call(operation: str, model: Module, inputs: Tree) -> None:
    """Refuse several inputs that are not what the model takes.

    Raises
    ------
    DataError
    """
    if isinstance(inputs, Tensor):
        return
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*inputs) if isinstance(inputs, tuple) else signature.bind(**inputs)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "nothing"
        raise DataError(
            f"{operation}: the inputs are {described(inputs)}, and the model takes {takes}: {error}; a tuple of "
            "inputs is for arguments in their order, a dict for arguments by name"
        ) from error


def count_of(values: Any) -> int:
    """Return how many samples there are in arrays that have not been looked at."""
    while isinstance(values, tuple | Mapping):
        values = next(iter(values.values() if isinstance(values, Mapping) else values))
    return len(values)


def as_inputs(operation: str, values: Any, place: Place, role: str) -> Tree:
    """Return inputs as tensors, under names that can be names of arguments; see `as_tree`."""
    if isinstance(values, Mapping) and not all(isinstance(name, str) for name in values):
        raise DataError(f"{operation}: the {role} are called {list(values)}; the model takes them by name, as texts")
    return as_tree(operation, values, place, role)


def as_tree(operation: str, values: Any, place: Place, role: str, path: Path = ()) -> Tree:
    """Return arrays of samples as tensors: on the model's device, not empty, finite.

    Tuples and dicts are several arrays, and become tuples and dicts; all else is one array.

    Raises
    ------
    DataError, DTypeError, BackendError
        As `as_pairs` says.
    """
    if isinstance(values, tuple | Mapping):
        if not values:
            raise DataError(f"{operation}: {in_words(f'the {role}', path)} are an empty {type(values).__name__}")
        named = values.items() if isinstance(values, Mapping) else enumerate(values)
        made = {name: as_tree(operation, each, place, role, (*path, name)) for name, each in named}
        return made if isinstance(values, Mapping) else tuple(made.values())
    return _as_samples(operation, values, place, in_words(role, path))


def _as_samples(operation: str, values: Any, place: Place, role: str) -> Tensor:
    if isinstance(values, Operand):
        made = _fitting(operation, values._untracked, place, role)
    else:
        made = _converted(operation, values, place, role)
    if made.ndim == 0 and role.endswith("]"):
        raise DataError(f"{operation}: the {role} are a number; {SEVERAL}, and numbers of one array are a list")
    if made.ndim == 0 or made.shape[0] == 0:
        raise DataError(f"{operation}: the {role} are empty: shape {list(made.shape)}; at least one sample is needed")
    _check_finite(operation, made, role)
    return made


def _fitting(operation: str, values: Tensor, place: Place, role: str) -> Tensor:
    if values.device != place.device:
        if not place.move:
            raise BackendError(
                f"{operation}: the {role} are on {values.device}, the model on {place.device}; "
                "move one with .to(device)"
            )
        values = values.to(place.device)
    if values.dtype.floating and values.dtype is not place.dtype:
        raise DTypeError(
            f"{operation}: the {role} are {values.dtype.name}, the model {place.dtype.name}; "
            f'cast them with .astype("{place.dtype.name}")'
        )
    return values


def _converted(operation: str, values: Any, place: Place, role: str) -> Tensor:
    array = values
    if isinstance(values, np.ndarray) or not hasattr(values, "__dlpack__"):
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise DataError(f"{operation}: the {role} are ragged, so they make no array: {error}; {SEVERAL}") from error
        if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
            raise DTypeError(
                f"{operation}: the {role} are of type {array.dtype}, not numbers; encode text and categories as numbers"
            )
    made = asarray(array, device=place.device)
    return made.astype(place.dtype) if made.dtype.floating else made


def _check_finite(operation: str, values: Tensor, role: str) -> None:
    if not values.dtype.floating:
        return
    array = values.numpy()
    finite = np.isfinite(array)
    if finite.all():
        return
    wrong = ~finite.reshape(len(array), -1)
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    where = f"; columns {_listed(columns)}" if array.ndim == 2 else ""
    raise DataError(
        f"{operation}: NaN or infinity in {len(rows)} of {len(array)} samples of the {role} "
        f"({len(columns)} of {wrong.shape[1]} columns; first sample {rows[0]}{where}); fill or drop them"
    )


def described(tree: Tree) -> str:
    """Return what a tree is, for errors."""
    if isinstance(tree, tuple | list):
        return f"a {type(tree).__name__} of {len(tree)}"
    if isinstance(tree, Mapping):
        return f"a dict of {', '.join(map(str, tree))}"
    return f"of shape {list(tree.shape)}" if isinstance(tree, Tensor) else f"of type {type(tree).__name__}"


def _listed(numbers: Any) -> str:
    shown = ", ".join(str(number) for number in numbers[:5])
    return f"{shown}, ..." if len(numbers) > 5 else shown
