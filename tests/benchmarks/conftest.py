"""The benchmark is no part of the installed package: it is imported from the root of the repository."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.results import Measured, Results, Start


@pytest.fixture
def results() -> Results:
    """Made-up findings: three contenders on two workloads, and one that is missing."""
    found = Results(threads=2, missing={"torch_eager": "the package torch is not installed"})
    for name, seconds in {"xor": 1.0, "mnist": 100.0}.items():
        found.workloads[name] = {
            "lamina_eager": _measured(50e-6 * seconds),
            "lamina_compiled": _measured(4e-6 * seconds, first=0.2, second=0.04, memory=90),
            "jax_jit": _measured(48e-6 * seconds, first=0.3, second=0.3, memory=240),
        }
    found.imports = {name: {"module": 0.1} for name in found.contenders()}
    found.core_gflops = [99.0, 100.0]
    return found


def _measured(seconds: float, first: float = 0.1, second: float = 0.1, memory: int = 200) -> Measured:
    return Measured(
        rounds=[seconds, 2.0 * seconds, 0.5 * seconds],
        busy=[1.0, 1.0, 1.0],
        first=Start(first, 0.001, 1.0, memory * 2**20),
        second=Start(second, 0.001, 1.0, memory * 2**20),
    )
