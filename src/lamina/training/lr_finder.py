"""A learning-rate finder: the loss while the learning rate grows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.errors import DataError, TrainingDiverged
from lamina.files import PathLike
from lamina.nn.module import Module
from lamina.optim import Adam, Optimizer
from lamina.training.callbacks import Callback, Snapshot, TrainingState
from lamina.training.evaluation import Loss
from lamina.training.fitting import fit
from lamina.training.numbers import check_count
from lamina.training.sample_arrays import count_of
from lamina.training.streaming import is_stream

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PASSED_ON = ("shuffle", "class_weight", "sample_weight", "mixup", "accumulate", "l1", "l2", "penalize_biases",
             "clip_norm", "clip_value", "compile")  # fmt: skip
"""The options of `fit` that change what a step is."""

_SMOOTHING = 0.9
_DIVERGED = 4.0
"""How many times the lowest loss is too much to go on."""
_FEWEST = 5
"""Steps from which something can be said about the course of the loss."""


@dataclass(frozen=True)
class LearningRates:
    """The loss of each step while the learning rate grew from step to step.

    Attributes
    ----------
    rates, losses : tuple of float
        The learning rate of each step, and the loss before it.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smoothed(self) -> npt.NDArray[np.float64]:
        """The losses as an exponential moving average, corrected for its beginning."""
        average, found = 0.0, []
        for step, loss in enumerate(self.losses, start=1):
            average = _SMOOTHING * average + (1.0 - _SMOOTHING) * loss
            found.append(average / (1.0 - _SMOOTHING**step))
        return np.array(found)

    @property
    def suggestion(self) -> float:
        """Where half of the fall of the smoothed loss was reached, at most a tenth of the rate of its lowest.

        At the lowest the loss is often about to grow again. Where it falls most steeply would be another choice, but
        from step to step the samples differ, and with them the slope.

        Raises
        ------
        DataError
            When the loss never fell.
        """
        lowest = self._lowest
        if lowest is None:
            raise DataError(
                f"find_lr: the loss did not fall from a learning rate of {self.rates[0]:.3g} on; use a lower one to "
                "begin with, or more steps"
            )
        smoothed = self.smoothed[: lowest + 1]
        halfway = (float(np.median(smoothed[:_FEWEST])) + smoothed[lowest]) / 2.0
        fallen = int(np.flatnonzero(smoothed > halfway)[-1]) + 1
        return float(min(self.rates[fallen], self.rates[lowest] / 10.0))

    @property
    def _lowest(self) -> int | None:
        """The step of the lowest loss; None where the loss did not fall."""
        lowest = int(self.smoothed.argmin())
        return lowest if lowest >= _FEWEST else None

    def plot(self, path: PathLike | None = None) -> Figure:
        """Draw the losses over the learning rate.

        Parameters
        ----------
        path : str or path, optional
            Where to save the picture; its ending chooses the format.

        Returns
        -------
        matplotlib.figure.Figure
            Drawn without a window.

        Raises
        ------
        DataError
            When the ending is no format.
        CheckpointError
            When the picture cannot be written.
        """
        from lamina.pictures import QUIET, new_figure, plain, save
        from lamina.training.plot import PANEL_HEIGHT, PANEL_WIDTH, TRAINING, VALIDATION

        figure = new_figure(PANEL_WIDTH, PANEL_HEIGHT)
        axis, smoothed = figure.subplots(), self.smoothed
        axis.plot(self.rates, self.losses, color=QUIET, linewidth=0.8, alpha=0.5, label="loss of a step")
        axis.plot(self.rates, smoothed, color=TRAINING, linewidth=1.8, label="smoothed")
        if self._lowest is not None:
            rate = self.suggestion
            axis.axvline(rate, color=VALIDATION, linewidth=1.2, linestyle=":", label=f"suggestion {rate:.2g}")
        axis.set_xscale("log")
        low, high = float(smoothed.min()), float(smoothed[: _FEWEST * 2].max())
        if high > low:
            axis.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))
        plain(axis, "loss while the learning rate grows", "learning rate")
        axis.legend(frameon=False, loc="lower left")
        save("LearningRates.plot", figure, path)
        return figure

    def __repr__(self) -> str:
        suggested = f", suggestion {self.suggestion:.3g}" if self._lowest is not None else ""
        return f"LearningRates({len(self.rates)} steps from {self.rates[0]:.3g} to {self.rates[-1]:.3g}{suggested})"


class _Growing(Callback):
    """Sets the learning rate of each step, and ends training when the loss has grown."""

    def __init__(self, rates: npt.NDArray[np.float64]) -> None:
        self.rates = rates
        self.losses: list[float] = []
        self._average, self._lowest = 0.0, math.inf

    def on_train_begin(self, state: TrainingState) -> None:
        self._assign(state, 0)

    def on_batch_end(self, state: TrainingState) -> None:
        self.losses.append(state.batch_loss)
        self._average = _SMOOTHING * self._average + (1.0 - _SMOOTHING) * state.batch_loss
        smoothed = self._average / (1.0 - _SMOOTHING ** len(self.losses))
        self._lowest = min(self._lowest, smoothed)
        if len(self.losses) == len(self.rates):
            state.request_stop("every learning rate was tried")
        elif len(self.losses) >= _FEWEST and smoothed > _DIVERGED * self._lowest:
            state.request_stop("the loss has grown")
        else:
            self._assign(state, len(self.losses))

    def _assign(self, state: TrainingState, step: int) -> None:
        for group in state.optimizer.param_groups:
            group["lr"].assign(float(self.rates[step]))


def find_lr(
    model: Module,
    data: Any,
    *,
    loss: Loss,
    optimizer: Optimizer | None = None,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    seed: int | None = None,
    **options: Any,
) -> LearningRates:
    """Train for some steps while the learning rate grows, and return how the loss took it.

    The rates grow by the same factor from step to step. It ends early when the smoothed loss is four times its
    lowest. Model and optimiser are as before afterwards.

    Parameters
    ----------
    model : Module
    data : pair, or Stream
        As in `fit`.
    loss : callable
        ``loss(outputs, targets)``.
    optimizer : Optimizer, optional
        ``Adam(model.parameters())`` when None. Each of its groups is given the rate.
    lowest, highest : float, default 1e-6 and 10
        The first and the last learning rate.
    steps : int, default 100
        From 5.
    batch_size : int, default 32
    seed : int, optional
        As in `fit`.
    **options
        Options of `fit` that change what a step is: ``shuffle``, ``class_weight``, ``sample_weight``, ``mixup``,
        ``accumulate``, ``l1``, ``l2``, ``penalize_biases``, ``clip_norm``, ``clip_value`` and ``compile``.

    Returns
    -------
    LearningRates
        With ``suggestion``, and ``plot()``.

    Raises
    ------
    DataError
        When the rates do not grow, or an option is none of those; and what `fit` raises.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> X = la.random.Generator(0).normal((256, 2))
    >>> la.random.seed(0)
    >>> found = la.training.find_lr(nn.Linear(2, 1), (X, X.sum(axis=1, keepdims=True)), loss=nn.mse_loss, seed=0)
    >>> 0.001 < found.suggestion < 1.0
    True

    References
    ----------
    L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3.
    """
    unknown = [name for name in options if name not in PASSED_ON]
    if unknown:
        raise DataError(f"find_lr: {', '.join(unknown)} changes nothing in a step; what does: {', '.join(PASSED_ON)}")
    if not 0.0 < lowest < highest < math.inf:
        raise DataError(f"find_lr: the learning rate is to grow from {lowest} to {highest}; give 0 < lowest < highest")
    if check_count("find_lr", "steps", steps) < _FEWEST:
        raise DataError(f"find_lr: {steps} steps say nothing about a loss; use {_FEWEST} or more")
    if not isinstance(model, Module) or not model.parameters():
        raise DataError(f"find_lr: {model!r:.80} is no model with parameters to train")
    chosen = Adam(model.parameters()) if optimizer is None else optimizer
    growing = _Growing(np.geomspace(lowest, highest, steps))
    try:
        count = len(data) if is_stream(data) else count_of(next(iter(data)))
    except (TypeError, StopIteration):
        count = 1  # `fit` says what is wrong with the data
    per_epoch = -(-count // (batch_size * options.get("accumulate", 1)))
    before = Snapshot(model.state_dict(), chosen.state_dict()) if isinstance(chosen, Optimizer) else None
    try:
        fit(model, data, loss=loss, optimizer=chosen, epochs=-(-steps // per_epoch), batch_size=batch_size, seed=seed,
            callbacks=[growing], progress=False, **options)  # fmt: skip
    except TrainingDiverged as error:
        if len(growing.losses) < _FEWEST:
            raise DataError(
                f"find_lr: the loss diverges within {_FEWEST} steps from a learning rate of {lowest:g} on; use a lower "
                "one to begin with"
            ) from error
    finally:
        if before is not None:
            model.load_state_dict(before.model)
            chosen.load_state_dict(before.optimizer)
    return LearningRates(tuple(float(rate) for rate in growing.rates[: len(growing.losses)]), tuple(growing.losses))
