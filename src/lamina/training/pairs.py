"""Inputs and targets that belong together: checked, split, and dealt out in batches."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lamina.backends.registry import get_backend
from lamina.dtypes import DEFAULT_FLOAT, DType
from lamina.errors import BackendError, DataError, DTypeError
from lamina.functions.creation import asarray
from lamina.functions.searching import sort
from lamina.primitives.indexing import take
from lamina.primitives.operand import Operand
from lamina.primitives.shaping import slice_
from lamina.random import Generator
from lamina.tensor import Tensor

_ONE_ARRAY = (
    "inputs are one array, and so are targets: join several along the last axis and take them apart in the model and "
    "the loss, or write the step by hand"
)


class Samples(Protocol):
    """What can be trained on and measured: samples in memory, `Pairs`, or read as they are needed."""

    def __len__(self) -> int:
        """Return how many samples there are."""

    def order(self, generator: Generator | None, epoch: int) -> Any:
        """Return the order of an epoch, drawn from a generator; their own, None, without one."""

    def batches(self, batch_size: int, order: Any = None, start: int = 0) -> Iterator[Pairs]:
        """Yield the samples, ``batch_size`` at a time and what is left, from the ``start``-th batch on."""


@dataclass(frozen=True)
class Pairs:
    """Samples: the first axis of each tensor counts them.

    Attributes
    ----------
    inputs, targets : Tensor
    weights : Tensor of shape [n], optional
        How much each sample counts.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return self.inputs.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> Pairs:
        """Return the samples with a function applied to each tensor."""
        weights = None if self.weights is None else function(self.weights)
        return Pairs(function(self.inputs), function(self.targets), weights)

    def rows(self, order: Tensor) -> Pairs:
        """Return the samples with these numbers."""
        # A primitive, because this runs before every step and everything in it is known to fit.
        return self.map(lambda each: take(each, order, axis=0))

    def part(self, start: int, stop: int) -> Pairs:
        """Return the samples from one number to before another."""
        return self.map(lambda each: each[start:stop])

    def order(self, generator: Generator | None, epoch: int) -> Tensor | None:
        """Return a random order of the samples; None, their own, without a generator."""
        return None if generator is None else generator.permutation(len(self), device=self.inputs.device)

    def batches(self, batch_size: int, order: Tensor | None = None, start: int = 0) -> Iterator[Pairs]:
        """Yield the samples, ``batch_size`` at a time and what is left, in the order given or their own."""
        if order is None and len(self) <= batch_size:
            yield from () if start else (self,)
            return
        for first in range(start * batch_size, len(self), batch_size):
            stop = min(first + batch_size, len(self))
            if order is None:
                yield self.part(first, stop)
            else:
                yield self.rows(slice_(order, start=(first,), stop=(stop,), step=(1,)))


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


def check_count(operation: str, name: str, value: Any) -> int:
    """Return an integer from 1."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise DataError(f"{operation}: {name} is {value!r}; it is a whole number from 1") from error
    if number < 1:
        raise DataError(f"{operation}: {name} is {number}; it is a whole number from 1")
    return number


def as_pairs(operation: str, data: Any, place: Place, kind: str = "") -> Pairs:
    """Return data as tensors that can be trained on.

    Parameters
    ----------
    operation : str
        Named in errors.
    data : pair of Tensor or array
        Inputs and targets; a `lamina.data.Dataset` is one.
    place : Place
    kind : str
        Which data, such as ``"validation "``, for errors.

    Raises
    ------
    DataError
        When it is no pair, the lengths differ, there is no sample, or a value is NaN or infinite.
    DTypeError
        When there are things that are not numbers, or a float tensor of another type than the model's.
    BackendError
        When a tensor is on another device than the model.
    """
    try:
        inputs, targets = data
    except (TypeError, ValueError) as error:
        raise DataError(f"{operation}: expected {kind}data as a pair (X, Y), got {_described(data)}") from error
    pairs = Pairs(
        as_input(operation, inputs, place, f"{kind}inputs"), as_input(operation, targets, place, f"{kind}targets")
    )
    if pairs.inputs.shape[0] != pairs.targets.shape[0]:
        raise DataError(
            f"{operation}: {len(pairs)} {kind}inputs (shape {list(pairs.inputs.shape)}) for "
            f"{pairs.targets.shape[0]} targets (shape {list(pairs.targets.shape)}); the first axes must be equal"
        )
    return pairs


def as_input(operation: str, values: Any, place: Place, role: str) -> Tensor:
    """Return one array of samples as a tensor: on the model's device, not empty, finite."""
    if isinstance(values, Operand):
        made = _fitting(operation, values._untracked, place, role)
    else:
        made = _converted(operation, values, place, role)
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
            raise DataError(
                f"{operation}: the {role} are ragged, so they make no array: {error}; {_ONE_ARRAY}"
            ) from error
        if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
            remedy = _ONE_ARRAY if isinstance(values, Mapping) else "encode text and categories as numbers"
            raise DTypeError(f"{operation}: the {role} are of type {array.dtype}, not numbers; {remedy}")
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
        f"{operation}: NaN or infinity in {len(rows)} of {len(array)} rows of the {role} "
        f"({len(columns)} of {wrong.shape[1]} columns; first row {rows[0]}{where}); fill or drop them"
    )


def _listed(numbers: Any) -> str:
    shown = ", ".join(str(number) for number in numbers[:5])
    return f"{shown}, ..." if len(numbers) > 5 else shown


def _described(data: Any) -> str:
    shape = getattr(data, "shape", None)
    return type(data).__name__ + ("" if shape is None else f" of shape {list(shape)}")


def split(operation: str, pairs: Pairs, share: float, generator: Generator) -> tuple[Pairs, Pairs]:
    """Return the samples without a random ``share`` of them, in their order, and that share.

    Raises
    ------
    DataError
        When the share is not between 0 and 1, or leaves no sample on one side.
    """
    if not 0.0 < share < 1.0:
        raise DataError(f"{operation}: validation is {share}; a share lies between 0 and 1, and a set is a pair (X, Y)")
    held_out = max(1, round(share * len(pairs)))
    if held_out >= len(pairs):
        raise DataError(f"{operation}: validation={share} of {len(pairs)} samples leaves none to train on")
    order = generator.permutation(len(pairs), device=pairs.inputs.device)
    return pairs.rows(sort(order[held_out:])), pairs.rows(sort(order[:held_out]))
