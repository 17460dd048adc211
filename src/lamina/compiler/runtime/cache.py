"""The cache of compiled programs: on disk from run to run, and in memory within a process.

``LAMINA_CACHE_DIR`` names another folder, ``LAMINA_CACHE_SIZE`` another bound (bytes, or with K, M or G behind;
256M), and ``LAMINA_CACHE=0`` keeps programs in memory only.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from lamina.compiler.runtime.llvm_library import llvm_identity
from lamina.compiler.runtime.loading import Loaded, load
from lamina.compiler.runtime.private_folder import PrivateFolder, UnsafeFolderError
from lamina.compiler.target import Target
from lamina.errors import DataError

KeyPart = str | bytes | Target
_MAGIC, _FORMAT = b"LAMINA\r\n", 2
_HEADER = struct.Struct("<8sIIQ32s")  # magic, format, bytes of the description, bytes of all that follows, SHA-256
_DEFAULT_SIZE = "256M"


class Entry(NamedTuple):
    """What is kept of a compiled program.

    Attributes
    ----------
    objects : tuple of bytes
        Its object files.
    meta : mapping
        What its caller must know; values that JSON has.
    """

    objects: tuple[bytes, ...]
    meta: Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """A compiled program in memory, as long as somebody holds it.

    Attributes
    ----------
    code : Loaded
    meta : mapping
    """

    code: Loaded
    meta: Mapping[str, Any]


def program(key_parts: Iterable[KeyPart], build: Callable[[], Entry]) -> Program:
    """Return a program that can be called: the one in memory, the one on disk, or a new one.

    Parameters
    ----------
    key_parts : iterable of str, bytes or Target
        All that the program depends on, but for Lamina and LLVM themselves.
    build : callable
        Compiles it.
    """
    key = _key(key_parts)
    found = _programs.get(key)
    if found is None:
        entry = _entry(key, build)
        found = Program(load(*entry.objects), entry.meta)
        _programs[key] = found
    return found


def cached(key_parts: Iterable[KeyPart], build: Callable[[], Entry]) -> Entry:
    """Return what is on disk for a program, or compile it and keep it there.

    Parameters
    ----------
    key_parts, build
        As for `program`.
    """
    return _entry(_key(key_parts), build)


def location() -> str | None:
    """Return the folder of the cache; None where it is switched off or there is no place for it."""
    folder = _folder()
    return folder.path if folder else None


def size() -> int:
    """Return the bytes on disk."""
    folder = _folder()
    try:
        return folder.size() if folder else 0
    except (OSError, UnsafeFolderError):
        return 0


def clear() -> None:
    """Remove every program from the disk; those in use stay in memory."""
    folder = _folder()
    if folder:
        try:
            folder.clear()
        except UnsafeFolderError as reason:
            _warn_once(str(reason))


_programs: WeakValueDictionary[str, Program] = WeakValueDictionary()


def _entry(key: str, build: Callable[[], Entry]) -> Entry:
    folder = _folder()
    if folder is None:
        return _as_kept(build())
    try:
        found = _unpacked(key, folder.read(key))
    except OSError:
        found = None
    except UnsafeFolderError as reason:
        _warn_once(str(reason))
        return _as_kept(build())
    if found is not None:
        return found
    made = _as_kept(build())
    try:
        folder.write(key, _packed(key, made))
    except OSError:  # a full or read-only disk: the next process compiles again
        pass
    except UnsafeFolderError as reason:
        _warn_once(str(reason))
    return made


def _as_kept(entry: Entry) -> Entry:
    """Return an entry as it will come back from the disk, so that the first run equals the second."""
    return Entry(entry.objects, json.loads(json.dumps(dict(entry.meta), allow_nan=False)))


# --- what an entry looks like on disk ---------------------------------------------------------------------


def _packed(key: str, entry: Entry) -> bytes:
    sizes = [len(each) for each in entry.objects]
    description = json.dumps({"sizes": sizes, "meta": dict(entry.meta)}, allow_nan=False).encode()
    body = description + b"".join(entry.objects)
    return _HEADER.pack(_MAGIC, _FORMAT, len(description), len(body), _digest(key, len(description), body)) + body


def _unpacked(key: str, content: bytes | None) -> Entry | None:
    """Return the entry of a file; None for one that is damaged or of another format."""
    if content is None or len(content) < _HEADER.size:
        return None
    magic, form, described, length, digest = _HEADER.unpack_from(content)
    body = content[_HEADER.size :]
    if (magic, form, length) != (_MAGIC, _FORMAT, len(body)) or digest != _digest(key, described, body):
        return None
    description = json.loads(body[:described])
    ends = list(accumulate(description["sizes"], initial=described))
    return Entry(tuple(body[start:end] for start, end in pairwise(ends)), description["meta"])


def _digest(key: str, described: int, body: bytes) -> bytes:
    # With the key, so that a file under another's name is not taken for it.
    return hashlib.sha256(f"{key} {described} ".encode() + body).digest()


# --- the key ----------------------------------------------------------------------------------------------


def _key(parts: Iterable[KeyPart]) -> str:
    digest = hashlib.sha256(_compiler())
    for part in parts:
        content = part if isinstance(part, bytes) else (part if isinstance(part, str) else repr(part)).encode()
        digest.update(f"{type(part).__name__} {len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


@cache
def _compiler() -> bytes:
    """Return a digest of LLVM's version, Lamina's, and the text of the compiler: an edited one keeps to itself."""
    from lamina import __version__

    said = [f"{llvm_identity()} {__version__} {sys.byteorder}".encode()]
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for path in _sources(top) if os.path.isdir(top) else ():
        content = _content(path)
        said += (f"{path[len(top) :]} {len(content)}:".encode(), content)
    return hashlib.sha256(b"".join(said)).digest()


def _sources(folder: str) -> Iterator[str]:
    """Yield the paths of the modules in a folder and those below, in an order that is always the same."""
    with os.scandir(folder) as entries:
        found = sorted((each.name, each.is_dir()) for each in entries)
    for name, below in found:
        if name.endswith(".py"):
            yield os.path.join(folder, name)
        elif below and name != "__pycache__":
            yield from _sources(os.path.join(folder, name))


def _content(path: str) -> bytes:
    # Every start reads two hundred files, and an object for each would take longer than reading it.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return os.read(number, os.fstat(number).st_size)
    finally:
        os.close(number)


# --- where it is ------------------------------------------------------------------------------------------


def _folder() -> PrivateFolder | None:
    switch = os.environ.get("LAMINA_CACHE", "").strip()
    if switch not in ("", "0", "1"):
        raise DataError(f"LAMINA_CACHE must be 0 or 1, got {switch!r}")
    path = _path() if switch != "0" else None
    return None if path is None else PrivateFolder(path, _limit(os.environ.get("LAMINA_CACHE_SIZE", "").strip()))


def _path() -> str | None:
    given = os.environ.get("LAMINA_CACHE_DIR", "")
    if given:
        return os.path.abspath(given)
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        inside = "lamina", "cache"
    elif sys.platform == "darwin":
        base, inside = os.path.join(home, "Library", "Caches"), ("lamina",)
    else:
        base, inside = os.environ.get("XDG_CACHE_HOME", ""), ("lamina",)
        base = base if os.path.isabs(base) else os.path.join(home, ".cache")
    # A user without a home has none either.
    return os.path.join(base, *inside) if os.path.isabs(base) else None


def _limit(given: str) -> int:
    text = given or _DEFAULT_SIZE
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1].upper(), 1)
    digits = text if unit == 1 else text[:-1]
    if not digits.isdecimal():
        raise DataError(f"LAMINA_CACHE_SIZE must be a number of bytes such as 1000000 or 256M, got {given!r}")
    return int(digits) * unit


def _warn_once(reason: str) -> None:
    if reason not in _warned:
        _warned.add(reason)
        warnings.warn(f"compiled programs are not cached on disk: {reason}", RuntimeWarning, stacklevel=5)


_warned: set[str] = set()
