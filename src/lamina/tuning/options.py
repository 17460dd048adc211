"""The options of a search, beside those of the trainings in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lamina.runs.option_declaration import option
from lamina.runs.option_kinds import Choice, Whole, positive
from lamina.runs.options import TrainingOptions
from lamina.tuning.space import Range, Ranges

PRUNERS = ("median", "hyperband", "none")


@dataclass(frozen=True)
class TuneOptions(TrainingOptions):
    """What the user can choose about a search: options of the training are fixed, or searched in a range."""

    search: Mapping[str, Range] = option(
        Ranges(),
        {},
        "What to search: NAME=LOW:HIGH, NAME=log:LOW:HIGH, NAME=LOW:HIGH:STEP or NAME=A|B|C; may be repeated.",
        "search",
        shown="lr, hidden, dropout and weight_decay",
        repeated=True,
    )
    trials: int = option(Whole(wanted="try at least 1", least=1), 30, "How many options are tried.", "search")
    jobs: int = option(
        Whole(wanted="at least 1 process is needed", least=1, below=1025), 1, "Processes side by side.", "search"
    )
    pruner: str = option(
        Choice(among=PRUNERS), "median", "What ends hopeless trials early: median, hyperband or none.", "search"
    )
    timeout: float | None = option(
        positive("the time must be greater than 0"), None, "Begin no trial after so many seconds.", "search"
    )
