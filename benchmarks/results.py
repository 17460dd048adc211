"""What a run found, and its form in JSON."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.contender import Kernel, load
from benchmarks.workloads import WORKLOADS


@dataclass
class Start:
    """The first process of a contender on a workload, or a later one.

    Attributes
    ----------
    first_call : float
        Seconds from the framework's wrapper to the first result.
    step : float
        Mean seconds of the few steps after it.
    process : float
        Seconds of the whole process: interpreter, imports, building, the first call and some steps.
    memory : int
        The most bytes it had in use.
    """

    first_call: float
    step: float
    process: float
    memory: int

    @property
    def preparation(self) -> float:
        """The first call beyond the step in it: tracing, compiling, loading."""
        return max(self.first_call - self.step, 0.0)


@dataclass
class Measured:
    """One contender on one workload; ``error`` says why there is no more."""

    rounds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    first: Start | None = None
    second: Start | None = None
    kernels: list[Kernel] | None = None
    error: str | None = None

    @property
    def seconds(self) -> float | None:
        """The median over the rounds of the mean time of a step."""
        return statistics.median(self.rounds) if self.rounds else None

    def product_gflops(self) -> float | None:
        """Return the rate inside the kernels that hold matrix products, by the framework's own profile."""
        products = [kernel for kernel in self.kernels or () if kernel.flops]
        seconds = sum(kernel.seconds for kernel in products)
        return sum(kernel.flops for kernel in products) / seconds / 1e9 if seconds else None


@dataclass
class Results:
    """Everything that a run found.

    Attributes
    ----------
    threads : int
        Of every contender.
    missing : dict of str to str
        Contenders that could not run at all, and why.
    imports : dict of str to dict
        For each contender, seconds until each of its modules was imported.
    workloads : dict of str to dict of str to Measured
        By workload and contender, in the order in which they are shown.
    core_gflops : list of float
        The peak of one core, once for each time it was measured.
    """

    threads: int
    missing: dict[str, str] = field(default_factory=dict)
    imports: dict[str, dict[str, float]] = field(default_factory=dict)
    workloads: dict[str, dict[str, Measured]] = field(default_factory=dict)
    core_gflops: list[float] = field(default_factory=list)

    @property
    def peak_gflops(self) -> float | None:
        """The peak of all threads: the best of one core, times their number."""
        return max(self.core_gflops) * self.threads if self.core_gflops else None

    def contenders(self) -> list[str]:
        """Return who took part in any workload."""
        return list(dict.fromkeys(name for measured in self.workloads.values() for name in measured))

    def lamina(self, workload: str) -> str | None:
        """Return which of ours stands for Lamina: compiled where it was measured, else eager."""
        ours = [name for name, each in self.workloads[workload].items() if load(name).ours and each.rounds]
        return ours[-1] if ours else None

    def peers(self, workload: str) -> dict[str, Measured]:
        """Return the peers that were measured, those of float32."""
        found = {name: load(name) for name, each in self.workloads[workload].items() if each.rounds}
        peers = [name for name, each in found.items() if not each.ours and each.precision == "float32"]
        return {name: self.workloads[workload][name] for name in peers}

    def fastest_peer(self, workload: str) -> str | None:
        """Return the peer with the shortest step."""
        peers = self.peers(workload)
        return min(peers, key=lambda name: peers[name].seconds or 0.0) if peers else None

    def ratio(self, workload: str) -> float | None:
        """Return the step time of the fastest peer over Lamina's."""
        peer, ours = self.fastest_peer(workload), self.lamina(workload)
        if peer is None or ours is None:
            return None
        measured = self.workloads[workload]
        return (measured[peer].seconds or 0.0) / (measured[ours].seconds or 1.0)

    def gflops(self, workload: str, name: str) -> float | None:
        """Return the arithmetic of a step's products over the time of the step, everything else in it included."""
        seconds = self.workloads[workload][name].seconds
        return WORKLOADS[workload].product_flops / seconds / 1e9 if seconds else None

    def as_json(self) -> dict[str, Any]:
        """Return numbers, lists, dicts and texts."""
        return {
            "machine": _machine(self.threads),
            "peak": {"core_gflops": max(self.core_gflops, default=None), "gflops": self.peak_gflops},
            "missing": self.missing,
            "imports": self.imports,
            "workloads": {name: self._workload(name) for name in self.workloads},
        }

    def _workload(self, name: str) -> dict[str, Any]:
        workload = WORKLOADS[name]
        return {
            "description": workload.description,
            "product_flops": workload.product_flops,
            "checked_steps": workload.checked,
            "lamina": self.lamina(name),
            "fastest_peer": self.fastest_peer(name),
            "fastest_peer_over_lamina": self.ratio(name),
            "contenders": {each: self._measured(name, each) for each in self.workloads[name]},
        }

    def _measured(self, workload: str, name: str) -> dict[str, Any]:
        measured, peak, rate = self.workloads[workload][name], self.peak_gflops, self.gflops(workload, name)
        inside = measured.product_gflops()
        return {
            "seconds": measured.seconds,
            "rounds": measured.rounds,
            "busy_processors": measured.busy,
            "first": vars(measured.first) if measured.first else None,
            "second": vars(measured.second) if measured.second else None,
            "gflops": rate,
            "fraction_of_peak": rate / peak if rate and peak else None,
            "fraction_of_peak_inside_products": inside / peak if inside and peak else None,
            "kernels": None if measured.kernels is None else [vars(kernel) for kernel in measured.kernels],
            "error": measured.error,
        }


def _machine(threads: int) -> dict[str, Any]:
    packages: dict[str, str | None] = {}
    for name in ("numpy", "llvmlite", "torch", "jax", "optax", "keras", "tinygrad", "scikit-learn"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "processor": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "packages": packages,
    }
