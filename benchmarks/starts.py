"""What a process needs before it trains: imports, first call, second start, memory; each in a fresh process.

The first call is from the framework's wrapper (`la.compile`, `jax.jit`, `torch.compile`) to the first result, with
the framework's modules imported and data and weights built; what the framework imports only then, counts. The
second start is the same in another process, with what the first left in the framework's own cache on disk.
"""

from __future__ import annotations

import importlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.contender import load
from benchmarks.processes import ROOT, environment
from benchmarks.workloads import WORKLOADS

IMPORT_TIMES = """
import importlib, json, sys, time
start, times = time.perf_counter(), {}
for name in sys.argv[1:]:
    importlib.import_module(name)
    times[name] = time.perf_counter() - start
print(json.dumps(times))
"""


def import_times(modules: tuple[str, ...], repeats: int, variables: dict[str, str]) -> dict[str, float]:
    """Return the seconds, from an interpreter that has started, until each module was imported, in this order."""
    command = [sys.executable, "-c", IMPORT_TIMES, *modules]
    runs = []
    for number in range(repeats + 1):
        done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=True)
        if number:  # the first reads the files from disk
            runs.append(json.loads(done.stdout))
    return {name: statistics.median(run[name] for run in runs) for name in modules}


def first_and_second(contender: str, workload: str, threads: int, caches: Path) -> dict[str, Any]:
    """Return the measurements of two processes, one after the other; ``caches`` does not exist yet."""
    results: dict[str, Any] = {}
    for name in ("first", "second"):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.starts", contender, workload],
            env=environment(threads, caches),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
        results[name] = {**json.loads(done.stdout.splitlines()[-1]), "process_seconds": time.perf_counter() - began}
    return results


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had in use.

    Linux has it in ``VmHWM``. Its ``ru_maxrss`` would not do: a new process takes over that of its parent.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def main() -> None:
    """Import, build, call, run some steps; print what it took."""
    contender, workload = load(sys.argv[1]), WORKLOADS[sys.argv[2]]
    for module in contender.imports:
        importlib.import_module(module)
    task = contender.build(workload)
    with task.around():
        began = time.perf_counter()
        step = task.start()
        result = step()
        task.wait(result)
        first_call = time.perf_counter() - began
        loss = float(result.item())
        steps, began = min(workload.steps, 10), time.perf_counter()
        for _ in range(steps):
            result = step()
        task.wait(result)
        mean = (time.perf_counter() - began) / steps
    print(json.dumps({"first_call": first_call, "step": mean, "loss": loss, "memory": peak_memory()}))


if __name__ == "__main__":
    main()
