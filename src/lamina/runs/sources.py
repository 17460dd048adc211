"""Where data come from: whether they are what they were, and which of them a training does not see."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lamina.runs.options import TrainingOptions

# Of an embedded set, where nothing was said: a user has no other rows of it to measure on.
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
    """Return the share of rows to hold out: where nothing was said, none but of an embedded set."""
    if options.test is not None:
        return options.test
    return HELD_OUT_SHARE if embedded else 0.0
