"""Inputs and targets that belong together: checked, split, and dealt out in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lamina.autodiff.trees import leaves, mapped
from lamina.errors import DataError
from lamina.functions.searching import sort
from lamina.primitives.indexing import take
from lamina.primitives.shaping import slice_
from lamina.random import Generator
from lamina.tensor import Tensor
from lamina.training.sample_arrays import SEVERAL, Place, Tree, as_inputs, as_tree


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
    inputs, targets : Tensor, or tuple or dict of them
    weights : Tensor of shape [n], optional
        How much each sample counts.
    """

    inputs: Tree
    targets: Tree
    weights: Tensor | None = None

    @property
    def first(self) -> Tensor:
        """The first of the inputs: the others are where it is, and have as many samples."""
        found: Tensor = leaves(self.inputs)[0]
        return found

    def __len__(self) -> int:
        return self.first.shape[0]

    def check(self, operation: str, kind: str = "", hint: str = "") -> None:
        """Refuse arrays of which one has more samples than another."""
        for role, tree in ((f"{kind}inputs", self.inputs), ("targets", self.targets)):
            for each in leaves(tree):
                if each.shape[0] != len(self):
                    raise DataError(
                        f"{operation}: {len(self)} {kind}inputs (shape {list(self.first.shape)}) for {each.shape[0]} "
                        f"{role} (shape {list(each.shape)}); the first axes must be equal{hint}"
                    )

    def map(self, function: Callable[[Tensor], Tensor]) -> Pairs:
        """Return the samples with a function applied to each tensor."""
        weights = None if self.weights is None else function(self.weights)
        return Pairs(mapped(function, self.inputs), mapped(function, self.targets), weights)

    def rows(self, order: Tensor) -> Pairs:
        """Return the samples with these numbers."""
        # A primitive, because this runs before every step and everything in it is known to fit.
        return self.map(lambda each: take(each, order, axis=0))

    def part(self, start: int, stop: int) -> Pairs:
        """Return the samples from one number to before another."""
        return self.map(lambda each: each[start:stop])

    def order(self, generator: Generator | None, epoch: int) -> Tensor | None:
        """Return a random order of the samples; None, their own, without a generator."""
        return None if generator is None else generator.permutation(len(self), device=self.first.device)

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


def as_pairs(operation: str, data: Any, place: Place, kind: str = "") -> Pairs:
    """Return data as tensors that can be trained on.

    Parameters
    ----------
    operation : str
        Named in errors.
    data : pair
        Inputs and targets, each an array, or a tuple or dict of arrays; a `lamina.data.Dataset` is such a pair.
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
        pair: Any = () if isinstance(data, Mapping) else data
        inputs, targets = pair
    except (TypeError, ValueError) as error:
        raise DataError(f"{operation}: expected {kind}data as a pair (X, Y), got {_described(data)}") from error
    pairs = Pairs(
        as_inputs(operation, inputs, place, f"{kind}inputs"), as_tree(operation, targets, place, f"{kind}targets")
    )
    pairs.check(operation, kind, "" if not isinstance(inputs, list) else f", and a list is one array: {SEVERAL}")
    return pairs


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
    order = generator.permutation(len(pairs), device=pairs.first.device)
    return pairs.rows(sort(order[held_out:])), pairs.rows(sort(order[:held_out]))
