"""What Lamina sets out to reach on two cores, against the fastest, quickest or leanest peer of the same run."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contender import load
from benchmarks.results import Measured, Results
from benchmarks.units import duration

STEP_TIMES = {
    "xor": 10.0,
    "tabular": 4.0,
    "mnist": 1.6,
    "wide": 1.1,
    "wide_bfloat16": 3.0,
    "inference": 7.0,
    "cnn": 2.0,
    "gpt": 1.5,
}
"""The fastest peer's step time over Lamina's, at least."""

INSIDE_PRODUCTS = {"mnist": 0.70, "wide": 0.85}
"""The fraction of the machine's peak inside the matrix products, at least."""

MEMORY_OF_PYTORCH = ("cnn", "gpt")
"""The workloads whose peak memory is measured against PyTorch's alone; for the others against the leanest peer's."""

SECOND_START = 0.25
"""A second start's first call over that of the first start, at most.

Both without the step that is in them: a step of ``wide`` alone takes longer than everything before it.
"""


@dataclass(frozen=True)
class Verdict:
    """A target, what was found, and whether it is met."""

    workload: str
    target: str
    found: str
    met: bool


def step_time_met(results: Results, workload: str) -> bool | None:
    """Tell whether the step time is as short as it should be; None where there is nothing to compare."""
    ratio = results.ratio(workload)
    return None if ratio is None else ratio >= STEP_TIMES[workload]


def verdicts(results: Results) -> list[Verdict]:
    """Return the other targets, as far as this run has what they need; they are for compiled Lamina."""
    found: list[Verdict] = []
    for workload, contenders in results.workloads.items():
        ours = contenders.get("lamina_compiled")
        if ours is None or not ours.rounds:
            continue
        found += _inside_products(results, workload, ours)
        found += _starts(results, workload, ours)
    return found


def _inside_products(results: Results, workload: str, ours: Measured) -> list[Verdict]:
    rate, peak, least = ours.product_gflops(), results.peak_gflops, INSIDE_PRODUCTS.get(workload)
    if rate is None or peak is None or least is None:
        return []
    return [
        Verdict(workload, f"at least {least:.0%} of peak inside products", f"{rate / peak:.0%}", rate / peak >= least)
    ]


def _starts(results: Results, workload: str, ours: Measured) -> list[Verdict]:
    if ours.first is None or ours.second is None:
        return []
    again, once = ours.second.preparation, ours.first.preparation
    shown, met = f"{duration(again)} after {duration(once)}", again <= SECOND_START * once
    found = [Verdict(workload, "second start at most 1/4 of the first call, without the step in it", shown, met)]
    jax = results.workloads[workload].get("jax_jit")
    if jax is not None and jax.first is not None:
        mine, limit = ours.first.first_call, jax.first.first_call
        found.append(
            Verdict(workload, "first call at most JAX's", f"{duration(mine)} against {duration(limit)}", mine <= limit)
        )
    return found + _memory(results, workload, ours.first.memory)


def _memory(results: Results, workload: str, mine: int) -> list[Verdict]:
    memory = {name: each.first.memory for name, each in results.peers(workload).items() if each.first}
    target = "memory at most the leanest peer's"
    if workload in MEMORY_OF_PYTORCH:
        memory = {name: most for name, most in memory.items() if "torch" in load(name).imports}
        target = "memory at most PyTorch's"
    if not memory:
        return []
    leanest = min(memory, key=lambda name: memory[name])
    shown = f"{mine / 2**20:.0f} MiB against {memory[leanest] / 2**20:.0f} of {load(leanest).label}"
    return [Verdict(workload, target, shown, mine <= memory[leanest])]
