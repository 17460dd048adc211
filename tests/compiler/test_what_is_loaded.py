"""What importing Lamina, a first call and a second start load: each module is time that somebody waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CALL = """
import lamina as la
from lamina import nn
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
la.compile(model)(la.ones((1, 3)))
"""
SLOW = {"hashlib", "json", "pathlib", "random", "secrets", "signal", "urllib", "llvmlite", "numpy.random"}
"""What takes a millisecond or more."""
OTHER_OPERATIONS = {
    f"lamina.compiler.codegen.{each}"
    for each in (
        *("convolution", "convolutions", "mathematics.exponential", "mathematics.logarithm", "mathematics.power"),
        *("mathematics.trigonometric", "mathematics.error_function", "special.argmax", "special.gather"),
        *("special.lines", "special.philox", "special.scatter", "special.searching", "special.sorting"),
    )
}
CODE_GENERATOR = ("lowering", "schedule", "graph.passes", "codegen.matmul", "codegen.special", "runtime.machine_code")


def loaded(program: str, cache: Path) -> set[str]:
    """Return the modules that a new process has at the end of a program, and did not have after importing NumPy."""
    environment = {**os.environ, "LAMINA_CACHE_DIR": str(cache), "LAMINA_CACHE": "1"}
    program = f"import sys, numpy\nbefore = set(sys.modules)\n{program}\nprint(*set(sys.modules) - before)"
    command = [sys.executable, "-W", "ignore", "-c", program]
    return set(
        subprocess.run(command, env=environment, timeout=120, capture_output=True, check=True).stdout.decode().split()
    )


def test_importing_lamina_loads_nothing_slow_and_no_compiler(tmp_path: Path) -> None:
    found = loaded("import lamina", tmp_path)
    assert not found & SLOW
    assert not {each for each in found if each.startswith(("lamina.compiler", "lamina.nn", "lamina.optim"))}


def test_a_first_call_loads_the_code_of_its_own_operations(tmp_path: Path) -> None:
    found = loaded(CALL, tmp_path)
    assert not found & (SLOW - {"hashlib", "json", "signal"})
    assert not found & OTHER_OPERATIONS
    assert not {each for each in found if each.startswith("lamina.compiler.inspection")}
    assert "lamina.compiler.codegen.products" in found


@pytest.mark.parametrize("part", CODE_GENERATOR)
def test_a_second_start_loads_no_code_generator(part: str, second_start: set[str]) -> None:
    assert not {each for each in second_start if each.startswith(f"lamina.compiler.{part}")}


@pytest.fixture(scope="module")
def second_start(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What a process loads that finds its program in the cache."""
    cache = tmp_path_factory.mktemp("cache")
    loaded(CALL, cache)
    return loaded(CALL, cache)
