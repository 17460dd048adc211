"""Event files for TensorBoard."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lamina.errors import CheckpointError, LaminaError
from lamina.files import PathLike, check_path
from lamina.training.callbacks import Callback, TrainingState
from lamina.training.history import EpochRecord

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

TRAINING, VALIDATION = "training", "validation"
BINS = 50


class TensorBoard(Callback):
    """Write what TensorBoard shows: losses, metrics and learning rate by epoch, and histograms of the weights.

    Training and validation are two runs in the folder, so that ``tensorboard --logdir FOLDER`` draws them in one
    picture. A resumed training goes on in the folder; epochs after the checkpoint are taken out of the picture.

    Parameters
    ----------
    folder : str or path
        Made where it is not there yet.
    histograms : bool, default False
        Whether the weights of each parameter are written after each epoch, as histograms.

    Raises
    ------
    LaminaError
        When the package ``tensorboard`` is not installed.
    CheckpointError
        In `fit`, when the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> import lamina as la
    >>> from lamina import nn
    >>> X = la.ones((8, 1))
    >>> board = la.training.TensorBoard(tempfile.mkdtemp(), histograms=True)
    >>> _ = la.fit(nn.Linear(1, 1), (X, X), loss=nn.mse_loss, epochs=3, callbacks=[board], progress=False)
    """

    def __init__(self, folder: PathLike, *, histograms: bool = False) -> None:
        check_path("TensorBoard", folder)
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise LaminaError(
                "TensorBoard: the package tensorboard is not installed; pip install 'lamina[tensorboard]'"
            ) from error
        self.folder = Path(folder)
        self.histograms = histograms
        self._writers: dict[str, EventFileWriter] = {}

    def on_train_begin(self, state: TrainingState) -> None:
        """Open the file of the training."""
        self._first = len(state.history.records) + 1
        self._writer(TRAINING)

    def on_epoch_end(self, state: TrainingState, record: EpochRecord) -> None:
        """Write the numbers of the epoch, and bring them to the disk."""
        values = record.as_dict()
        step = int(values.pop("epoch"))
        for name, value in values.items():
            run = VALIDATION if name.startswith("val_") else TRAINING
            self._add(run, step, tag=name.removeprefix("val_"), simple_value=float(value))
        if self.histograms:
            for name, parameter in state.model.named_parameters():
                self._add(TRAINING, step, tag=f"weights/{name}", histo=_histogram(parameter.numpy()))
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, state: TrainingState) -> None:
        """Close the files."""
        self._close()

    def on_error(self, state: TrainingState, error: BaseException) -> None:
        """Close the files."""
        self._close()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, run: str) -> EventFileWriter:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if run not in self._writers:
            folder = self.folder / run
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._writers[run] = EventFileWriter(os.fspath(folder))
            except OSError as error:
                raise CheckpointError(f"TensorBoard: cannot write in {folder}: {error.strerror}") from error
            # Tells the reader to forget what an interrupted training wrote of this epoch and later ones.
            begin = SessionLog(status=SessionLog.START)
            self._writers[run].add_event(Event(wall_time=time.time(), step=self._first, session_log=begin))
        return self._writers[run]

    def _add(self, run: str, step: int, **value: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(**value)])
        self._writer(run).add_event(Event(wall_time=time.time(), step=step, summary=summary))


def _histogram(weights: npt.NDArray[Any]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import HistogramProto

    values = weights.astype(np.float64).reshape(-1)
    counts, edges = np.histogram(values, bins=BINS)
    return HistogramProto(
        min=float(values.min(initial=np.inf)),
        max=float(values.max(initial=-np.inf)),
        num=float(values.size),
        sum=float(values.sum()),
        sum_squares=float((values**2).sum()),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )
