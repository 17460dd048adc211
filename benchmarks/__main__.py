"""Run the comparison: ``python -m benchmarks [--workload xor] [--rounds 5] [--json results.json]``.

Each contender has a process of its own. Before any time counts, the losses of the first 20 steps from the same
weights must agree. Then the rounds are interleaved, so that what the machine does meanwhile falls on all alike,
and the median of the rounds is reported, with its ratio to the fastest peer's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.workloads import WORKLOADS

OURS = ("lamina_eager",)
PEERS = {"torch_eager": "torch", "torch_fused": "torch"}
CHECKED_STEPS = 20
TOLERANCE = 1e-3  # relative; float32 rounding, carried through twenty Adam steps


class Contender:
    """A worker process and what is known of it."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.label: str = importlib.import_module(f"benchmarks.contenders.{name}").LABEL
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **limits},
            cwd=Path(__file__).parent.parent,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its reply."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: the process of {self.label} ended with status {self.process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def present(module: str) -> bool:
    """Tell whether a peer's package is installed."""
    return importlib.util.find_spec(module) is not None


def check_losses(contenders: list[Contender], workload: str) -> None:
    """Stop unless all contenders compute the same losses, to rounding."""
    losses = {c.label: c.ask(workload=workload, do="losses", steps=CHECKED_STEPS)["losses"] for c in contenders}
    reference_label, reference = next(iter(losses.items()))
    for label, values in losses.items():
        for step, (ours, theirs) in enumerate(zip(reference, values, strict=True)):
            if abs(ours - theirs) > TOLERANCE * max(abs(ours), abs(theirs)):
                raise SystemExit(
                    f"benchmarks: {workload}: at step {step} {reference_label} has loss {ours}, {label} {theirs}; "
                    "unlike things are not compared"
                )


def run_workload(contenders: list[Contender], workload: str, rounds: int, seconds: float) -> dict[str, float]:
    """Return the median seconds of a step, by contender's name."""
    check_losses(contenders, workload)
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            taken = contender.ask(workload=workload, do="time", seconds=seconds)["seconds"]
            if number:  # the first round warms caches and clocks
                times[contender.name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def table(results: dict[str, dict[str, float]], labels: dict[str, str]) -> Table:
    """Return the times, and our ratio to the fastest peer in the same run."""
    shown = Table(title="One training step: forward, backward, Adam")
    shown.add_column("workload")
    for label in labels.values():
        shown.add_column(f"{label} (µs)", justify="right")
    shown.add_column("fastest peer / Lamina", justify="right")
    for workload, times in results.items():
        peers = [seconds for name, seconds in times.items() if name in PEERS]
        ours = min(seconds for name, seconds in times.items() if name in OURS)
        ratio = f"{min(peers) / ours:.2f}x" if peers else "no peer installed"
        row = [f"{times[name] * 1e6:.1f}" for name in labels]
        shown.add_row(f"{workload} ({WORKLOADS[workload].description})", *row, ratio)
    return shown


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="which to run; all when left out")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds, after one to warm up")
    parser.add_argument("--seconds", type=float, default=0.3, help="least time of one measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of every contender")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    console = Console()
    for name, module in PEERS.items():
        if not present(module):
            console.print(f"missing: {name} (the package {module} is not installed)")
    names = [*OURS, *(name for name, module in PEERS.items() if present(module))]
    contenders = [Contender(name, options.threads) for name in names]
    try:
        results = {
            workload: run_workload(contenders, workload, options.rounds, options.seconds)
            for workload in options.workload or WORKLOADS
        }
    finally:
        for contender in contenders:
            contender.close()
    console.print(table(results, {contender.name: contender.label for contender in contenders}))
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "threads": options.threads}
        options.json.write_text(json.dumps({"machine": machine, "seconds": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
