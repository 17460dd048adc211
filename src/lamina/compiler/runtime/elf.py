"""Object files as Linux has them, and putting them into memory ready to be called, without LLVM.

LLVM takes longer to load than a small program that was compiled earlier. What it writes for this machine needs little:
sections are laid out in pages of their own kind, and distances between them are filled in. The files of one program
are laid out together, and call each other's functions by name. Where there is anything else in a file, `Placed.of`
returns None, and LLVM's own linker takes it.

Format: Tool Interface Standard, "Executable and Linking Format", version 1.2 (1995); "System V Application Binary
Interface, AMD64 Architecture Processor Supplement", section 4.4 (relocation types).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

_PREFIX, _RELOCATABLE, _X86_64 = b"\x7fELF\x02\x01", 1, 62  # 64 bits, the least byte first
_PROGRAM_DATA, _SYMBOLS, _RELOCATIONS, _NOTHING_STORED = 1, 2, 4, 8  # kinds of sections
_WRITABLE, _IN_MEMORY, _EXECUTABLE = 1, 2, 4  # flags of sections
_UNDEFINED, _RESERVED = 0, 0xFF00  # places of symbols: nowhere here, or from here on in no section
_LOCAL = 0  # the binding of a symbol that only its own file knows
_ADDRESS, _DISTANCE, _CALL = 1, 2, 4  # relocations: R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32
# Jump to the address in the eight bytes behind this instruction.
_JUMP = b"\xff\x25\x00\x00\x00\x00"
_STUB = len(_JUMP) + 8


class Section(NamedTuple):
    """A row of the table of sections."""

    name: int
    kind: int
    flags: int
    address: int
    start: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class Symbol(NamedTuple):
    """A name, the number of the section it is in, where in it, and whether other files may mean it by that name."""

    name: str
    section: int
    value: int
    shared: bool


class ObjectFile:
    """The parts of an object file.

    Attributes
    ----------
    content : bytes
    sections : list of Section
    symbols : list of Symbol
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        (table,) = struct.unpack_from("<Q", content, 40)
        size, number = struct.unpack_from("<HH", content, 58)
        self.sections = [Section(*struct.unpack_from("<IIQQQQIIQQ", content, table + size * i)) for i in range(number)]
        self.symbols = [
            each for section in self.sections if section.kind == _SYMBOLS for each in self._symbols(section)
        ]

    @classmethod
    def of(cls, content: bytes) -> ObjectFile | None:
        """Return the parts of an object file of 64 bits; None for another format."""
        return cls(content) if content.startswith(_PREFIX) else None

    def stored(self, section: Section) -> bytes:
        """Return what a section holds."""
        return self.content[section.start : section.start + section.size]

    def expected(self) -> set[str]:
        """Return the names that are not defined here."""
        return {each.name for each in self.symbols if each.name and each.section == _UNDEFINED}

    def defined(self) -> dict[str, Symbol]:
        """Return what other files may use."""
        return {each.name: each for each in self.symbols if each.shared and each.section != _UNDEFINED}

    def relocations(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield section, offset in it, kind, symbol and addend of each place to fill in that will be in memory."""
        for section in self.sections:
            if section.kind == _RELOCATIONS and self.sections[section.info].flags & _IN_MEMORY:
                for offset, info, addend in struct.iter_unpack("<QQq", self.stored(section)):
                    yield section.info, offset, info & 0xFFFFFFFF, info >> 32, addend

    def is_simple(self) -> bool:
        """Tell whether there is nothing to fill in but what `Placed` can."""
        return all(kind in (_ADDRESS, _DISTANCE, _CALL) for _, _, kind, _, _ in self.relocations())

    def _symbols(self, section: Section) -> Iterator[Symbol]:
        names = self.sections[section.link].start
        for name, kind, _, home, value, _ in struct.iter_unpack("<IBBHQQ", self.stored(section)):
            start = names + name
            text = self.content[start : self.content.index(b"\0", start)].decode()
            yield Symbol(text, home, value, kind >> 4 != _LOCAL)


def foreign(files: Sequence[ObjectFile]) -> set[str]:
    """Return the names that a program in several files expects of the outside."""
    expected = set[str]().union(*(each.expected() for each in files))
    return expected.difference(*(each.defined() for each in files))


class Placed:
    """The object files of a program in memory, for as long as this object lives.

    Attributes
    ----------
    addresses : dict of str to int
        Where its functions and variables are.
    """

    def __init__(self, files: Sequence[ObjectFile]) -> None:
        self._files = files
        # What is executed, what is read, what is written; each in pages of its own.
        groups: list[list[_Place]] = [[], [], []]
        for file in files:
            for number, section in enumerate(file.sections):
                if section.flags & _IN_MEMORY and section.size:
                    kind = 0 if section.flags & _EXECUTABLE else 2 if section.flags & _WRITABLE else 1
                    groups[kind].append((file, number))
        self._offsets: dict[_Place, int] = {}
        self._stubs: dict[str, int] = {}
        ends, end = [], 0
        for group in groups:
            end = self._laid_out(group, end)
            if group is groups[0]:
                for name in sorted(foreign(files)):
                    self._stubs[name], end = end, end + _STUB
            end = -(-end // mmap.PAGESIZE) * mmap.PAGESIZE
            ends.append(end)
        self._shared = {
            name: self._offsets[file, each.section] + each.value
            for file in files
            for name, each in file.defined().items()
            if (file, each.section) in self._offsets
        }
        self._memory = mmap.mmap(-1, max(end, mmap.PAGESIZE))
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._write()
        _protect(self._base, ends[0], mmap.PROT_READ | mmap.PROT_EXEC)
        _protect(self._base + ends[0], ends[1] - ends[0], mmap.PROT_READ)
        self.addresses = {name: self._base + offset for name, offset in self._shared.items()}

    @classmethod
    def of(cls, contents: Sequence[bytes]) -> Placed | None:
        """Return object files of this machine in memory; None where they hold what is not known here."""
        kind = struct.pack("<HH", _RELOCATABLE, _X86_64)
        if not _here() or any(not each.startswith(_PREFIX) or each[16:20] != kind for each in contents):
            return None
        try:
            files = [ObjectFile(each) for each in contents]
            simple = all(each.is_simple() for each in files) and foreign(files) <= set(_outside())
            return cls(files) if simple else None
        except (struct.error, IndexError, KeyError, ValueError):  # one is damaged, which LLVM can say better
            return None

    def _laid_out(self, group: list[_Place], end: int) -> int:
        for file, number in group:
            section = file.sections[number]
            alignment = max(section.alignment, 1)
            self._offsets[file, number] = -(-end // alignment) * alignment
            end = self._offsets[file, number] + section.size
        return end

    def _write(self) -> None:
        memory = self._memory
        for (file, number), offset in self._offsets.items():
            section = file.sections[number]
            if section.kind != _NOTHING_STORED:
                memory[offset : offset + section.size] = file.stored(section)
        for name, offset in self._stubs.items():
            memory[offset : offset + _STUB] = _JUMP + struct.pack("<Q", _outside()[name])
        for file in self._files:
            self._fill_in(file)

    def _fill_in(self, file: ObjectFile) -> None:
        for number, inside, kind, symbol, addend in file.relocations():
            place = self._offsets[file, number] + inside
            found = self._place(file, file.symbols[symbol]) + addend
            if kind == _ADDRESS:
                struct.pack_into("<Q", self._memory, place, self._base + found)
            else:
                struct.pack_into("<i", self._memory, place, found - place)

    def _place(self, file: ObjectFile, symbol: Symbol) -> int:
        if symbol.section != _UNDEFINED:
            return self._offsets[file, symbol.section] + symbol.value
        return self._shared[symbol.name] if symbol.name in self._shared else self._stubs[symbol.name]


_Place = tuple[ObjectFile, int]
"""A section: its file, and its number there."""


def _here() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


@cache
def _outside() -> dict[str, int]:
    """Return the addresses of the functions of C that code may use."""
    found = {name: getattr(ctypes.CDLL(None), name) for name in ("memcpy", "memmove", "memset")}
    return {name: ctypes.cast(function, ctypes.c_void_p).value or 0 for name, function in found.items()}


def _protect(address: int, size: int, allowed: int) -> None:
    if not size:
        return
    function = ctypes.CDLL(None, use_errno=True).mprotect
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if function(address, size, allowed):
        number = ctypes.get_errno()
        raise OSError(number, "memory cannot be made executable")
