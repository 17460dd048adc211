"""What the user chose, checked, with the defaults that suit the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import typer

from lamina import optim
from lamina.nn.activations import ACTIVATIONS
from lamina.optim import Optimizer
from lamina.runs.config import TrainingOptions

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Defaults:
    """What is chosen where the user chose nothing, as it suits the data."""

    epochs: int
    hidden: str
    dropout: float
    label_smoothing: float
    validation: float
    patience: int


# Tuned on other divisions of the digits than the one whose held-out part is measured.
DIGITS = Defaults(epochs=60, hidden="512", dropout=0.3, label_smoothing=0.1, validation=0.1, patience=0)
TABLE = Defaults(epochs=200, hidden="64,32", dropout=0.0, label_smoothing=0.0, validation=0.2, patience=30)


@dataclass(frozen=True)
class TableChoice:
    """A table to train on, its target column, and the task if the user gave one."""

    file: Path
    target: str
    task: str | None


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


def table_choice(file: Path | None, target: str | None, task: str | None) -> TableChoice | None:
    """Return the table to train on, ``None`` for the embedded data set."""
    if task is not None:
        _known("--task", task, TASKS)
    if file is None:
        if target is not None or task is not None:
            raise _usage("--target", "a target and a task belong to a table: lamina train FILE --target COLUMN")
        return None
    if target is None:
        raise _usage("--target", f"name the column to predict: lamina train {file} --target COLUMN")
    return TableChoice(file, target, task)


def training_options(
    *,
    embedded: bool,
    epochs: int | None,
    batch_size: int,
    lr: float | None,
    optimizer: str,
    hidden: str | None,
    activation: str,
    dropout: float | None,
    label_smoothing: float | None,
    validation: float | None,
    patience: int | None,
    seed: int,
    device: str,
) -> TrainingOptions:
    """Return the options with defaults filled in.

    Raises
    ------
    typer.BadParameter
        When one is out of range or not known; the message says what is valid.
    """
    defaults = DIGITS if embedded else TABLE
    widths = _widths(defaults.hidden if hidden is None else hidden)
    epochs = defaults.epochs if epochs is None else epochs
    dropout = defaults.dropout if dropout is None else dropout
    label_smoothing = defaults.label_smoothing if label_smoothing is None else label_smoothing
    validation = defaults.validation if validation is None else validation
    patience = defaults.patience if patience is None else patience
    lr = (0.001 if widths else 0.01) if lr is None else lr
    _known("--activation", activation, list(ACTIVATIONS))
    matrices_only = f"Muon trains matrices only, and a network has biases too; there are {', '.join(optimizers())}"
    _check("--optimizer", optimizer.lower() != "muon", matrices_only)
    _known("--optimizer", optimizer, list(optimizers()))
    positive = math.isfinite(lr) and lr > 0.0
    _check("--lr", positive, f"the learning rate must be greater than 0 and finite, got {lr}")
    _check("--epochs", epochs >= 1, f"train for at least 1 epoch, got {epochs}")
    _check("--batch-size", batch_size >= 1, f"a step takes at least 1 row, got {batch_size}")
    _check("--dropout", 0.0 <= dropout < 1.0, f"the share must be at least 0 and below 1, got {dropout}")
    smoothing = f"the share must be at least 0 and below 1, got {label_smoothing}"
    _check("--label-smoothing", 0.0 <= label_smoothing < 1.0, smoothing)
    _check("--validation", 0.0 <= validation < 1.0, f"the share must be at least 0 and below 1, got {validation}")
    _check("--patience", patience >= 0, f"the number of epochs must be at least 0, got {patience}")
    _check("--seed", 0 <= seed < 2**32, f"the seed must be at least 0 and below 2**32, got {seed}")
    return TrainingOptions(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        optimizer=optimizer,
        hidden=widths,
        activation=activation,
        dropout=dropout,
        label_smoothing=label_smoothing,
        validation=validation,
        patience=patience,
        seed=seed,
        device=device,
    )


def _widths(text: str) -> tuple[int, ...]:
    """Return the numbers in a text such as "128,64"."""
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    good = all(part.isascii() and part.isdigit() and len(part) < 10 and int(part) >= 1 for part in parts)
    wanted = "give whole numbers of at least 1 and below a billion with commas between"
    _check("--hidden", good, f'{wanted}, such as "128,64", got {text!r:.60}')
    return tuple(int(part) for part in parts)


def _known(option: str, name: str, names: Sequence[str]) -> None:
    close = get_close_matches(name.lower(), names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    _check(option, name in names, f"{name!r} is not known{hint}; there are {', '.join(names)}")


def _check(option: str, holds: bool, message: str) -> None:
    if not holds:
        raise _usage(option, message)


def _usage(option: str, message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)
