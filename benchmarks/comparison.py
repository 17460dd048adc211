"""The run: contenders in processes of their own, losses compared first, then rounds that take turns."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.contender import Kernel, load
from benchmarks.processes import Server, as_installed, environment
from benchmarks.results import Measured, Results, Start
from benchmarks.starts import first_and_second, import_times
from benchmarks.workloads import WORKLOADS, Workload


class DisagreementError(Exception):
    """Contenders that do not compute the same are not compared."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    workloads, contenders : sequences of str
    rounds : int
        Measured rounds, after one to warm up.
    seconds : float
        Least time of one measurement.
    starts : int
        Pairs of fresh processes for each contender and workload; the medians are reported. 0 leaves them out.
    threads : int
        Of every contender.
    """

    workloads: tuple[str, ...]
    contenders: tuple[str, ...]
    rounds: int
    seconds: float
    starts: int
    threads: int


def check_losses(workload: Workload, losses: dict[str, list[float]]) -> None:
    """Raise `DisagreementError` unless all contenders have the same finite losses, to rounding."""
    if not losses:
        return
    reference_name, reference = next(iter(losses.items()))
    for name, values in losses.items():
        if len(values) != len(reference):
            raise DisagreementError(
                f"{workload.name}: {reference_name} took {len(reference)} steps, {name} {len(values)}"
            )
        for step, (ours, theirs) in enumerate(zip(reference, values, strict=True)):
            alike = abs(ours - theirs) <= workload.tolerance * max(abs(ours), abs(theirs))
            if not (alike and math.isfinite(theirs)):
                raise DisagreementError(
                    f"{workload.name}: at step {step} {reference_name} has {ours}, {name} {theirs}; "
                    "unlike things are not compared"
                )


SETTLED = 0.6
"""Seconds before a measurement: the threads of the contender before go on looking for work for up to 0.2 s, or more."""


def compare(plan: Plan, say: Callable[[str], object]) -> Results:
    """Measure everything in the plan."""
    results = Results(plan.threads)
    present = []
    for name in plan.contenders:
        reason = load(name).missing()
        if reason is None:
            present.append(name)
        else:
            results.missing[name] = reason
            say(f"missing: {name} ({reason})")
    with TemporaryDirectory() as folder:
        caches = Path(folder)
        if plan.starts:
            as_installed()
            say("imports")
            _measure_imports(plan, results, present, environment(plan.threads, caches))
        peak = Server("benchmarks.peak", variables=environment(plan.threads, caches))
        try:
            for workload in map(WORKLOADS.__getitem__, plan.workloads):
                names = [name for name in present if load(name).runs(workload)]
                results.workloads[workload.name] = {name: Measured() for name in names}
                _measure_workload(plan, results, workload, peak, caches, say)
        finally:
            peak.close()
    return results


def _measure_imports(plan: Plan, results: Results, names: Iterable[str], variables: dict[str, str]) -> None:
    by_modules: dict[tuple[str, ...], dict[str, float]] = {}
    for name in names:
        modules = load(name).imports
        if modules not in by_modules:
            by_modules[modules] = import_times(modules, max(plan.starts, 3), variables)
        results.imports[name] = by_modules[modules]


def _measure_workload(
    plan: Plan, results: Results, workload: Workload, peak: Server, caches: Path, say: Callable[[str], object]
) -> None:
    measured = results.workloads[workload.name]
    folders = {name: caches / f"{workload.name}-{name}" for name in measured}
    for name in measured if plan.starts else ():
        say(f"{workload.name}: starts of {name}")
        _measure_starts(plan, workload, name, measured[name], folders[name])
    servers = {
        # After the starts these processes find compiled code: torch.compile then takes seconds, not tens of them.
        name: Server("benchmarks.worker", name, workload.name, variables=environment(plan.threads, folders[name]))
        for name, each in measured.items()
        if each.error is None
    }
    try:
        say(f"{workload.name}: the first {workload.checked} steps")
        replies = _ask_all(servers, measured, do="losses", steps=workload.checked)
        check_losses(workload, {name: reply["losses"] for name, reply in replies.items()})
        for number in range(plan.rounds + 1):
            say(f"{workload.name}: round {number} of {plan.rounds}")
            if workload.product_bound:
                rate = peak.ask()
                results.core_gflops += [rate["gflops"]] if "gflops" in rate else []
            for name, reply in _ask_all(servers, measured, do="time", seconds=plan.seconds).items():
                if number:  # the first round warms caches and clocks
                    measured[name].rounds.append(reply["seconds"])
                    measured[name].busy.append(reply["busy"])
        profiled = {name: server for name, server in servers.items() if load(name).ours}
        for name, reply in _ask_all(profiled, measured, do="kernels").items():
            measured[name].kernels = None if reply["kernels"] is None else [Kernel(**each) for each in reply["kernels"]]
    finally:
        for server in servers.values():
            server.close()


def _ask_all(servers: dict[str, Server], measured: dict[str, Measured], **request: Any) -> dict[str, dict[str, Any]]:
    """Return the replies to a request, one after the other; who answers with an error is asked no more."""
    replies = {}
    for name, server in servers.items():
        if request.get("do") == "time":
            time.sleep(SETTLED)
        if measured[name].error is None:
            reply = server.ask(**request)
            if "error" in reply:
                measured[name].error = reply["error"]
            else:
                replies[name] = reply
    return replies


def _measure_starts(plan: Plan, workload: Workload, name: str, measured: Measured, folder: Path) -> None:
    """Fill in both starts; the folder of the last pair stays, with its compiled code."""
    pairs = []
    for repeat in range(plan.starts):
        last = repeat == plan.starts - 1
        pair = first_and_second(name, workload.name, plan.threads, folder if last else folder / f"repeat-{repeat}")
        if "error" in pair:
            measured.error = pair["error"]
            return
        pairs.append(pair)
    measured.first, measured.second = (_median([pair[which] for pair in pairs]) for which in ("first", "second"))


def _median(runs: list[dict[str, Any]]) -> Start:
    keys = ("first_call", "step", "process_seconds", "memory")
    first_call, step, process, memory = (statistics.median(run[key] for run in runs) for key in keys)
    return Start(first_call, step, process, int(memory))
