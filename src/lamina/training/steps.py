"""Steps of training on batches, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lamina import random
from lamina.autodiff.gradients import Gradients
from lamina.errors import ShapeError
from lamina.optim import clip_grad_norm, clip_grad_value
from lamina.optim.optimizer import Optimizer
from lamina.tensor import Tensor
from lamina.training.evaluation import Loss, scalar_loss
from lamina.training.mixup import mixed, mixes_targets, mixing_share
from lamina.training.pairs import Pairs, Samples
from lamina.training.sample_arrays import called

if TYPE_CHECKING:
    from lamina.nn.module import Module
    from lamina.training.accumulation import GradientSum
    from lamina.training.moving_average import WeightAverage
    from lamina.training.scheduling import RateTable


class Taken(NamedTuple):
    """Steps that have been taken.

    Attributes
    ----------
    losses : list of float
        The loss of each batch before its step.
    size : int
        Samples in each batch.
    """

    losses: list[float]
    size: int


class Steps(Protocol):
    """How an epoch is trained."""

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each batch of an epoch; control returns after some of them.

        Parameters
        ----------
        order : Tensor, or what else `Samples.order` gave
            The order in which to take the samples; their own when None.
        start : int, default 0
            Steps of the epoch that have been taken before.
        at_most : int, optional
            How many steps there are to be at most until control returns. It also returns where their count since
            ``start`` is a multiple of it.
        """


@dataclass(frozen=True)
class Recipe:
    """What makes a step beside model, optimiser and loss.

    Attributes
    ----------
    mixup : float, optional
        ``alpha``: the samples of a batch are mixed with each other.
    l1, l2 : float
        ``l1 * sum(|w|) + l2 / 2 * sum(w**2)`` is added to the loss that is differentiated.
    penalize_biases : bool
        Whether parameters with fewer than two axes are penalised too.
    clip_value, clip_norm : float, optional
        Limits of each element of the gradients, and then of their norm.
    """

    mixup: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    penalize_biases: bool = False
    clip_value: float | None = None
    clip_norm: float | None = None

    def penalty(self, model: Module) -> Tensor | None:
        """Return what is added to the loss; None where nothing is."""
        total = None
        if self.l1 or self.l2:
            for each in model.parameters():
                if each.ndim >= 2 or self.penalize_biases:
                    costs = []
                    if self.l1:
                        costs.append(self.l1 * each.abs().sum())
                    if self.l2:
                        costs.append((0.5 * self.l2) * (each * each).sum())
                    for cost in costs:
                        total = cost if total is None else total + cost
        return total

    def clipped(self, gradients: Gradients) -> Gradients:
        """Return gradients within the limits."""
        if self.clip_value is not None:
            gradients = clip_grad_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            gradients, _ = clip_grad_norm(gradients, self.clip_norm)
        return gradients


@dataclass(frozen=True)
class Step:
    """One step; all of it can be recorded and compiled.

    Attributes
    ----------
    model : Module
    optimizer : Optimizer
    loss : callable
        The mean loss of a batch, or the loss of each sample where those have weights.
    recipe : Recipe
    average : WeightAverage, optional
        What the new weights are added to.
    rates : RateTable, optional
        Where the learning rates of the next step come from.
    sums : GradientSum, optional
        Where the gradients are added up, instead of making a step of each.
    """

    model: Module
    optimizer: Optimizer
    loss: Loss
    recipe: Recipe = field(default_factory=Recipe)
    average: WeightAverage | None = None
    rates: RateTable | None = None
    sums: GradientSum | None = None

    def take(self, batch: Pairs) -> Tensor:
        """Take one step and return the loss before it, without penalties."""
        loss = self._loss(batch) if self.recipe.mixup is None else self._mixed_loss(batch, self.recipe.mixup)
        penalty = self.recipe.penalty(self.model)
        gradients = (loss if penalty is None else loss + penalty).backward()
        if self.sums is None:
            self.update(gradients)
        else:
            self.sums.add(gradients, len(batch))
        return loss

    def update(self, gradients: Gradients) -> None:
        """Change the weights."""
        self.optimizer.step(self.recipe.clipped(gradients))
        if self.average is not None:
            self.average.update()
        if self.rates is not None:
            self.rates.advance()

    def finish(self) -> None:
        """Change the weights by the gradients that have been added up."""
        if self.sums is not None:
            self.update(self.sums.taken())

    def _loss(self, batch: Pairs) -> Tensor:
        return batch_loss("fit", self.loss, called(self.model, batch.inputs), batch)

    def _mixed_loss(self, batch: Pairs, alpha: float) -> Tensor:
        share = mixing_share(alpha, batch.first)
        others = batch.rows(random.permutation(len(batch), device=batch.first.device))
        both = mixed(batch, others, share)
        outputs = called(self.model, both.inputs)
        if mixes_targets(batch):
            return batch_loss("fit", self.loss, outputs, both)
        # The loss of mixed labels is the mixture of their losses, for cross-entropy by its definition.
        ours, theirs = batch_loss("fit", self.loss, outputs, batch), batch_loss("fit", self.loss, outputs, others)
        return share.astype(ours.dtype) * ours + (1.0 - share).astype(ours.dtype) * theirs


def batch_loss(operation: str, loss: Loss, outputs: Any, batch: Pairs) -> Tensor:
    """Return the loss of a batch: as it is given, or the mean of its samples' losses times their weights."""
    if batch.weights is None:
        return scalar_loss(operation, loss(outputs, batch.targets))
    losses = loss(outputs, batch.targets)
    if not isinstance(losses, Tensor) or losses.ndim == 0 or losses.shape[0] != len(batch):
        shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
        raise ShapeError(
            f'{operation}: with reduction="none" the loss function gave {shape} for {len(batch)} samples; to be '
            "weighed, each needs a loss of its own"
        )
    each = losses.reshape((len(batch), -1)).mean(axis=1) if losses.ndim > 1 else losses
    return (each * batch.weights.astype(each.dtype)).mean()


class EagerSteps:
    """Each step operation by operation.

    Parameters
    ----------
    step : Step
    training : Samples
    batch_size : int
    """

    def __init__(self, step: Step, training: Samples, batch_size: int) -> None:
        self._step = step
        self._training = training
        self._batch_size = batch_size

    def epoch(self, order: Any, *, start: int = 0, at_most: int | None = None) -> Iterator[Taken]:
        """Take a step on each batch; control returns after every one."""
        for batch in self._training.batches(self._batch_size, order, start):
            yield self.take(batch)

    def take(self, batch: Pairs) -> Taken:
        """Take a step on one batch."""
        return Taken([float(self._step.take(batch).item())], len(batch))
