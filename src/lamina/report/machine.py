"""The machine that a model was trained on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lamina as la

# What has a part in the numbers.
LIBRARIES = ("numpy", "llvmlite", "scikit-learn", "polars")


def describe_machine() -> dict[str, str]:
    """Return what this machine is: processor, cores, memory, system and versions. Its name is nobody's business.

    Examples
    --------
    >>> from lamina.report import describe_machine
    >>> sorted(describe_machine())[:3]
    ['Lamina', 'Python', 'cores']
    """
    described = {"processor": _processor(), "cores": _cores(), "memory": _memory(), "system": _system()}
    versions = {"Python": platform.python_version(), "Lamina": la.__version__}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {name: value for name, value in {**described, **versions}.items() if value}


def _processor() -> str:
    """Return the name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.processor() or platform.machine()


def _cores() -> str:
    """Return how many cores there are, and how many of them this process may use."""
    every = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else every
    return f"{every}" if usable == every else f"{usable} of {every}"


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return ""
    return f"{size / 2**30:.1f} GiB"


def _system() -> str:
    return f"{platform.system()} {platform.release()}, {platform.machine()}"
