"""What the state of a training consists of: parts, each of which gives its state and takes it back."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.nn.module import Module
from lamina.nn.tree import walk
from lamina.optim import Optimizer
from lamina.random import Generator
from lamina.training.callbacks import Callback, Snapshot, TrainingState
from lamina.training.history import EpochRecord, History
from lamina.variable import Variable


class Part(Protocol):
    """A part of what a checkpoint holds.

    A state is a dict of tensors, arrays, numbers, texts, truth values and None, in dicts, lists and tuples. It must not
    change afterwards: tensors never do, lists and dicts are copied.
    """

    def state_dict(self) -> Mapping[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: Mapping[str, Any], /) -> Any:
        """Go on from a state that `state_dict` returned."""


# --- where the training stands ---


@dataclass
class Position:
    """Where in the data a training stands.

    Attributes
    ----------
    epochs : int
        Whole epochs.
    batches : int
        Batches taken of the epoch after those.
    loss : float
        The sum of the losses of this epoch's samples so far.
    """

    state: TrainingState
    epochs: int = 0
    batches: int = 0
    loss: float = 0.0
    _seconds: float = 0.0
    _began: float = field(default_factory=time.perf_counter)

    def begin_epoch(self) -> None:
        """Start the clock of an epoch, or of the rest of one."""
        self._began = time.perf_counter()

    def end_epoch(self) -> None:
        """Count the epoch that runs as whole."""
        self.epochs += 1
        self.batches, self.loss, self._seconds = 0, 0.0, 0.0
        self.begin_epoch()

    @property
    def seconds(self) -> float:
        """How long the epoch has taken so far, in all processes that had a part in it."""
        return self._seconds + time.perf_counter() - self._began

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers."""
        state = self.state
        return {
            "epoch": self.epochs,
            "batch": self.batches,
            "loss": self.loss,
            "seconds": self.seconds,
            "step": state.step,
            "samples": state.samples,
            "batch_loss": state.batch_loss,
            "stopped": "" if state.resumable else state.stop_reason,
        }

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take the numbers."""
        record, state = Record.of(values, "position"), self.state
        step, samples, stopped = record.whole("step"), record.whole("samples"), record.text("stopped")
        self.epochs, self.batches = record.whole("epoch"), record.whole("batch")
        self.loss, self._seconds = record.any_number("loss"), record.number("seconds", least=0.0)
        state.batch_loss = record.any_number("batch_loss")
        state.epoch, state.step, state.samples, state.stop_reason = self.epochs, step, samples, stopped


class HistoryPart:
    """The epochs so far, as one array for each quantity: a long training writes them often."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._columns: dict[str, array[float]] = {}
        self._count = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the columns; all epochs of a training record the same quantities."""
        for record in self._history.records[self._count :]:
            for name, value in record.as_dict().items():
                self._columns.setdefault(name, array("d")).append(value)
        self._count = len(self._history.records)
        return {"columns": {name: np.array(column) for name, column in self._columns.items()}}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take the columns."""
        record = Record.of(values, "history").record("columns")
        columns = {name: _column(record, name) for name in record.values}
        missing = {"epoch", "loss", "lr", "seconds"} - columns.keys()
        count = len(columns.get("epoch", ()))
        whole = all(len(column) == count for column in columns.values())
        if columns and (missing or not whole or columns["epoch"] != list(range(1, count + 1))):
            raise CheckpointError("history: the columns are not those of consecutive epochs")
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        self._history.reset(EpochRecord.of(row) for row in rows)
        self._columns, self._count = {}, 0


def _column(record: Record, name: str) -> list[float]:
    column = record.values[name]
    if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype != np.float64:
        raise record.wrong(name, "an array of numbers")
    return [float(each) for each in column]


# --- randomness ---


class RandomStreams:
    """The random numbers of a training: three streams, and the generator of the surroundings.

    Attributes
    ----------
    division, shuffling, layers : Generator
        What chooses the validation share, the orders of the samples, and what layers draw.

    Parameters
    ----------
    source : Generator
        Where the streams come from: the default generator, unless there is a seed.
    surroundings : Generator
        The default generator.
    """

    def __init__(self, source: Generator, surroundings: Generator) -> None:
        before = surroundings.state_dict()
        self.division, self.shuffling, self.layers = self._all = source.spawn(3)
        self._surroundings, self._before = surroundings, _plain(before)
        self._keys = [_plain(each.state_dict()) for each in self._all]
        self._epoch_began = self.shuffling.state_dict()

    def begin_as(self, values: Mapping[str, Any]) -> None:
        """Begin with the streams of the training that left this state, before any draw from them."""
        keys = Record.of(values, "random").records("keys")
        if len(keys) != len(self._all):
            raise CheckpointError(f"random: expected the states of {len(self._all)} streams, found {len(keys)}")
        for stream, state in zip(self._all, keys, strict=True):
            _load(stream, state)
        self._keys = [_plain(each.state_dict()) for each in self._all]

    def end_epoch(self) -> None:
        """Remember the state from which the order of the next epoch is drawn."""
        self._epoch_began = self.shuffling.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return the states; that of the surroundings only if something was drawn there."""
        now = _plain(self._surroundings.state_dict())
        return {
            "keys": self._keys,
            "shuffling": _plain(self._epoch_began),
            "layers": _plain(self.layers.state_dict()),
            "surroundings": None if now == self._before else now,
        }

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Go on with the numbers that came next."""
        record = Record.of(values, "random")
        _load(self.shuffling, record.record("shuffling"))
        _load(self.layers, record.record("layers"))
        self.end_epoch()
        if record.values.get("surroundings") is not None:
            _load(self._surroundings, record.record("surroundings"))


def _plain(state: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(value.item()) for name, value in state.items()}


def _load(generator: Generator, record: Record) -> None:
    numbers = {name: record.whole(name) for name in ("key", "counter")}
    if max(numbers.values()) >= 2**64:
        raise CheckpointError(f"{record.place}: the numbers of a generator are below 2**64, found {numbers}")
    generator.load_state_dict({name: np.asarray(value, dtype=np.uint64) for name, value in numbers.items()})


# --- what is changed outside of the model ---


class LooseVariables:
    """Variables that a training changes and that are not in its model.

    The parameters that an optimiser updates beside the model's, the variables of a loss that is a module, and the
    states of generators that layers hold.

    Parameters
    ----------
    model : Module
    loss : callable
    optimizer : Optimizer
    """

    def __init__(self, model: Module, loss: Any, optimizer: Optimizer) -> None:
        roots = [model, *([loss] if isinstance(loss, Module) else [])]
        inside = {each for _, each in walk(model) if isinstance(each, Variable)}
        modules = [each for root in roots for _, each in walk(root) if isinstance(each, Module)]
        held = [value for each in modules for value in vars(each).values()]
        generators = {id(each): each for each in held if isinstance(each, Generator)}.values()
        found = [each for root in roots for _, each in walk(root) if isinstance(each, Variable)]
        found += [variable for each in generators for variable in (each.key, each.counter)]
        found += [each for group in optimizer.param_groups for each in group["params"]]
        self._variables = [each for each in dict.fromkeys(found) if each not in inside]

    def __bool__(self) -> bool:
        return bool(self._variables)

    def state_dict(self) -> dict[str, Any]:
        """Return the values, in order."""
        return {str(place): each.value._untracked for place, each in enumerate(self._variables)}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Assign the values."""
        if list(values) != [str(place) for place in range(len(self._variables))]:
            raise CheckpointError(f"others: expected {len(self._variables)} variables, found {len(values)}")
        for variable, value in zip(self._variables, values.values(), strict=True):
            variable.assign(value.to(variable.device))


# --- the best weights, and callbacks ---


class BestPart:
    """The weights of the best epoch, or those before training."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state

    def state_dict(self) -> dict[str, Any]:
        """Return the snapshot, and the number of its epoch, 0 before training."""
        return {"epoch": self._state.history.best_epoch or 0, **self._state.best.state_dict()}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take the snapshot; which epoch is the best follows from the history."""
        self._state.best = Snapshot.of(Record.of(values, "best"))


class CallbackParts:
    """The callbacks that have a state, by the names of their classes."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._by_name: dict[str, Callback] = {}
        for callback in callbacks:
            if type(callback).state_dict is not Callback.state_dict:
                name = type(callback).__name__
                count = sum(type(each).__name__ == name for each in self._by_name.values())
                self._by_name[name if not count else f"{name}.{count + 1}"] = callback

    def state_dict(self) -> dict[str, Any]:
        """Return the states by name."""
        return {name: dict(each.state_dict()) for name, each in self._by_name.items()}

    def check(self, values: Mapping[str, Any]) -> None:
        """Refuse states of other callbacks than there are."""
        lost = [name for name in values if name not in self._by_name]
        new = [name for name in self._by_name if name not in values]
        if lost or new:
            words = [f"the checkpoint has none of {', '.join(new)}"] if new else []
            words += [f"there is no {', '.join(lost)} here"] if lost else []
            raise CheckpointError(f"resume: the callbacks with a state differ: {'; '.join(words)}")

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Give each callback its state."""
        self.check(values)
        for name, callback in self._by_name.items():
            callback.load_state_dict(Record.of(values, "callbacks").record(name).values)
