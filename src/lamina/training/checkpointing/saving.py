"""Writing down a training while it runs, and taking it up again."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.data.record import Record
from lamina.errors import CheckpointError
from lamina.training.checkpointing.configuration import Configuration, check
from lamina.training.checkpointing.folder import Checkpoints, Store
from lamina.training.checkpointing.format import to_bytes
from lamina.training.checkpointing.parts import CallbackParts, HistoryPart, Part, Position, RandomStreams
from lamina.training.history import History
from lamina.training.user_warnings import warn

SHARE = 0.02
"""Of the time of a training, what checkpoints may take where nobody says how often to write them."""
FIRST_COST = 0.02
"""Seconds that a checkpoint is taken to cost until one has been written."""
WITHIN_EPOCH = 300.0
"""Seconds after which one is written within an epoch, too."""

CALLBACKS = "callbacks"


@dataclass(frozen=True)
class Saving:
    """What `lamina.fit` is to write down.

    Attributes
    ----------
    store : Store
    configuration : dict
        What must be the same for the training to go on.
    planned : int
        The epochs that were asked for at first, by which it was decided what to compile.
    streams : RandomStreams
        Part of the state, and told when an epoch ends.
    parts : dict of str to Part
        The other parts, in the order in which they are to be restored. Those of the loop are added: the position, the
        history, the best weights and the callbacks.
    saved : Record, optional
        The state to go on from.
    """

    store: Store
    configuration: Configuration
    planned: int
    streams: RandomStreams
    parts: Mapping[str, Part]
    saved: Record | None = None

    def check(self) -> None:
        """Refuse to go on from a state of another training, and warn if it was another program.

        Raises
        ------
        CheckpointError
            When the model, the optimiser, the data or an option differs; it names all that do.
        """
        if self.saved is None:
            return
        check(self.saved, self.configuration)
        there, here = self.saved.record("versions"), versions()
        differing = [f"{name} {there.text(name)}" for name in here if there.text(name) != here[name]]
        if differing:
            warn(
                f"fit: the checkpoint was written with {', '.join(differing)}; training goes on from it, but may "
                "differ in the last bits from one that never stopped"
            )


class Keeper:
    """Writes checkpoints of one training when it is time to, and takes it up again from one.

    Parameters
    ----------
    saving : Saving
    position : Position
    history : History
    best : Part
    callbacks : CallbackParts
    """

    def __init__(
        self, saving: Saving, position: Position, history: History, best: Part, callbacks: CallbackParts
    ) -> None:
        self._saving, self._position, self._history = saving, position, history
        self._place: dict[str, Part] = {"position": position, "history": HistoryPart(history)}
        self._rest: dict[str, Part] = {"random": saving.streams, **saving.parts, "best": best}
        self._callbacks = callbacks
        self._rhythm = Rhythm(saving.store.options)
        self._written: tuple[Any, ...] = ()

    # --- taking up ---

    @property
    def resumes(self) -> bool:
        """Whether there is a state to go on from."""
        return self._saving.saved is not None

    def restore_place(self) -> None:
        """Restore the position and the history."""
        self._load(self._place)

    def restore(self) -> None:
        """Restore everything else.

        Raises
        ------
        CheckpointError
            When something does not fit; all of it is as it was then.
        """
        before = {name: dict(part.state_dict()) for name, part in self._rest.items()}
        try:
            self._load({**self._rest, CALLBACKS: self._callbacks})
        except BaseException:
            for name, state in before.items():
                self._rest[name].load_state_dict(state)
            raise
        self._written = self._moment()

    def _load(self, parts: Mapping[str, Part]) -> None:
        if self._saving.saved is None:
            raise CheckpointError("resume: there is no checkpoint")
        states = self._saving.saved.record("parts")
        differing = sorted(states.values.keys() ^ {*self._place, *self._rest, CALLBACKS})
        if differing:
            raise CheckpointError(f"resume: {states.place}: the parts differ: {', '.join(differing)}")
        for name, part in parts.items():
            _load(name, part, states)

    # --- writing ---

    def progressed(self) -> None:
        """Write if it is time to, in the middle of an epoch."""
        if self._rhythm.due_within():
            self._write()

    def epoch_ended(self) -> None:
        """Write if it is time to, at the end of an epoch."""
        self._saving.streams.end_epoch()
        if self._rhythm.due_after(self._position.epochs):
            self._write()

    def ended(self) -> None:
        """Write if anything has happened since."""
        if self._written != self._moment():
            self._write()

    def _moment(self) -> tuple[Any, ...]:
        position = self._position
        return position.epochs, position.batches, position.state_dict()["stopped"]

    def _write(self) -> None:
        began = time.perf_counter()
        parts = {**self._place, **self._rest, CALLBACKS: self._callbacks}
        content = to_bytes(
            {
                "versions": versions(),
                "configuration": self._saving.configuration,
                "planned": self._saving.planned,
                "parts": {name: dict(part.state_dict()) for name, part in parts.items()},
            }
        )
        try:
            self._saving.store.write(self._position.epochs, self._position.batches, content, self._history)
        except CheckpointError as error:
            # Training is worth more than one checkpoint; the next may find room.
            warn(f"fit: a checkpoint is missing: {error}")
        self._written = self._moment()
        self._rhythm.wrote(time.perf_counter() - began)


class Rhythm:
    """When to write.

    Parameters
    ----------
    options : Checkpoints
    """

    def __init__(self, options: Checkpoints) -> None:
        self._options = options
        self._automatic = options.every_epochs is None and options.every_seconds is None
        self._last, self._cost = time.perf_counter(), FIRST_COST

    def due_within(self) -> bool:
        """Tell whether it is time to write in the middle of an epoch."""
        if self._automatic:
            return self._since() >= max(self._cost / SHARE, WITHIN_EPOCH)
        return self._time_is_up()

    def due_after(self, epochs: int) -> bool:
        """Tell whether it is time to write after so many epochs."""
        if self._automatic:
            return self._since() >= self._cost / SHARE
        every = self._options.every_epochs
        return self._time_is_up() or (every is not None and epochs % every == 0)

    def wrote(self, seconds: float) -> None:
        """Note that a checkpoint has been written, and what it cost."""
        self._last, self._cost = time.perf_counter(), seconds

    def _since(self) -> float:
        return time.perf_counter() - self._last

    def _time_is_up(self) -> bool:
        every = self._options.every_seconds
        return every is not None and self._since() >= every


def _load(name: str, part: Part, states: Record) -> None:
    try:
        part.load_state_dict(states.record(name).values)
    except CheckpointError as error:
        raise CheckpointError(f"resume: {states.place}: {name}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What a file holds may be wrong in ways that a part does not look for.
        raise CheckpointError(f"resume: {states.place}: {name} does not fit: {error}") from error


def versions() -> dict[str, str]:
    """Return what else the last bit of a result may depend on."""
    import lamina

    return {"lamina": lamina.__version__, "numpy": np.__version__, "machine": platform.machine()}
