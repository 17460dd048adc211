"""What a process needs before it trains: imports, first call, second start, memory; each in a fresh process.

The first call is from the framework's wrapper (`la.compile`, `jax.jit`, `torch.compile`) to the first result, with
the framework's modules imported and data and weights built; what the framework imports only then, counts. The
second start is the same in another process, with what the first left in the framework's own cache on disk. Memory
is that of the process at its peak, and of the processes that it starts, such as compilers, at theirs.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

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
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.starts", contender, workload],
            env=environment(threads, caches),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with Descendants(process.pid) as descendants:
            output, errors = process.communicate()
        seconds = time.perf_counter() - began
        if process.returncode:
            return {"error": (errors.strip().splitlines() or ["no message"])[-1]}
        found = json.loads(output.splitlines()[-1])
        results[name] = {**found, "memory": found["memory"] + descendants.memory, "process_seconds": seconds}
    return results


class Descendants:
    """The processes that a process starts, such as a C++ compiler: the most memory that they had at one time.

    They are looked for every few milliseconds; where the system does not say who they are, nothing is found. One that
    has its parent's command line has been forked and uses its parent's memory, so it is left out.
    """

    EVERY = 0.005

    def __init__(self, parent: int) -> None:
        self.parent, self.memory = parent, 0
        self._end = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._end.wait(self.EVERY):
            self.memory = max(self.memory, sum(map(most_memory, self._below(self.parent))))

    def _below(self, process: int) -> Iterator[int]:
        own = _read(f"/proc/{process}/cmdline")
        for thread in _threads(process):
            for child in map(int, _read(f"/proc/{process}/task/{thread}/children").split()):
                if _read(f"/proc/{child}/cmdline") != own:
                    yield child
                yield from self._below(child)


def _threads(process: int) -> list[str]:
    """Return the threads of a process; none if it has ended."""
    with suppress(OSError):
        return os.listdir(f"/proc/{process}/task")
    return []


def _read(path: str) -> str:
    """Return the text of a file; none where there is none, as of a process that has ended."""
    with suppress(OSError):
        return Path(path).read_text(errors="replace")
    return ""


def most_memory(process: int | str) -> int:
    """Return the most bytes of memory that a process has had in use, as Linux says; 0 if it has ended or does not say.

    Not ``ru_maxrss``: a new process takes over that of its parent.
    """
    _, _, rest = _read(f"/proc/{process}/status").partition("VmHWM:")
    return int(rest.split()[0]) * 1024 if rest else 0


def peak_memory() -> int:
    """Return the most bytes of memory that this process has had in use, on systems other than Linux too."""
    if most := most_memory("self"):
        return most
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
