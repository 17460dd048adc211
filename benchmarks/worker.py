"""The process of one contender: it answers requests, one JSON object a line, until its input ends.

``{"workload": name, "do": "losses", "steps": n}`` builds the workload anew and returns the losses of its first
steps. ``{"workload": name, "do": "time", "seconds": s}`` runs steps for at least so long and returns the mean
seconds of one. Between requests the process sleeps, so contenders do not disturb each other.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

from benchmarks.workloads import WORKLOADS, Step

WARM_UP_STEPS = 50


def measure(step: Step, seconds: float) -> float:
    """Return the mean time of a step, over steps that take at least ``seconds``."""
    count, elapsed = 16, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            step()
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return elapsed / count
        count = max(2 * count, int(count * seconds / max(elapsed, 1e-9)) + 1)


def answer(contender: Any, request: dict[str, Any], steps: dict[str, Step]) -> dict[str, Any]:
    """Return the reply to one request; built workloads are kept in ``steps``."""
    name = request["workload"]
    if request["do"] == "losses":
        step = contender.build(WORKLOADS[name])
        return {"losses": [step().item() for _ in range(request["steps"])]}
    if name not in steps:
        steps[name] = contender.build(WORKLOADS[name])
        for _ in range(WARM_UP_STEPS):
            steps[name]()
    return {"seconds": measure(steps[name], request["seconds"])}


def main() -> None:
    """Serve the contender named on the command line."""
    contender = importlib.import_module(f"benchmarks.contenders.{sys.argv[1]}")
    steps: dict[str, Step] = {}
    for line in sys.stdin:
        print(json.dumps(answer(contender, json.loads(line), steps)), flush=True)


if __name__ == "__main__":
    main()
