"""A lock between processes that ends with the process that holds it. For POSIX systems."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO

from optuna.storages.journal._file import BaseJournalFileLock


class FileLock(BaseJournalFileLock):  # type: ignore[misc,unused-ignore]
    """A lock by ``flock`` for Optuna's journal: Optuna's own ones stay behind where their process is killed.

    Parameters
    ----------
    path : Path
        Of the file that is locked; made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

    def acquire(self) -> bool:
        """Wait for the lock and take it."""
        self._file = open(self.path, "ab")  # noqa: SIM115 - closed by release
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
