"""The objective of `lamina tune`: a training with options that are partly fixed and partly searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.errors import DataError
from lamina.runs.applicable import check_options
from lamina.runs.fitting import fit_model, fresh_model
from lamina.runs.option_declaration import Option, declared
from lamina.runs.options import TrainingOptions, filled
from lamina.runs.subjects import Prepared, prepare
from lamina.training.metrics import larger_is_better
from lamina.tuning.space import value_of
from lamina.tuning.study import Direction
from lamina.tuning.trial import Trial


@dataclass
class TrainingObjective:
    """How good a training is, by the best epoch of what it monitors.

    Parameters
    ----------
    given : mapping of str to Any
        The options that are fixed.
    """

    given: Mapping[str, Any]
    _prepared: tuple[Mapping[str, Any], Prepared] | None = field(default=None, repr=False)

    @property
    def monitor(self) -> str:
        """What tells how good a trial is."""
        return str(self.given.get("monitor") or "val_loss")

    @property
    def direction(self) -> Direction:
        """Which way that improves."""
        return "maximize" if larger_is_better(self.monitor) else "minimize"

    def options(self, values: Mapping[str, Any]) -> TrainingOptions:
        """Return the options of a training that tries ``values``."""
        rows = declared(TrainingOptions)
        return filled(
            TrainingOptions, {**self.given, **{name: value_of(rows[name], each) for name, each in values.items()}}
        )

    def check(self) -> Prepared:
        """Read the data, so that what is wrong with it is said before the first trial.

        Raises
        ------
        DataError
            When the data cannot be used, or nothing of it is set aside to judge by.
        """
        options = self.options({})
        check_options(options, self.given)
        return self._prepared_for(options)

    def _prepared_for(self, options: TrainingOptions) -> Prepared:
        """Return the data as options have them, read again only where what they depend on is another."""
        if not options.validation:
            raise DataError("tune: --validation 0 leaves nothing to judge by; give a share above 0")
        rows = declared(TrainingOptions)
        decides = {name: getattr(options, name) for name, row in rows.items() if _is_of_data(row)}
        if self._prepared is None or self._prepared[0] != decides:
            self._prepared = decides, prepare(options)
        return self._prepared[1]

    def __call__(self, trial: Trial) -> float:
        """Train, and return the best value of what is monitored."""
        options = self.options(trial.values)
        prepared = self._prepared_for(options)
        model = fresh_model(prepared, options)
        history = fit_model(model, prepared, options, callbacks=[trial.callback(options.monitor)])
        if history.interrupted:
            raise KeyboardInterrupt
        best = history.best
        return float("nan") if best is None else float(best.as_dict()[history.monitor])

    def __getstate__(self) -> dict[str, Any]:
        # Each process reads the data itself.
        return {"given": dict(self.given), "_prepared": None}


def _is_of_data(row: Option) -> bool:
    """Tell whether the data as they are prepared depend on an option."""
    return row.section in ("data", "images", "text") or row.name in ("model", "seed", "batch_size")
