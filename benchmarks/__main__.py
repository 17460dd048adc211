"""Run the comparison: ``python -m benchmarks [--workload xor] [--rounds 5] [--json results.json]``.

Each contender has a process of its own for each workload. Before any time counts, the losses of the first steps
from the same weights must agree. Then the rounds are interleaved, so that what the machine does meanwhile falls on
all alike, and the median of the rounds is reported, with its ratio to the fastest peer's. Everything together takes
less than half an hour on two cores, most of it torch.compile; with ``--quick`` some two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.comparison import DisagreementError, Plan, compare
from benchmarks.contender import NAMES, load
from benchmarks.report import report
from benchmarks.targets import verdicts
from benchmarks.workloads import WORKLOADS

SLOW_WORKLOADS, SLOW_CONTENDERS = ("wide", "wide_bfloat16", "cnn", "gpt"), ("torch_compile",)


def positive(text: str) -> int:
    """Return the number that a text is, if it is at least 1."""
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n\n")[1])
    options.add_argument("--workload", choices=WORKLOADS, action="append", help="which to run; all when left out")
    options.add_argument("--contender", choices=NAMES, action="append", help="who takes part; all when left out")
    options.add_argument("--rounds", type=positive, default=5, help="measured rounds, after one to warm up")
    options.add_argument("--seconds", type=float, default=0.3, help="least time of one measurement")
    options.add_argument("--starts", type=int, help="pairs of fresh processes to start for each (1); 0: none")
    options.add_argument("--threads", type=positive, default=os.cpu_count() or 1, help="threads of every contender")
    options.add_argument(
        "--quick",
        action="store_true",
        help="leave out, where not asked for, wide, cnn, gpt, torch.compile and fresh processes",
    )
    options.add_argument("--json", type=Path, help="also write the results to this file")
    options.add_argument("--picture", type=Path, help="also draw the step times into this file, such as steps.png")
    return options


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the options ask for."""
    quick: bool = options.quick
    workloads = [name for name in WORKLOADS if not (quick and name in SLOW_WORKLOADS)]
    contenders = [name for name in NAMES if not (quick and name in SLOW_CONTENDERS)]
    starts = options.starts if options.starts is not None else 0 if quick else 1
    return Plan(
        workloads=tuple(options.workload or workloads),
        contenders=tuple(name for name in NAMES if name in (options.contender or contenders)),
        rounds=options.rounds,
        seconds=options.seconds,
        starts=starts,
        threads=options.threads,
    )


def main() -> None:
    """Measure and report; the exit status is 1 when Lamina failed or contenders do not compute the same."""
    options = parser().parse_args()
    console, progress = Console(), Console(stderr=True)
    if not console.is_terminal:
        console = Console(width=120)
    try:
        with progress.status("") as status:
            results = compare(plan_of(options), status.update)
    except DisagreementError as error:
        raise SystemExit(f"benchmarks: {error}") from None
    report(results, console)
    if options.json:
        targets = [asdict(verdict) for verdict in verdicts(results)]
        options.json.write_text(json.dumps({**results.as_json(), "targets": targets}, indent=2) + "\n")
    if options.picture:
        from benchmarks.picture import draw

        draw(results, options.picture)
    if any(each.error for measured in results.workloads.values() for n, each in measured.items() if load(n).ours):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
