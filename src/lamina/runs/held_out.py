"""What a training held out, read again."""

from __future__ import annotations

from pathlib import Path

from lamina.errors import DataError
from lamina.runs.run_config import RunConfig
from lamina.runs.sources import fingerprint, test_share
from lamina.runs.subjects import Data, prepare


def held_out_part(config: RunConfig, run: Path) -> Data:
    """Return the part of the data that a training never saw, read and divided as it did.

    Raises
    ------
    DataError
        When there are none, or the file is not what it was.
    """
    again = f"give {config.subject.file} to measure on: lamina evaluate {run} FILE"
    if not test_share(config.options, config.embedded):
        raise DataError(f"evaluate: {config.source} was trained on whole, without a held-out part (--test); {again}")
    check_unchanged(config, again)
    test = prepare(config.options).test
    if test is None:
        raise DataError(
            f"evaluate: the share of {config.source} that was held out has no {config.subject.unit.name}; {again}"
        )
    return test


def check_unchanged(config: RunConfig, remedy: str) -> None:
    """Refuse a file that is not as it was when it was trained on.

    Raises
    ------
    DataError
        With what to do about it.
    """
    path = Path(config.source)
    if config.embedded:
        return
    if not path.exists():
        raise DataError(f"{path}: the file that the run was trained on is not there; put it back, or {remedy}")
    if fingerprint(path) != config.fingerprint:
        raise DataError(f"{path}: the file is not as it was when the training began; put it back, or {remedy}")
