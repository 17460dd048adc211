"""From options to the parts of a training: the model, the loss, the optimiser, the schedule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lamina import nn, optim
from lamina.errors import LaminaError
from lamina.optim import LRScheduler, Optimizer, ReduceLROnPlateau
from lamina.runs.option_declaration import OptionError
from lamina.runs.option_kinds import nearest
from lamina.runs.options import TrainingOptions
from lamina.tensor import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
Schedule = LRScheduler | ReduceLROnPlateau

VALUE_LOSSES: dict[str, Loss] = {
    "mse": nn.mse_loss,
    "mae": nn.l1_loss,
    "huber": nn.huber_loss,
    "smooth_l1": nn.smooth_l1_loss,
}

# The learning rate of the first epoch of a warm-up, as a share of the full one.
WARMUP_START = 0.1


def optimizers() -> dict[str, type[Optimizer]]:
    """Return every optimiser that can train a whole model, by its name in lower case.

    Muon trains matrices only, so it is no choice here: biases need another one beside it.
    """
    found = (getattr(optim, name) for name in optim.__all__)
    return {
        each.__name__.lower(): each
        for each in found
        if isinstance(each, type) and issubclass(each, Optimizer) and each not in (Optimizer, optim.Muon)
    }


def build_loss(options: TrainingOptions, classes: bool) -> Loss:
    """Return the loss of a task.

    Raises
    ------
    OptionError
        When the loss is one of the other task.
    """
    if classes:
        if options.loss not in ("auto", "cross_entropy"):
            raise OptionError("loss", f"{options.loss} is for values, and these are classes; use cross_entropy")
        return partial(nn.cross_entropy, label_smoothing=options.label_smoothing)
    if options.label_smoothing:
        raise OptionError("label_smoothing", "this is for classes, and these are values")
    if options.loss == "cross_entropy":
        raise OptionError("loss", f"cross_entropy is for classes, and these are values; use {', '.join(VALUE_LOSSES)}")
    return VALUE_LOSSES["mse" if options.loss == "auto" else options.loss]


def build_optimizer(model: nn.Module, options: TrainingOptions) -> Optimizer:
    """Return the optimiser of a model's parameters.

    Raises
    ------
    OptionError
        When it has no setting of a name, or refuses a value.
    """
    kind = optimizers()[options.optimizer]
    settings = dict(options.optimizer_settings)
    taken = [name for name in inspect.signature(kind).parameters if name not in ("params", "lr", "maximize")]
    _check_settings("optimizer_settings", settings, taken, options.optimizer)
    if options.weight_decay is not None:
        settings["weight_decay"] = options.weight_decay
    try:
        return kind(model.parameters(), lr=options.learning_rate, **settings)
    except (LaminaError, TypeError) as error:
        raise OptionError("optimizer_settings", str(error)) from error


def build_schedule(optimizer: Optimizer, options: TrainingOptions) -> Schedule | None:
    """Return the schedule of the learning rate, advanced an epoch at a time; ``None`` for a constant one.

    Raises
    ------
    OptionError
        When it has no setting of a name, or refuses a value.
    """
    warmup, epochs = options.warmup, options.epochs
    if warmup >= epochs:
        raise OptionError("warmup", f"{warmup} of {epochs} epochs leave none at the full learning rate")
    if options.schedule == "constant" and not warmup:
        if options.schedule_settings:
            raise OptionError("schedule_settings", "a constant learning rate has no settings; choose a schedule")
        return None
    kind, own = _schedules(options, epochs - warmup)[options.schedule]
    taken = [name for name in inspect.signature(kind).parameters if name != "optimizer"]
    _check_settings("schedule_settings", options.schedule_settings, taken, options.schedule)
    if warmup and options.schedule in ("plateau", "one_cycle"):
        raise OptionError("warmup", f"the schedule {options.schedule} has no warm-up of this kind; leave one out")
    try:
        rising = optim.LinearLR(optimizer, start_factor=WARMUP_START, total_iters=warmup) if warmup else None
        schedule = kind(optimizer, **{**own, **options.schedule_settings})
        if rising is None or isinstance(schedule, ReduceLROnPlateau):
            return schedule
        return optim.SequentialLR(optimizer, [rising, schedule], [warmup])
    except (LaminaError, TypeError) as error:
        raise OptionError("schedule_settings", str(error)) from error


def _schedules(options: TrainingOptions, epochs: int) -> dict[str, tuple[Callable[..., Schedule], dict[str, Any]]]:
    """Return each schedule with settings that suit the number of epochs."""
    return {
        "constant": (optim.ConstantLR, {"factor": 1.0, "total_iters": 0}),
        "cosine": (optim.CosineAnnealingLR, {"T_max": epochs}),
        "linear": (optim.LinearLR, {"start_factor": 1.0, "end_factor": 1.0 / epochs, "total_iters": epochs}),
        "polynomial": (optim.PolynomialLR, {"total_iters": epochs, "power": 2.0}),
        # To a hundredth at the end.
        "exponential": (optim.ExponentialLR, {"gamma": 0.01 ** (1.0 / epochs)}),
        "step": (optim.StepLR, {"step_size": max(1, epochs // 3), "gamma": 0.1}),
        "one_cycle": (optim.OneCycleLR, {"max_lr": options.learning_rate, "total_steps": epochs + 1}),
        "plateau": (optim.ReduceLROnPlateau, {"patience": 5}),
    }


def _check_settings(option: str, settings: Mapping[str, Any], taken: list[str], owner: str) -> None:
    for name in settings:
        if name not in taken:
            known = ", ".join(taken) or "none"
            raise OptionError(option, f"{owner} has no setting {name!r}{nearest(name, taken)}; there are {known}")
