"""Where the trials of a search are kept: Optuna's journal, a file of JSON lines that processes share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import CheckpointError, LaminaError

if TYPE_CHECKING:
    import optuna

NAME = "lamina"


def optuna_library() -> Any:
    """Return the package optuna.

    Raises
    ------
    LaminaError
        When it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise LaminaError("tune: the package optuna is not installed; pip install 'lamina[tune]'") from error
    return optuna


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's log to warnings inside, and its notes that something may change one day to itself."""
    library = optuna_library()
    before = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
            yield
    finally:
        library.logging.set_verbosity(before)


def open_study(place: Path, direction: str, pruner: Any) -> optuna.Study:
    """Return the study in a file, made where there is none.

    Raises
    ------
    CheckpointError
        When the file cannot be read or written, is damaged, or holds a search in the other direction.
    """
    library = optuna_library()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        backend = JournalFileBackend(str(place), lock_obj=_lock(place))
        study: optuna.Study = library.create_study(
            storage=JournalStorage(backend), study_name=NAME, direction=direction, pruner=pruner, load_if_exists=True
        )
        study.get_trials(deepcopy=False)
    except OSError as error:
        raise CheckpointError(f"tune: {place} cannot be used: {error.strerror or error}") from error
    except Exception as error:
        # What Optuna raises where it reads something unexpected is not said anywhere.
        what = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"tune: {place} is not a search, or is damaged: {what}") from error
    if study.direction.name.lower() != direction:
        raise CheckpointError(f"tune: {place} is a search of another kind, to {study.direction.name.lower()}")
    return study


def mend(place: Path) -> None:
    """Take away a last line that a process could not write whole before it was killed."""
    try:
        content = place.read_bytes()
        whole = content.rfind(b"\n") + 1
        # Every line is an object; what begins otherwise is damage of another kind.
        if content[whole:].startswith(b"{"):
            os.truncate(place, whole)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CheckpointError(f"tune: {place} cannot be used: {error.strerror}") from error


def _lock(place: Path) -> Any:
    """Return a lock on a file beside the journal. The system gives it back when a process ends, however it ends."""
    if os.name == "nt":
        from optuna.storages.journal import JournalFileOpenLock

        return JournalFileOpenLock(str(place))
    from lamina.tuning.locking import FileLock

    return FileLock(place.with_name(f"{place.name}.lock"))
