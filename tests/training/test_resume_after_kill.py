"""A training that is killed, at any moment and again and again, ends with the bits of one that never stopped."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes end otherwise")

PROGRAM = Path(__file__).parent / "killed.py"


def started(folder, result, compiled):
    arguments = [sys.executable, str(PROGRAM), str(folder), str(result), str(compiled)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def killed_again_and_again(folder, result, compiled, kills, moments):
    """Kill a training at random moments after it has begun to write, let it end, and return when it was killed."""
    times = []
    while len(times) < kills:
        process = started(folder, result, compiled)
        before = newest(folder)
        # Loading takes its time; what is to be killed is the training.
        while process.poll() is None and newest(folder) == before:
            time.sleep(0.001)
        wait = moments.uniform(0.0, 0.12)
        time.sleep(wait)
        if process.poll() is not None:
            finished(process)
            break
        process.kill()
        process.communicate()
        times.append((newest(folder), round(wait, 4)))
    finished(started(folder, result, compiled))
    return times


def newest(folder):
    return max((path.name for path in folder.glob("epoch-*.safetensors")), default="") if folder.is_dir() else ""


def arrays(path):
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def assert_killed_training_ends_the_same(tmp_path, compiled, kills, seed):
    """Kill trainings until there were so many kills, each training as often as it lives."""
    finished(started(tmp_path / "never", tmp_path / "wanted.npz", compiled))
    wanted = arrays(tmp_path / "wanted.npz")
    moments, done = random.Random(seed), 0
    while done < kills:
        folder, result = tmp_path / f"killed-{done}", tmp_path / f"killed-{done}.npz"
        times = killed_again_and_again(folder, result, compiled, kills - done, moments)
        assert times, "it was never alive"
        done += len(times)
        found = arrays(result)
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert found[name].tobytes() == wanted[name].tobytes(), (name, times)
        assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_killed_training_ends_with_the_same_bits(compiled, tmp_path):
    assert_killed_training_ends_the_same(tmp_path, compiled, kills=2, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_killed_fifty_times_ends_with_the_same_bits(compiled, tmp_path):
    assert_killed_training_ends_the_same(tmp_path, compiled, kills=50, seed=1)
