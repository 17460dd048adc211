"""Processes of their own for contenders: the same threads for each, and caches that nobody else has filled."""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",  # PyTorch
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",  # NumPy, under eager Lamina
    "LAMINA_NUM_THREADS",
    "NPROC",  # JAX: XLA makes its pool of threads so large; it has no option for it
    "NUM_CPU_THREADS",  # tinygrad
)


_LEFT_OUT = (
    "JAX_COMPILATION_CACHE_DIR",
    "LAMINA_CACHE",
    "LAMINA_CACHE_SIZE",
    "PYTHONDONTWRITEBYTECODE",  # what is installed has been compiled to bytecode by its installer
)


def as_installed() -> None:
    """Compile Lamina to bytecode, as an installer does: a checkout may never have been imported."""
    found = importlib.util.find_spec("lamina")
    for folder in (found and found.submodule_search_locations) or ():
        compileall.compile_dir(folder, quiet=2)


def environment(threads: int, caches: Path) -> dict[str, str]:
    """Return the variables of a contender's process: its number of threads, and where compiled code is kept.

    Where code is kept by default (Lamina, torch.compile, tinygrad) it is kept, in an own folder; JAX keeps none.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    return {
        **kept,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "LAMINA_CACHE_DIR": str(caches / "lamina"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
        "CACHEDB": str(caches / "tinygrad.db"),
        "KERAS_HOME": str(caches / "keras"),
        "KERAS_BACKEND": "jax",
    }


class Server:
    """A process that answers requests, one JSON object a line."""

    def __init__(self, module: str, *arguments: str, variables: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
            cwd=ROOT,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send one request and wait for its reply; a process that has died answers with ``error``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            return {"error": f"its process ended with status {self.process.wait()}"}
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
