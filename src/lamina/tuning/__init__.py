"""Tuning: a search for the best options, by Optuna, that can be pruned, resumed and run in processes side by side."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any as _Any

if TYPE_CHECKING:
    from lamina.tuning.space import Range, read_range
    from lamina.tuning.study import Finished, Tuned, tune
    from lamina.tuning.training import TrainingObjective
    from lamina.tuning.trial import Pruned, Trial

__all__ = ["tune", "Tuned", "Finished", "Trial", "Pruned", "Range", "read_range", "TrainingObjective"]

# Loaded when first used, so that the command can show its help without what a search needs.
_NAMES = {
    "tune": "study",
    "Tuned": "study",
    "Finished": "study",
    "Trial": "trial",
    "Pruned": "trial",
    "Range": "space",
    "read_range": "space",
    "TrainingObjective": "training",
}


def __getattr__(name: str) -> _Any:
    if name in _NAMES:
        return getattr(_import_module(f"lamina.tuning.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'lamina.tuning' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
