"""Trials in processes side by side, which share a journal."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import DataError
from lamina.tuning.storage import quiet

if TYPE_CHECKING:
    from lamina.tuning.study import Search

# Ctrl-C in a terminal reaches every process; they get so long to end by themselves.
PATIENCE = 3.0


def side_by_side(
    search: Search, place: Path, trials: int, deadline: float, jobs: int, shown: Callable[[], None]
) -> None:
    """Run trials in processes until there are so many; an error or Ctrl-C ends them all.

    Raises
    ------
    DataError
        When the objective cannot be given to a process, or every process ended with an error.
    """
    context = multiprocessing.get_context("spawn")
    tickets = context.Value("i", max(0, trials - len(search.finished(place))))
    arguments = (search, place, deadline, tickets)
    workers = [context.Process(target=_work, args=arguments, daemon=True) for _ in range(jobs)]
    try:
        for worker in workers:
            try:
                worker.start()
            except (AttributeError, TypeError, OSError, ValueError) as error:
                raise DataError(
                    f"tune: with several jobs the objective must be a function of a module: {error}"
                ) from error
        while any(worker.is_alive() for worker in workers):
            for worker in workers:
                worker.join(0.2 / jobs)
            shown()
    except KeyboardInterrupt:
        _wait(workers)
        raise
    finally:
        _end(workers)
    shown()
    broken = [worker.exitcode for worker in workers if worker.exitcode]
    if len(broken) == jobs:
        raise DataError(f"tune: every process ended with an error (exit code {broken[0]}); see what they wrote")


def _wait(workers: Iterable[BaseProcess]) -> None:
    deadline = time.monotonic() + PATIENCE
    for worker in workers:
        if worker.pid is not None:
            worker.join(max(0.0, deadline - time.monotonic()))


def _end(workers: Iterable[BaseProcess]) -> None:
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    for worker in workers:
        if worker.pid is not None:
            worker.join()


def _work(search: Search, place: Path, deadline: float, tickets: Any) -> None:
    def ticket() -> bool:
        with tickets.get_lock():
            if tickets.value <= 0:
                return False
            tickets.value -= 1
            return True

    try:
        with quiet():
            search.run(place, 0, deadline, lambda: None, ticket)
    except KeyboardInterrupt:
        raise SystemExit(0) from None
