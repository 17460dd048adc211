"""A folder of files that only its owner can have written, used by several processes at once.

Code is loaded from it, so nothing is taken on trust: the folder and every file must belong to this user and be
closed to others' writing, and no symbolic link is followed. On Windows the user's profile gives that protection.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_SUFFIX, _UNFINISHED = ".program", ".unfinished"
_ABANDONED_AFTER = 3600.0  # seconds, after which whoever began a file is gone
_POSIX = os.open in os.supports_dir_fd and hasattr(os, "geteuid")
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
_READ = os.O_RDONLY | _FLAGS | getattr(os, "O_NONBLOCK", 0)  # a pipe in the place of a file must not hold us up
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS


class UnsafeFolderError(Exception):
    """Somebody else may have written what is in a folder or a file; the message says why."""


class PrivateFolder:
    """A folder of named byte strings, bounded in size.

    Methods raise OSError where the system does, and `UnsafeFolderError` where a folder or file cannot be trusted.

    Attributes
    ----------
    path : str
    limit : int
        Bytes that all files together may have.
    """

    def __init__(self, path: str, limit: int) -> None:
        self.path = path
        self.limit = limit

    def read(self, name: str) -> bytes | None:
        """Return what was written under a name, and count it as used now; None if there is nothing."""
        with self._opened() as folder:
            try:
                file = os.open(self._inside(name + _SUFFIX, folder), _READ, dir_fd=folder)
            except FileNotFoundError:
                return None
            except OSError as error:
                # Systems differ in the error that refuses a symbolic link.
                with suppress(FileNotFoundError):
                    if self._is_link(name + _SUFFIX, folder):
                        raise UnsafeFolderError(
                            f"{os.path.join(self.path, name + _SUFFIX)} is a symbolic link"
                        ) from None
                raise error
            with os.fdopen(file, "rb") as stream:
                _check(os.fstat(file), os.path.join(self.path, name + _SUFFIX), stat.S_ISREG, "a file")
                content = stream.read()
                with suppress(OSError):  # a read-only disk
                    os.utime(file if os.utime in os.supports_fd else os.path.join(self.path, name + _SUFFIX))
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, so that a reader sees all of it or nothing, and drop the files used longest ago."""
        if len(content) > self.limit:
            return
        self._create()
        with self._opened() as folder:
            draft = f"{name[:16]}.{os.getpid()}.{os.urandom(8).hex()}{_UNFINISHED}"
            file = os.open(self._inside(draft, folder), _WRITE, 0o600, dir_fd=folder)
            try:
                with os.fdopen(file, "wb") as stream:
                    stream.write(content)
                source, result = self._inside(draft, folder), self._inside(name + _SUFFIX, folder)
                os.replace(source, result, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                self._remove(draft, folder)
                raise
            self._make_room(folder)

    def size(self) -> int:
        """Return the bytes of all files."""
        with suppress(FileNotFoundError), self._opened() as folder:
            return sum(size for _, size, _ in self._files(folder))
        return 0

    def clear(self) -> None:
        """Remove every file."""
        with suppress(FileNotFoundError), self._opened() as folder:
            for name, _, _ in self._files(folder):
                self._remove(name, folder)

    # --- the folder itself ---

    def _create(self) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(self.path, mode=0o700)

    @contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Hold the folder open: what is checked is then what is used, whatever becomes of its name."""
        if not _POSIX:
            os.stat(self.path)
            yield None
            return
        if os.path.islink(self.path):
            raise UnsafeFolderError(f"{self.path} is a symbolic link")
        folder = os.open(self.path, _READ | os.O_DIRECTORY)
        try:
            _check(os.fstat(folder), self.path, stat.S_ISDIR, "a folder")
            yield folder
        finally:
            os.close(folder)

    def _inside(self, name: str, folder: int | None) -> str:
        return name if folder is not None else os.path.join(self.path, name)

    def _is_link(self, name: str, folder: int | None) -> bool:
        found = os.stat(self._inside(name, folder), dir_fd=folder, follow_symlinks=False)
        return stat.S_ISLNK(found.st_mode)

    def _remove(self, name: str, folder: int | None) -> None:
        with suppress(OSError):  # another process removed it, or Windows holds it open
            os.unlink(self._inside(name, folder), dir_fd=folder)

    def _files(self, folder: int | None) -> list[tuple[str, int, float]]:
        """Return name, bytes and time of last use of every file of ours."""
        found = []
        with os.scandir(self.path if folder is None else folder) as entries:
            for entry in entries:
                if entry.name.endswith((_SUFFIX, _UNFINISHED)):
                    with suppress(FileNotFoundError):
                        known = entry.stat(follow_symlinks=False)
                        found.append((entry.name, known.st_size, known.st_mtime))
        return found

    def _make_room(self, folder: int | None) -> None:
        files = self._files(folder)
        kept = 0
        for name, size, used in sorted(files, key=lambda file: -file[2]):
            abandoned = name.endswith(_UNFINISHED) and time.time() - used > _ABANDONED_AFTER
            kept += size
            if abandoned or (kept > self.limit and name.endswith(_SUFFIX)):
                self._remove(name, folder)
                kept -= size


def _check(found: os.stat_result, path: str, is_kind: Callable[[int], bool], kind: str) -> None:
    """Refuse what another user owns or may write."""
    if not is_kind(found.st_mode):
        raise UnsafeFolderError(f"{path} is not {kind}")
    if not _POSIX:
        return
    if found.st_uid != os.geteuid():
        raise UnsafeFolderError(f"{path} belongs to another user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnsafeFolderError(f"{path} can be written by other users (mode {stat.S_IMODE(found.st_mode):o})")
