"""tinygrad: a step, or a forward pass, under ``TinyJit``; its kernels are compiled by clang.

A step's loss is in memory that the next step overwrites.
"""

from __future__ import annotations

import shutil
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WEIGHT_DECAY, Workload


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    import tinygrad
    from tinygrad.nn import optim

    from benchmarks.networks.tinygrad import load, loss_function, network, parameters

    weights = parameters(workload.arrays())
    forward = network(workload.architecture, weights)
    inputs, targets = (tinygrad.Tensor(array).realize() for array in workload.data())
    if not workload.trains:
        return Task(lambda: _inference(tinygrad.TinyJit(lambda x: forward(x).realize()), inputs))
    assert workload.loss is not None
    loss_of = loss_function(workload.loss)
    optimizer: Any
    if workload.optimizer == "adamw":
        optimizer = optim.AdamW([*weights.values()], workload.lr, weight_decay=WEIGHT_DECAY)
    else:
        optimizer = optim.Adam([*weights.values()], workload.lr)

    def update(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(forward(x), y)
        loss.backward()
        return loss.realize(*optimizer.schedule_step())  # both at once: a loss read later is of the new weights

    def start() -> Step:
        jitted = tinygrad.TinyJit(update)
        return lambda: jitted(inputs, targets)

    def reset() -> None:
        load(weights, workload.arrays())
        for moment in (*optimizer.m, *optimizer.v):
            moment.assign(moment.zeros_like()).realize()
        for power in (optimizer.b1_t, optimizer.b2_t):
            power.assign(power.ones_like()).realize()

    reset()
    return Task(start, reset, wait=lambda loss: loss.item(), around=lambda: tinygrad.Context(TRAINING=1))


def _inference(jitted: Any, inputs: Any) -> Step:
    def step() -> Any:
        result = jitted(inputs)
        result.item()  # it is known, as with the other contenders
        return result

    return step


def takes(workload: Workload) -> bool:
    """Tell whether a step takes less than some seconds, at the few GFLOP/s that it reaches on a processor."""
    return workload.product_flops < 1e10


def lacks() -> str | None:
    """Say that there is no clang, which compiles its kernels on a processor."""
    return None if shutil.which("clang") else "tinygrad needs clang, and there is none here"


CONTENDER = Contender("tinygrad", ("tinygrad",), build, takes=takes, lacks=lacks)
