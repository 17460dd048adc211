"""The curves of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import DTypeError
from lamina.training import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_curves(history: History) -> Figure:
    """Draw the losses and each metric against the epochs, the best epoch marked.

    Parameters
    ----------
    history : History
        What `lamina.fit` returned, or `History.read` read.

    Returns
    -------
    matplotlib.figure.Figure
        What `History.plot` draws.

    Raises
    ------
    DataError
        When no epoch was completed.

    Examples
    --------
    >>> from lamina.training import EpochRecord, History
    >>> from lamina.visualize import training_curves
    >>> history = History()
    >>> history.append(EpochRecord(epoch=1, loss=0.9, lr=0.1, seconds=1.0))
    >>> [axis.get_title(loc="left") for axis in training_curves(history).axes]
    ['loss']
    """
    if not isinstance(history, History):
        raise DTypeError(f"training_curves: expected the History that la.fit returns, got {type(history).__name__}")
    return history.plot()
