"""Steps of training on batches, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lamina.optim import clip_grad_norm
from lamina.optim.optimizer import Optimizer
from lamina.tensor import Tensor
from lamina.training.evaluation import Loss, scalar_loss
from lamina.training.pairs import Pairs

if TYPE_CHECKING:
    from lamina.nn.module import Module


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

    def epoch(self, order: Tensor | None, *, singly: bool) -> Iterator[Taken]:
        """Take a step on each batch of an epoch; control returns after some of them.

        Parameters
        ----------
        order : Tensor or None
            The numbers of the samples in the order to take them, int64 [n]; their own order when None.
        singly : bool
            Whether control is to return after every step.
        """


class Step(NamedTuple):
    """What a step is made of; all of it can be recorded and compiled."""

    model: Module
    optimizer: Optimizer
    loss: Loss
    clip_norm: float | None

    def take(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take one step and return the loss before it."""
        loss = scalar_loss("fit", self.loss(self.model(inputs), targets))
        gradients = loss.backward()
        if self.clip_norm is not None:
            gradients, _ = clip_grad_norm(gradients, self.clip_norm)
        self.optimizer.step(gradients)
        return loss


class EagerSteps:
    """Each step operation by operation.

    Parameters
    ----------
    step : Step
    training : Pairs
    batch_size : int
    """

    def __init__(self, step: Step, training: Pairs, batch_size: int) -> None:
        self._step = step
        self._training = training
        self._batch_size = batch_size

    def epoch(self, order: Tensor | None, *, singly: bool) -> Iterator[Taken]:
        """Take a step on each batch; control returns after every one."""
        for batch in self._training.batches(self._batch_size, order):
            yield self.take(batch)

    def take(self, batch: Pairs) -> Taken:
        """Take a step on one batch."""
        return Taken([float(self._step.take(batch.inputs, batch.targets).item())], len(batch))
