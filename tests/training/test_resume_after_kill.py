"""A training that is killed, at any moment and again and again, ends with the bits of one that never stopped."""

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lamina.training import bulk

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes end otherwise")

PROGRAM = Path(__file__).parent / "killed.py"
specification = importlib.util.spec_from_file_location("killed", PROGRAM)
killed = importlib.util.module_from_spec(specification)
specification.loader.exec_module(killed)


@pytest.fixture(autouse=True)
def calls_as_they_were(monkeypatch):
    """What the program sets for its own process is not for the other tests."""
    monkeypatch.setattr(bulk, "CALL_SECONDS", bulk.CALL_SECONDS)


def run_here(folder, compiled):
    """Train on, in this process, and return everything that must come out the same."""
    result = folder.with_suffix(".npz")
    killed.main(folder, result, compiled)
    with np.load(result) as found:
        return {name: found[name].tobytes() for name in found.files}


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    """Return what a training that is never killed leaves, trained once for each way of running."""
    return cache(lambda compiled: run_here(tmp_path_factory.mktemp("never") / "run", compiled))


def started(folder, compiled, code=f"import runpy; runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"):
    arguments = [sys.executable, "-c", code, str(folder), str(folder.with_suffix(".npz")), str(compiled)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def newest(folder):
    return max((path.name for path in folder.glob("epoch-*.safetensors")), default="") if folder.is_dir() else ""


# --- at random moments ---


def killed_again_and_again(folder, compiled, kills, moments):
    """Kill a training at random moments after it has begun to write, until it has ended or was killed so often."""
    times = []
    while len(times) < kills:
        process, before = started(folder, compiled), newest(folder)
        # Loading takes its time; what is to be killed is the training.
        while process.poll() is None and newest(folder) == before:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.12))
        if process.poll() is not None:
            output, _ = process.communicate()
            assert process.returncode == 0, output
            break
        process.kill()
        process.communicate()
        times.append(newest(folder))
    return times


def assert_killed_training_ends_the_same(tmp_path, wanted, compiled, kills, seed):
    """Kill trainings until there were so many kills, each training as often as it lives."""
    moments, done = random.Random(seed), 0
    while done < kills:
        folder = tmp_path / f"killed-{done}"
        times = killed_again_and_again(folder, compiled, kills - done, moments)
        assert times, "it was never alive"
        done += len(times)
        assert run_here(folder, compiled) == wanted, times
        assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_killed_training_ends_with_the_same_bits(compiled, tmp_path, never_killed):
    assert_killed_training_ends_the_same(tmp_path, never_killed(compiled), compiled, kills=2, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_killed_fifty_times_ends_with_the_same_bits(compiled, tmp_path, never_killed):
    assert_killed_training_ends_the_same(tmp_path, never_killed(compiled), compiled, kills=50, seed=1)


# --- at every moment of writing ---

KILLED_IN = """
import io, os, runpy, signal, sys
count = 0
def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
def third(function, action):
    def called(*arguments, **options):
        global count
        count += 1
        return action(*arguments, **options) if count == 3 else function(*arguments, **options)
    return called
"""
MOMENTS = {
    "a new file": "os.open = third(os.open, lambda *given: (os_open(*given), die()))",
    "a half": "os.fsync = third(os.fsync, lambda number: (os.ftruncate(number, 999), die()))",
    "all but the disk": "os.fsync = third(os.fsync, die)",
    "before the name": "os.replace = third(os.replace, die)",
    "after the name": "os.replace = third(os.replace, lambda *given: (os_replace(*given), die()))",
    "before the oldest goes": "pathlib.Path.unlink = third(pathlib.Path.unlink, die)",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_while_it_writes_goes_on(moment, tmp_path, never_killed):
    code = (
        f"{KILLED_IN}\nimport pathlib\nos_open, os_replace = os.open, os.replace\n{MOMENTS[moment]}\n"
        f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
    )
    process = started(tmp_path / "killed", False, code)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, output
    assert run_here(tmp_path / "killed", False) == never_killed(False)
