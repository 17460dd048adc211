"""A child that is forked while another thread loads or compiles something is not left with half of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SCRIPT = """
import importlib.abc, os, signal, sys, threading, time
import lamina as la

started = threading.Event()

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r} and not started.is_set():
            started.set()
            time.sleep(0.3)
        return None

sys.meta_path.insert(0, Slow())
def first():
    compiled = la.compile(lambda x: x * 2.0 + 1.0)
    assert compiled(la.ones(3)).tolist() == [3.0] * 3

thread = threading.Thread(target=first)
thread.start()
assert started.wait(60)
child = os.fork()
if not child:
    signal.alarm(20)
    first()
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MODULES = (
    "lamina.compiler",
    "lamina.compiler.building",
    "lamina.compiler.lowering",
    "lamina.compiler.runtime.machine_code",
)


@pytest.mark.parametrize("module", MODULES)
def test_a_child_forked_while_a_thread_imports_the_compiler_can_compile(module: str, tmp_path: Path) -> None:
    environment = {**os.environ, "LAMINA_CACHE_DIR": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(module=module)], env=environment, timeout=120, check=False
    )
    assert found.returncode == 0
