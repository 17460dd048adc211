"""The process of one contender and one workload: it answers requests, one JSON object a line, until its input ends.

``{"do": "losses", "steps": n}`` returns the losses of the first steps. ``{"do": "time", "seconds": s}`` runs steps
for at least so long and returns the mean seconds of one, and how many processors were busy meanwhile.
``{"do": "kernels"}`` returns what the framework's profile says, or null. What fails is answered with ``error``.
Between requests the process sleeps, so contenders do not disturb each other.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from benchmarks.contender import Step, Task, load
from benchmarks.workloads import WORKLOADS, Workload


class Runner:
    """A built task and its step; both are made when the first request needs them."""

    def __init__(self, contender: str, workload: Workload) -> None:
        self.contender, self.workload = contender, workload
        self._built: tuple[Task, Step] | None = None

    def built(self) -> tuple[Task, Step]:
        """Return the task and its step."""
        if self._built is None:
            task = load(self.contender).build(self.workload)
            self._built = task, task.start()
        return self._built

    def losses(self, steps: int) -> dict[str, Any]:
        """Return the losses of the first steps."""
        task, step = self.built()
        task.reset()
        with task.around():
            return {"losses": [float(step().item()) for _ in range(steps)]}

    def time(self, seconds: float) -> dict[str, Any]:
        """Return the mean time of a step, over steps that take at least ``seconds``."""
        task, step = self.built()
        steps, elapsed, busy = 0, 0.0, 0.0
        while not steps or elapsed < seconds:
            task.reset()
            with task.around():
                woken = time.perf_counter()
                task.wait(step())  # wakes the framework's threads, and at first says roughly how long a step is
                began, used = time.perf_counter(), time.process_time()
                usual = elapsed / steps if steps else began - woken
                count = min(self.workload.steps, int((seconds - elapsed) / usual) + 2)
                for _ in range(count):
                    result = step()
                task.wait(result)
                elapsed += time.perf_counter() - began
                busy += time.process_time() - used
            steps += count
        return {"seconds": elapsed / steps, "busy": busy / elapsed}

    def kernels(self) -> dict[str, Any]:
        """Return the kernels of a step by the framework's own profile."""
        task, step = self.built()
        found = task.profile(step)
        return {"kernels": None if found is None else [vars(each) for each in found]}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the reply to one request."""
        try:
            if request["do"] == "losses":
                return self.losses(request["steps"])
            if request["do"] == "time":
                return self.time(request["seconds"])
            return self.kernels()
        except Exception as error:  # whatever a framework raises is its answer
            return {"error": f"{type(error).__name__}: {str(error).strip() or 'no message'}"}


def main() -> None:
    """Serve the contender and workload named on the command line."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what frameworks print is no reply
    runner = Runner(sys.argv[1], WORKLOADS[sys.argv[2]])
    for line in sys.stdin:
        print(json.dumps(runner.answer(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
