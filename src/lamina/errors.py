"""What can go wrong, by kind.

Every message names the operation, what it got, and what would have worked. A call that raises changes
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.training.history import History


class LaminaError(Exception):
    """The base of every error that Lamina raises on purpose."""


class ShapeError(LaminaError, ValueError):
    """The shapes, axes or indices given do not fit the operation."""


class SubscriptError(ShapeError, IndexError):
    """An axis or index that is out of range, or a subscript that does not fit: an IndexError too."""


class DTypeError(LaminaError, TypeError):
    """The types given do not fit the operation."""


class AssignmentError(LaminaError, TypeError):
    """Something tried to change a tensor; only variables change, and only by ``assign``."""


class TracingError(LaminaError):
    """The operation needs a value that is not known here: while tracing, or through an untracked tensor."""


class RetraceWarning(UserWarning):
    """A compiled function is traced again and again, which costs more than it saves."""


class TracingWarning(UserWarning):
    """A compiled function did something while it was traced that will not be done again when it is called."""


class BackendError(LaminaError):
    """A device or backend is missing, unknown, or unable to do what was asked."""


class DataError(LaminaError, ValueError):
    """The data or an argument cannot be used: a table, labels, a value out of range, an option that is not known."""


class CheckpointError(LaminaError):
    """A file of weights or a run folder is damaged, foreign, or does not fit the model."""


class TrainingDiverged(LaminaError):  # noqa: N818 - an event of training, not a mistake in a call
    """The loss or the weights became NaN or infinite; the best weights so far have been put back.

    Attributes
    ----------
    history : History
        The whole epochs before.
    """

    def __init__(self, message: str, history: History | None = None) -> None:
        super().__init__(message)
        self.history = history


class GradientError(LaminaError, KeyError):
    """A gradient was asked for that the computation does not define."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; a message is meant to be read.
        return str(self.args[0]) if self.args else ""
