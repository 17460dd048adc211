"""The memory of a fresh process counts what it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.starts import Descendants, most_memory

MEBIBYTES = 150
HOLDS = f"numbers = bytearray({MEBIBYTES} * 2**20); numbers[:] = b'1' * len(numbers)"

linux = pytest.mark.skipif(not list(Path("/proc/self/task").glob("*/children")), reason="the system does not say")


def descendants_of(code: str) -> int:
    process = subprocess.Popen([sys.executable, "-c", code])
    with Descendants(process.pid) as found:
        process.wait()
    return found.memory


@linux
def test_memory_of_what_a_process_starts_is_found() -> None:
    starts_another = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS!r}])"
    assert descendants_of(starts_another) >= MEBIBYTES * 2**20


@linux
def test_memory_of_the_process_itself_is_not_among_it() -> None:
    assert descendants_of(HOLDS) == 0


def test_a_process_that_has_ended_has_no_memory() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert most_memory(process.pid) == 0
