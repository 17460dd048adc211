"""The search itself: Optuna proposes, trials run one after another or in processes side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lamina.errors import CheckpointError, DataError, LaminaError, TrainingDiverged
from lamina.runs.option_kinds import Unfit
from lamina.training.numbers import check_count
from lamina.tuning.processes import side_by_side
from lamina.tuning.space import Range, read_range
from lamina.tuning.storage import mend, open_study, optuna_library, quiet
from lamina.tuning.trial import Pruned, Trial

if TYPE_CHECKING:
    import optuna

Objective = Callable[[Trial], float]
Direction = Literal["minimize", "maximize"]

INTERRUPTED, REASON = "interrupted", "reason"

# Trials before which nothing is pruned, and epochs of each in which it is not.
PRUNING_TRIALS, PRUNING_EPOCHS = 5, 5


@dataclass(frozen=True)
class Finished:
    """A trial that has ended.

    Attributes
    ----------
    number : int
        From 0.
    state : str
        ``"complete"``, ``"pruned"`` (hopeless) or ``"failed"``.
    value : float, optional
        How good it is; of a pruned one, when it was ended.
    values : mapping of str to Any
        What it tried.
    epochs : int
        How many values it reported.
    seconds : float
    reason : str
        Why it failed.
    """

    number: int
    state: str
    value: float | None
    values: Mapping[str, Any]
    epochs: int
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    trials : tuple of Finished
        In the order in which they began.
    direction : str
        ``"minimize"`` or ``"maximize"``.
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    trials: tuple[Finished, ...]
    direction: Direction
    interrupted: bool = False

    @property
    def ranked(self) -> list[Finished]:
        """The complete trials, the best first."""
        complete = [each for each in self.trials if each.state == "complete" and each.value is not None]
        return sorted(complete, key=lambda each: -_value(each) if self.direction == "maximize" else _value(each))

    @property
    def best(self) -> Finished:
        """The best of the complete trials.

        Raises
        ------
        DataError
            When there is none; the message says why the first one failed.
        """
        if not self.ranked:
            reasons = [each.reason for each in self.trials if each.reason]
            raise DataError(f"tune: no trial was completed{f'; the first failed: {reasons[0]}' if reasons else ''}")
        return self.ranked[0]


def _value(trial: Finished) -> float:
    return math.nan if trial.value is None else trial.value


def tune(
    objective: Objective,
    space: Mapping[str, str | Range | Sequence[Any]],
    *,
    trials: int = 30,
    direction: Direction = "minimize",
    seed: int = 0,
    jobs: int = 1,
    pruner: str = "median",
    epochs: int = 100,
    timeout: float | None = None,
    storage: Path | str | None = None,
    on_trial: Callable[[Finished], None] | None = None,
) -> Tuned:
    """Search for the values with which an objective is best.

    Optuna's tree-structured Parzen estimator proposes values, at random for the first ten trials. With one job the same
    seed gives the same search, also where it was interrupted and resumed.

    Parameters
    ----------
    objective : callable
        ``objective(trial)`` gives a number; ``trial.values`` is what to try, and ``trial.callback()`` goes into
        `lamina.fit`. With more than one job it must be a function of a module, or an object that pickles.
    space : mapping of str to str, Range or sequence
        ``"log:1e-4:1e-1"``, ``"16:128:16"`` and the like (see `lamina.tuning.space`), or a sequence of choices.
    trials : int, default 30
        How many there shall be in all, those of an earlier search in the storage included.
    direction : {"minimize", "maximize"}, default "minimize"
    seed : int, default 0
    jobs : int, default 1
        Processes side by side.
    pruner : {"median", "hyperband", "none"}, default "median"
        What ends hopeless trials: those worse than the median of the others at the same epoch, or those that successive
        halving leaves behind.
    epochs : int, default 100
        The most that a trial can have; for hyperband.
    timeout : float, optional
        Begin no trial after so many seconds.
    storage : path, optional
        A file that keeps the trials, so that a later call goes on; its lines are JSON.
    on_trial : callable, optional
        Called with each trial that has ended, in this process; for a display.

    Returns
    -------
    Tuned

    Raises
    ------
    LaminaError
        When optuna is not installed.
    DataError
        When an argument cannot be used.
    CheckpointError
        When the storage cannot be read or written.

    Examples
    --------
    >>> from lamina.tuning import tune
    >>> found = tune(lambda trial: (trial.values["x"] - 2.0) ** 2, {"x": "-10.0:10.0"}, trials=30)
    >>> abs(found.best.values["x"] - 2.0) < 1.0
    True

    References
    ----------
    T. Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD 2019; J. Bergstra et al.,
    "Algorithms for hyper-parameter optimization", NeurIPS 2011; L. Li et al., "Hyperband", JMLR 18, 2018.
    """
    search = Search(objective, *_read_space(space), direction, seed, pruner, epochs)
    for name, number in (("trials", trials), ("jobs", jobs), ("epochs", epochs)):
        check_count("tune", name, number)
    if direction not in ("minimize", "maximize"):
        raise DataError(f'tune: direction is {direction!r}; use "minimize" or "maximize"')
    deadline = math.inf if timeout is None else time.time() + timeout
    with quiet(), TemporaryDirectory() as aside:
        place = Path(storage) if storage is not None else Path(aside) / "study.jsonl"
        search.begin(place)
        shown = _Shown(search, place, on_trial)
        interrupted = False
        try:
            if jobs == 1:
                search.run(place, trials, deadline, shown)
            else:
                side_by_side(search, place, trials, deadline, jobs, shown)
        except KeyboardInterrupt:
            interrupted = True
        return Tuned(tuple(search.finished(place)), direction, interrupted)


def _read_space(space: Mapping[str, Any]) -> tuple[dict[str, Range], dict[str, dict[str, Any]]]:
    """Return the ranges, and for choices of any kind what their texts stand for."""
    if not space:
        raise DataError('tune: the space is empty; give a range by name, such as {"lr": "log:1e-4:1e-1"}')
    ranges: dict[str, Range] = {}
    meant: dict[str, dict[str, Any]] = {}
    for name, written in space.items():
        try:
            if isinstance(written, Range):
                ranges[name] = written
            elif isinstance(written, str):
                ranges[name] = read_range(written)
            else:
                meant[name] = {str(value): value for value in written}
                if len(meant[name]) < 2:
                    raise Unfit("give at least two different choices")
                ranges[name] = Range(str(written), choices=tuple(meant[name]))
        except Unfit as error:
            raise DataError(f"tune: {name}: {error}") from None
    return ranges, meant


@dataclass(frozen=True)
class Search:
    """A search as each of its processes knows it."""

    objective: Objective
    space: Mapping[str, Range]
    meant: Mapping[str, Mapping[str, Any]]
    direction: Direction
    seed: int
    pruner: str
    epochs: int

    def open(self, place: Path) -> optuna.Study:
        """Return the study in a file, made where there is none."""
        return open_study(place, self.direction, self._pruner(optuna_library()))

    def begin(self, place: Path) -> None:
        """Count trials that were under way when an earlier process ended as interrupted."""
        mend(place)
        study = self.open(place)
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished():
                study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
                study._storage.set_trial_state_values(trial._trial_id, optuna_library().trial.TrialState.FAIL)

    def run(
        self,
        place: Path,
        trials: int,
        deadline: float,
        shown: Callable[[], None],
        ticket: Callable[[], bool] | None = None,
    ) -> None:
        """Run trials until there are so many, or the time is up."""
        study = self.open(place)
        while time.time() < deadline:
            done = sum(not each.user_attrs.get(INTERRUPTED) for each in study.get_trials(deepcopy=False))
            if (done >= trials) if ticket is None else not ticket():
                return
            self._one(study, done if ticket is None else None)
            shown()

    def _one(self, study: optuna.Study, done: int | None) -> None:
        library = optuna_library()
        state = library.trial.TrialState
        study.sampler = library.samplers.RandomSampler()
        asked = study.ask()
        # What is proposed follows from the seed and the trials before it; side by side, from the number of the trial.
        place = asked.number if done is None else done
        seed = int(np.random.SeedSequence([self.seed, place]).generate_state(1)[0])
        study.sampler = library.samplers.TPESampler(seed=seed, constant_liar=True)
        drawn = self._drawn(study, asked)
        trial = Trial(asked.number, {n: self.meant.get(n, {}).get(v, v) for n, v in drawn.items()}, _trial=asked)
        try:
            value = float(self.objective(trial))
        except Pruned:
            study.tell(asked, state=state.PRUNED)
        except TrainingDiverged as error:
            asked.set_user_attr(REASON, str(error))
            study.tell(asked, math.inf if self.direction == "minimize" else -math.inf)
        except LaminaError as error:
            asked.set_user_attr(REASON, str(error))
            study.tell(asked, state=state.FAIL)
        except BaseException:
            asked.set_user_attr(INTERRUPTED, True)
            study.tell(asked, state=state.FAIL)
            raise
        else:
            if math.isnan(value):
                asked.set_user_attr(REASON, "the objective is NaN")
                study.tell(asked, state=state.FAIL)
            else:
                study.tell(asked, value)

    def _drawn(self, study: optuna.Study, asked: optuna.Trial) -> dict[str, Any]:
        """Return what the sampler proposes.

        Raises
        ------
        CheckpointError
            When the storage holds a search of other ranges.
        """
        try:
            return {name: each.suggest(asked, name) for name, each in self.space.items()}
        except ValueError as error:
            study.tell(asked, state=optuna_library().trial.TrialState.FAIL)
            raise CheckpointError(
                f"tune: the storage holds a search of other ranges ({error}); go on with those, or name another file"
            ) from error

    def finished(self, place: Path) -> list[Finished]:
        """Return the trials that have ended, other than by an interruption."""
        study = self.open(place)
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        found = []
        for each in study.get_trials(deepcopy=False):
            if not each.state.is_finished() or each.user_attrs.get(INTERRUPTED):
                continue
            values = {name: self.meant.get(name, {}).get(value, value) for name, value in each.params.items()}
            seconds = each.duration.total_seconds() if each.duration is not None else 0.0
            steps, reason = len(each.intermediate_values), str(each.user_attrs.get(REASON, ""))
            found.append(Finished(each.number, names[each.state.name], each.value, values, steps, seconds, reason))
        return found

    def _pruner(self, library: Any) -> Any:
        if self.pruner == "none":
            return library.pruners.NopPruner()
        if self.pruner == "median":
            return library.pruners.MedianPruner(n_startup_trials=PRUNING_TRIALS, n_warmup_steps=PRUNING_EPOCHS)
        if self.pruner == "hyperband":
            least = min(PRUNING_EPOCHS, self.epochs)
            return library.pruners.HyperbandPruner(min_resource=least, max_resource=self.epochs, reduction_factor=3)
        raise DataError(f'tune: the pruner is {self.pruner!r}; use "median", "hyperband" or "none"')


class _Shown:
    """Tells somebody of each trial that has ended, once."""

    def __init__(self, search: Search, place: Path, tell: Callable[[Finished], None] | None) -> None:
        self.search, self.place, self.tell = search, place, tell
        self.seen = {each.number for each in search.finished(place)} if tell is not None else set()

    def __call__(self) -> None:
        if self.tell is None:
            return
        for each in self.search.finished(self.place):
            if each.number not in self.seen:
                self.seen.add(each.number)
                self.tell(each)
