"""What `fit` is asked for, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from lamina.dtypes import python_number
from lamina.errors import DataError
from lamina.nn.module import Module
from lamina.optim import LBFGS, Optimizer, ReduceLROnPlateau
from lamina.optim.lr_scheduler import LRScheduler
from lamina.training.callbacks import Callback, EarlyStopping
from lamina.training.history import History
from lamina.training.metrics import MetricFunction
from lamina.training.numbers import check_number
from lamina.training.steps import Recipe
from lamina.training.time_limit import TimeLimit
from lamina.training.units import SAMPLES, Unit

SchedulePer = Literal["epoch", "step"]


def check_kinds(model: Any, loss: Any, optimizer: Any, scheduler: Any, schedule_per: Any) -> None:
    """Refuse names and classes where the thing itself is meant."""
    if not isinstance(model, Module):
        raise DataError(f"fit: the model is {model!r}; derive its class from nn.Module")
    if not model.parameters():
        raise DataError("fit: the model has no parameters to train; hold variables or layers in it")
    if not callable(loss) or isinstance(loss, type):
        raise DataError(f"fit: loss is {loss!r}; give a function of outputs and targets, such as nn.mse_loss")
    if isinstance(optimizer, LBFGS):
        raise DataError(
            "fit: LBFGS asks for the loss of all data several times a step, and fit takes a step for each batch; call "
            "optimizer.step(lambda: loss_of(model(x), y)) in a loop, or give another optimizer"
        )
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise DataError(f"fit: optimizer is {optimizer!r}; make one, as with optim.Adam(model.parameters())")
    if scheduler is not None and not isinstance(scheduler, LRScheduler | ReduceLROnPlateau):
        raise DataError(f"fit: scheduler is {scheduler!r}; make one, as with optim.StepLR(optimizer, step_size=10)")
    if schedule_per not in ("epoch", "step"):
        raise DataError(f'fit: schedule_per is {schedule_per!r}; use "epoch" or "step"')
    if schedule_per == "step" and isinstance(scheduler, ReduceLROnPlateau):
        raise DataError('fit: ReduceLROnPlateau waits for the loss of an epoch; leave schedule_per at "epoch"')


def checked_penalty(name: str, value: Any) -> float:
    """Return a factor from 0."""
    given = python_number(value)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0.0 <= given < math.inf:
        raise DataError(f"fit: {name} is {value!r}; a penalty is a number from 0")
    return float(given)


def checked_recipe(model: Module, *, mixup: Any, l1: Any, l2: Any, penalize_biases: Any, **limits: Any) -> Recipe:
    """Return what makes a step beside model, optimiser and loss."""
    made = Recipe(
        check_number(
            "fit", "mixup", mixup, "it is the alpha of a beta distribution, above 0, and None mixes nothing", 0.0
        ),
        checked_penalty("l1", l1),
        checked_penalty("l2", l2),
        bool(penalize_biases),
        *(check_number("fit", name, limits[name], _LIMITS[name], 0.0) for name in ("clip_value", "clip_norm")),
    )
    if (made.l1 or made.l2) and not made.penalize_biases and all(each.ndim < 2 for each in model.parameters()):
        raise DataError(
            "fit: l1 and l2 are for weights, parameters with two axes or more, and the model has none; "
            "penalize_biases=True penalises every parameter"
        )
    return made


_LIMITS = {
    "clip_norm": "a norm to clip to is above 0, and None clips nothing",
    "clip_value": "a magnitude to clip to is above 0, and None clips nothing",
}


def progress_callbacks(progress: bool | Literal["auto"], unit: Unit = SAMPLES) -> list[Callback]:
    """Return what shows the progress, with the pace counted in a unit."""
    if progress is False:
        return []
    # Loads what draws in a terminal, which a training without it does without.
    from lamina.training.progress import progress_callback

    found = progress_callback(progress, unit)
    return [] if found is None else [found]


def checked_callbacks(early_stopping: int | EarlyStopping | None, callbacks: Any, max_seconds: Any) -> list[Callback]:
    """Return what is told about the training, in order."""
    if not isinstance(callbacks, Iterable):
        raise DataError(f"fit: callbacks is {callbacks!r}; give a list of callbacks, as in callbacks=[...]")
    found: list[Callback] = []
    if early_stopping is not None:
        found.append(early_stopping if isinstance(early_stopping, EarlyStopping) else EarlyStopping(early_stopping))
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise DataError(f"fit: {callback!r} is no callback; derive its class from lamina.training.Callback")
        found.append(callback)
    seconds = check_number("fit", "max_seconds", max_seconds, "it is a time above 0, and None sets no limit", 0.0)
    return found if seconds is None else [*found, TimeLimit(seconds)]


def new_history(callbacks: Sequence[Callback], metrics: Mapping[str, MetricFunction], validated: bool) -> History:
    """Return an empty history that judges epochs as the early stopping does, if there is one."""
    monitor = "val_loss" if validated else "loss"
    prefixed = [f"val_{name}" if validated else name for name in metrics]
    recorded = ["loss", *(["val_loss"] if validated else []), *prefixed]
    judges = [callback for callback in callbacks if isinstance(callback, EarlyStopping)]
    if len(judges) > 1:
        raise DataError(f"fit: {len(judges)} early stoppings judge the epochs, each by its own; give one")
    history = judges[0].history(monitor) if judges else History(monitor)
    if history.monitor not in recorded:
        known = ", ".join(recorded)
        raise DataError(f"fit: early stopping monitors {history.monitor!r}, which is not recorded; what is: {known}")
    return history
