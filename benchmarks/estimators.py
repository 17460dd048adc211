"""Compare the estimators with scikit-learn's: ``python -m benchmarks.estimators [--rounds 7]``.

`LaminaClassifier` against ``MLPClassifier`` on its own terms: the same data, type of data, hidden layers, batch size,
number of epochs, Adam and penalty, no early stopping. Each round fits both and lets both predict, in turn, and the
medians of the rounds are reported. The first fit, with nothing compiled before, is a line of its own. On a machine
that does other things meanwhile, ``--processor`` counts processor time, of one thread, instead of the time that passes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import lamina as la
from benchmarks.units import duration

HIDDEN, BATCH = (100,), 200
MANY_ROWS = 10_000
ASLEEP = 0.05
"""Seconds after which the threads of the contender before no longer wait for work."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Task:
    """What is learnt: rows and their classes, and for how many epochs."""

    name: str
    inputs: np.ndarray
    targets: np.ndarray
    epochs: int


def tasks(dtype: str) -> list[Task]:
    """Return what the estimators are compared on, each with about a second's work for scikit-learn."""
    digits, digit = load_digits(return_X_y=True)
    made, kind = make_classification(10_000, 20, random_state=0)
    iris, species = load_iris(return_X_y=True)
    return [
        Task("digits", (digits / 16).astype(dtype), digit, 50),
        Task("10 000 rows", made.astype(dtype), kind, 20),
        Task("iris", iris.astype(dtype), species, 200),
    ]


def contenders(task: Task) -> dict[str, Callable[[], Any]]:
    """Return what makes each estimator, untrained; each trains for all epochs."""
    terms = {
        "hidden_layer_sizes": HIDDEN,
        "batch_size": min(BATCH, len(task.inputs)),
        "max_iter": task.epochs,
        "n_iter_no_change": task.epochs,
        "tol": 0.0,
        "random_state": 0,
    }
    return {"lamina": lambda: la.estimators.LaminaClassifier(**terms), "scikit-learn": lambda: MLPClassifier(**terms)}


def measured(task: Task, rounds: int, clock: Clock) -> tuple[dict[str, dict[str, list[float]]], dict[str, float]]:
    """Return the seconds of each thing that is done, by contender, and each one's accuracy."""
    makers = contenders(task)
    times: dict[str, dict[str, list[float]]] = {}
    accuracy: dict[str, float] = {}
    many = np.resize(task.inputs, (MANY_ROWS, task.inputs.shape[1]))
    for at in range(rounds + 1):
        for name, make in makers.items():
            estimator = make()
            time.sleep(ASLEEP)
            noted = {"fit": _seconds(clock, lambda e=estimator: e.fit(task.inputs, task.targets))}
            if at == 0:
                times.setdefault("first fit", {})[name] = [noted["fit"]]
                accuracy[name] = estimator.score(task.inputs, task.targets)
                estimator.predict(many)
                continue
            for label, rows in (("predict 1 row", many[:1]), (f"predict {MANY_ROWS:,} rows", many)):
                estimator.predict(rows)
                noted[label] = median(_seconds(clock, lambda e=estimator, r=rows: e.predict(r)) for _ in range(20))
            for label, seconds in noted.items():
                times.setdefault(label, {}).setdefault(name, []).append(seconds)
    return times, accuracy


def _seconds(clock: Clock, call: Callable[[], Any]) -> float:
    started = clock()
    call()
    return clock() - started


def report(found: list[tuple[Task, str, dict[str, dict[str, list[float]]], dict[str, float]]]) -> Table:
    """Return the medians as a table."""
    table = Table(title="LaminaClassifier, and how many times longer MLPClassifier takes")
    for column in ("data", "type", "what", "Lamina", "scikit-learn", "ratio"):
        table.add_column(column, no_wrap=True, justify="left" if column in ("data", "type", "what") else "right")
    for task, dtype, times, accuracy in found:
        for label, by_name in times.items():
            ours, theirs = median(by_name["lamina"]), median(by_name["scikit-learn"])
            table.add_row(task.name, dtype, label, duration(ours), duration(theirs), f"{theirs / ours:.2f}")
        ours, theirs = accuracy["lamina"], accuracy["scikit-learn"]
        table.add_row(task.name, dtype, "accuracy", f"{ours:.3f}", f"{theirs:.3f}", "", end_section=True)
    return table


def main() -> None:
    """Measure and report."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.estimators", description=(__doc__ or "").split("\n\n")[1]
    )
    options.add_argument("--rounds", type=int, default=7, help="measured rounds, after a first one")
    options.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of both")
    options.add_argument("--processor", action="store_true", help="count processor time, of one thread each")
    given = options.parse_args()
    threads, clock = (1, time.process_time) if given.processor else (given.threads, time.perf_counter)
    warnings.simplefilter("ignore", ConvergenceWarning)
    found = []
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(threads):
        os.environ["LAMINA_CACHE_DIR"] = folder
        la.set_num_threads(threads)
        for dtype in ("float64", "float32"):
            for task in tasks(dtype):
                found.append((task, dtype, *measured(task, given.rounds, clock)))
    Console().print(report(found))


if __name__ == "__main__":
    main()
