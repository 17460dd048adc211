"""`lamina bench`: how fast this machine trains a network, measured, with the peak of its cores beside it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import lamina as la
from lamina import nn, optim
from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.compiler.inspection.peak import peak_flops
from lamina.compiler.inspection.tables import duration
from lamina.report import describe_machine
from lamina.runs.option_declaration import OptionError

# Rounds of a measurement; their median counts, so that what the machine does meanwhile does not.
ROUNDS = 5


def bench(given: Given) -> int:
    """Measure training steps and single predictions, and show them."""
    options, screen = given.options, given.screen
    if len(options.sizes) < 2:
        raise OptionError("sizes", "give at least the widths of the input and the output")
    before = la.get_num_threads()
    if options.threads is not None:
        la.set_num_threads(options.threads)
    try:
        found = _measured(options.sizes, options.batch_size, options.seconds)
        threads, peak = la.get_num_threads(), peak_flops(32) / 1e9
    finally:
        la.set_num_threads(before)
    machine = describe_machine()
    widths = "-".join(map(str, options.sizes))
    title = f"{widths}, batch {options.batch_size}, Adam, float32, {threads} threads of {machine.get('processor', '')}"
    rows = [
        [
            row["name"],
            duration(row["seconds"]),
            f"{row['samples_per_second']:,.0f}",
            f"{row['gflops']:,.2f}",
            f"{row['gflops'] / (peak * threads):.1%}",
            duration(row["first_call_seconds"]),
        ]
        for row in found
    ]
    screen.table(["", "time", "samples/s", "GFLOP/s of products", "of peak", "first call"], rows, title)
    screen.line(f"peak of a core: {peak:,.1f} GFLOP/s (independent multiply-adds in registers)")
    screen.result(
        {
            "sizes": list(options.sizes),
            "batch_size": options.batch_size,
            "threads": threads,
            "peak_gflops_per_core": peak,
            "measurements": found,
            "machine": machine,
        }
    )
    return DONE


def _measured(sizes: tuple[int, ...], batch: int, seconds: float) -> list[dict[str, Any]]:
    """Return the time of a training step and of a prediction of one sample, each eager and compiled."""
    layers = [fan_in * fan_out for fan_in, fan_out in pairwise(sizes)]
    # Forward, the gradients of the weights, and those of the inputs but for the first layer.
    trained = 2 * batch * (3 * sum(layers) - layers[0])
    found = []
    for name, compiled in (("training, eager", False), ("training, compiled", True)):
        found.append(_row(name, _training_step(sizes, batch, compiled), batch, trained, seconds))
    for name, compiled in (("one sample, eager", False), ("one sample, compiled", True)):
        found.append(_row(name, _prediction(sizes, compiled), 1, 2 * sum(layers), seconds))
    return found


def _row(name: str, call: Callable[[], Any], samples: int, flops: int, seconds: float) -> dict[str, Any]:
    started = time.perf_counter()
    call()
    first = time.perf_counter() - started
    taken = _seconds(call, seconds)
    return {
        "name": name,
        "seconds": taken,
        "samples_per_second": samples / taken,
        "gflops": flops / taken / 1e9,
        "first_call_seconds": first,
    }


def _seconds(call: Callable[[], Any], seconds: float) -> float:
    """Return the median time of a call over some rounds that take about so many seconds together."""
    times = 1
    while (taken := _run(call, times)) < seconds / ROUNDS / 4:
        times *= 2
    times = max(1, round(times * seconds / ROUNDS / taken))
    return statistics.median(_run(call, times) / times for _ in range(ROUNDS))


def _run(call: Callable[[], Any], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return time.perf_counter() - started


def _training_step(sizes: tuple[int, ...], batch: int, compiled: bool) -> Callable[[], Any]:
    random = np.random.default_rng(0)
    x = la.asarray(random.standard_normal((batch, sizes[0]), dtype=np.float32))
    y = la.asarray(random.standard_normal((batch, sizes[-1]), dtype=np.float32))
    model = _model(sizes)
    # Small steps: the weights stay where they were drawn, however long it is measured.
    optimizer = optim.Adam(model.parameters(), lr=1e-6)

    def step(x: Any, y: Any) -> Any:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        return loss

    run = la.compile(step) if compiled else step
    return lambda: run(x, y)


def _prediction(sizes: tuple[int, ...], compiled: bool) -> Callable[[], Any]:
    model = _model(sizes)
    x = la.zeros((1, sizes[0]))

    def forward(x: Any) -> Any:
        with la.no_grad():
            return model(x)

    run = la.compile(forward) if compiled else forward
    return lambda: run(x)


def _model(sizes: tuple[int, ...]) -> nn.Module:
    la.random.seed(0)
    return nn.MLP(sizes[0], list(sizes[1:-1]), sizes[-1])
