"""The folder of a training's checkpoints: the last few and the best, each a whole file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from lamina.data.record import Record
from lamina.errors import CheckpointError, DataError
from lamina.files import PathLike, check_path, read_file, replace_file
from lamina.training.checkpointing.format import from_bytes
from lamina.training.history import History
from lamina.training.numbers import check_count, check_number
from lamina.training.user_warnings import warn

if TYPE_CHECKING:
    from lamina.nn.module import Module

_NAME = re.compile(r"epoch-(\d{6,})-batch-(\d{9,})\.safetensors")
_PART = re.compile(r"\.epoch-\d+-batch-\d+\.safetensors\.[0-9a-f]{8}\.part")


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often a training is written down, so that it can go on after an interruption.

    A checkpoint is one file, ``epoch-000012-batch-000000034.safetensors`` after 12 whole epochs and 34 batches. It
    appears whole or not at all, and has a checksum. Training goes on from the newest; if that is damaged, from the one
    before. What a checkpoint holds: the model, the optimiser, the schedule, the random generators, the position in the
    data, the history, the best weights so far, and the state of callbacks that have one.

    Parameters
    ----------
    folder : str or path
        Made where it is not there. One training at a time writes in it.
    every_epochs : int, optional
        Write after so many epochs.
    every_seconds : float, optional
        Write when so many seconds have passed, in the middle of an epoch too.
    keep : int, default 3
        How many of the newest files to keep; that of the best epoch is kept beside them.

    Notes
    -----
    With neither of the two, a checkpoint is written at the end of an epoch, and within one after five minutes, so far
    as that takes no more than a fiftieth of the time. One is always written at the end, however training ends: after
    the last epoch, early stopping, or Ctrl-C. When checkpoints are written changes nothing in the results.

    Raises
    ------
    DataError, DTypeError
        When an argument is out of range.

    Examples
    --------
    >>> import lamina as la, tempfile
    >>> from lamina import nn
    >>> from lamina.training import Checkpoints
    >>> X = la.random.Generator(0).normal((64, 2))
    >>> options = dict(loss=nn.mse_loss, seed=0, progress=False)
    >>> model = nn.Linear(2, 1)
    >>> checkpoints = Checkpoints(tempfile.mkdtemp(), every_epochs=1)
    >>> history = la.fit(model, (X, X[:, :1]), epochs=3, checkpoint=checkpoints, **options)
    >>> [path.name for path in checkpoints.files()]  # doctest: +NORMALIZE_WHITESPACE
    ['epoch-000001-batch-000000000.safetensors', 'epoch-000002-batch-000000000.safetensors',
     'epoch-000003-batch-000000000.safetensors']
    >>> history = la.fit(model, (X, X[:, :1]), epochs=5, checkpoint=checkpoints, resume=True, **options)
    >>> history["epoch"]
    [1, 2, 3, 4, 5]
    """

    folder: PathLike
    every_epochs: int | None = None
    every_seconds: float | None = None
    keep: int = 3

    def __post_init__(self) -> None:
        check_path("Checkpoints", self.folder)
        check_count("Checkpoints", "keep", self.keep)
        if self.every_epochs is not None:
            check_count("Checkpoints", "every_epochs", self.every_epochs)
        check_number("Checkpoints", "every_seconds", self.every_seconds, "it is a time above 0", 0.0)

    def files(self) -> list[Path]:
        """Return the checkpoints that are there, the newest last."""
        try:
            found = [path for path in Path(self.folder).iterdir() if _NAME.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CheckpointError(f"checkpoint: {self.folder} cannot be read: {error.strerror}") from error
        return sorted(found, key=_place)

    def load(self, model: Module, which: Literal["best", "newest"] = "best") -> int:
        """Assign a model the weights of the best epoch, or those of the newest checkpoint.

        Parameters
        ----------
        model : Module
        which : {"best", "newest"}, default "best"
            The best as `History.best` has it: by the validation loss, or what early stopping monitors.

        Returns
        -------
        int
            The whole epochs after which the model had these weights.

        Raises
        ------
        CheckpointError
            When there is no whole checkpoint, or the weights do not fit; the model is unchanged then.
        """
        if which not in ("best", "newest"):
            raise DataError(f'Checkpoints.load: which is {which!r}; use "best" or "newest"')
        found = self.newest()
        if found is None:
            raise CheckpointError(f"Checkpoints.load: there is no checkpoint in {self.folder}")
        parts = found.record("parts")
        part = parts.record("best") if which == "best" else parts
        model.load_state_dict(part.record("model").values)
        return part.whole("epoch") if which == "best" else parts.record("position").whole("epoch")

    def newest(self) -> Record | None:
        """Return the state in the newest file that is whole; None where there is no file.

        Files that are damaged are named in a warning and set aside, as ``.damaged``.

        Raises
        ------
        CheckpointError
            When there are files, and none is whole.
        """
        files = self.files()
        problems: dict[Path, str] = {}
        for path in reversed(files):
            try:
                found = from_bytes(read_file("resume", path), str(path))
            except CheckpointError as error:
                problems[path] = str(error)
                continue
            for damaged, problem in problems.items():
                _set_aside(damaged, f"{problem}; going on from {path.name} instead")
            return found
        if problems:
            reasons = "\n  ".join(problems.values())
            raise CheckpointError(f"resume: {self.folder} holds no whole checkpoint:\n  {reasons}")
        return None


class Store:
    """A folder while a training writes in it.

    Parameters
    ----------
    options : Checkpoints
    """

    def __init__(self, options: Checkpoints) -> None:
        self.options = options
        self.folder = Path(options.folder)

    def write(self, epochs: int, batches: int, content: bytes, history: History) -> None:
        """Add a checkpoint, and remove those that are not kept."""
        path = self.folder / f"epoch-{epochs:06d}-batch-{batches:09d}.safetensors"
        replace_file("checkpoint", path, content)
        files = self.options.files()
        stop = files.index(path) + 1
        kept = {*files[max(0, stop - self.options.keep) : stop], _best(files, history)}
        for each in files:
            if each not in kept:
                with suppress(OSError):
                    each.unlink()

    def clear_remains(self) -> None:
        """Remove what a process that was killed while it wrote has left."""
        for path in self.folder.iterdir():
            if _PART.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()


@contextmanager
def opened(checkpoint: PathLike | Checkpoints | None, resume: bool) -> Iterator[tuple[Store | None, Record | None]]:
    """Give a folder to write in, locked against other trainings, and the state to go on from, if there are such.

    Raises
    ------
    CheckpointError
        When the folder cannot be made or written in, another training writes in it, it holds checkpoints and
        training is not to go on from them, or none of them is whole.
    """
    if checkpoint is None:
        if resume:
            raise DataError('fit: resume=True goes on from checkpoints; name their folder, as in checkpoint="run"')
        yield None, None
        return
    options = checkpoint if isinstance(checkpoint, Checkpoints) else Checkpoints(checkpoint)
    store = Store(options)
    with _locked(store.folder):
        store.clear_remains()
        files = options.files()
        if files and not resume:
            raise CheckpointError(
                f"checkpoint: {store.folder} holds checkpoints of an earlier training, up to {files[-1].name}; go on "
                "from them with resume=True, or name another folder"
            )
        yield store, options.newest() if resume else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make a folder where there is none, and hold a lock on it: no process can have it at the same time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "ab")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CheckpointError(f"checkpoint: cannot write in {folder}: {error.strerror}") from error
    with lock:
        _lock(lock, folder)
        yield


def _lock(lock: BinaryIO, folder: Path) -> None:
    """Lock a file until it is closed or the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CheckpointError(f"checkpoint: another training writes in {folder}; wait for it, or end it") from error
    except OSError:
        # A file system without locks, such as some that are mounted over a network.
        return


def _place(path: Path) -> tuple[int, int]:
    found = _NAME.fullmatch(path.name)
    return (int(found[1]), int(found[2])) if found else (-1, -1)


def _best(files: list[Path], history: History) -> Path | None:
    """Return the file written at the end of the best of the epochs that have one."""
    ends = {epochs: path for path in files for epochs, batches in [_place(path)] if batches == 0}
    written = history.judged_alike(record for record in history.records if record.epoch in ends)
    return None if written.best is None else ends[written.best.epoch]


def _set_aside(path: Path, reason: str) -> None:
    with suppress(OSError):
        path.rename(path.with_name(f"{path.name}.damaged"))
    warn(f"fit: {reason}")
