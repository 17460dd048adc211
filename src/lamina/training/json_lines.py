"""A training's log: a line of JSON for each epoch, as it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lamina.errors import CheckpointError
from lamina.files import PathLike, check_path, finite_or_null
from lamina.training.callbacks import Callback, TrainingState
from lamina.training.history import EpochRecord


class JSONLines(Callback):
    """Write a line of JSON for each epoch, whole or not at all, as soon as the epoch has ended.

    When training begins the file becomes that of this training: empty, or, for one that is resumed, the epochs that
    the checkpoint knows. `lamina.training.History.read` reads it.

    Parameters
    ----------
    path : str or path
        Of the file, such as ``"metrics.jsonl"``.

    Raises
    ------
    CheckpointError
        In `fit`, when the file cannot be written; it is as it was before the line then.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lamina as la
    >>> from lamina import nn
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "metrics.jsonl"
    >>> X = la.ones((8, 1))
    >>> log = la.training.JSONLines(path)
    >>> _ = la.fit(nn.Linear(1, 1), (X, X), loss=nn.mse_loss, epochs=3, callbacks=[log], progress=False)
    >>> list(la.training.History.read(path))
    ['epoch', 'loss', 'lr', 'seconds']

    References
    ----------
    JSON Lines, https://jsonlines.org; what is not finite is null, for JSON (RFC 8259) has no word for it.
    """

    def __init__(self, path: PathLike) -> None:
        check_path("JSONLines", path)
        self.path = Path(path)

    def on_train_begin(self, state: TrainingState) -> None:
        """Begin the file with the epochs that are whole already."""
        state.history.write(self.path)

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Add the line of the epoch."""
        line = json.dumps(finite_or_null(record.as_dict()), allow_nan=False) + "\n"
        size = self.path.stat().st_size if self.path.is_file() else None
        try:
            with self.path.open("ab") as file:
                file.write(line.encode())
        except OSError as error:
            if size is not None:
                os.truncate(self.path, size)
            raise CheckpointError(
                f"JSONLines: {self.path} could not be written and is as it was: {error.strerror}"
            ) from error
