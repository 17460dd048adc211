"""Where data come from: whether they are what they were, and which of them a training does not see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.runs.options import TrainingOptions

# Of an embedded set, where nothing was said: a user has no more of it to measure on.
HELD_OUT_SHARE = 0.2


def fingerprint(path: Path) -> str:
    """Return what tells the content of a file from any other; of a folder, the names and sizes of its files."""
    digest = hashlib.sha256()
    if path.is_dir():
        for each in sorted(path.rglob("*")):
            if each.is_file():
                digest.update(f"{each.relative_to(path)}\0{each.stat().st_size}\n".encode())
    else:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def test_share(options: TrainingOptions, embedded: bool) -> float:
    """Return the share of the data to hold out: where nothing was said, none but of an embedded set."""
    if options.test is not None:
        return options.test
    return HELD_OUT_SHARE if embedded else 0.0


def small_classes(labels: npt.NDArray[Any], names: Sequence[str], parts: int, counted: str) -> list[str]:
    """Return a note on the classes with fewer rows or images than there are parts: they are in training alone."""
    counts = np.bincount(labels, minlength=len(names))
    small = [f"{name!r} ({count})" for name, count in zip(names, counts, strict=True) if count < parts]
    if not small:
        return []
    shown = ", ".join(small[:5]) + (", ..." if len(small) > 5 else "")
    what = "1 class has" if len(small) == 1 else f"{len(small)} classes have"
    return [f"{what} fewer {counted} than there are parts; they are in training alone, and not measured: {shown}"]
