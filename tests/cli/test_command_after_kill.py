"""`lamina train`, killed at any moment and resumed, leaves the folder of a run that was never killed."""

import json
import os
import random
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="processes end otherwise")]

ASKED = "train wine --epochs 300 --dropout 0.2 --schedule cosine --ema 0.9 --patience 250 --checkpoint-seconds 0.01"


def lamina(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "lamina", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def finished(process):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output


def left(folder):
    """Return what is in a run folder, but for how long it took."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    results = json.loads((folder / "results.json").read_text())
    for values in (*lines, results):
        del values["seconds"]
    return {
        "weights": (folder / "weights.safetensors").read_bytes(),
        "answers": (folder / "answers.safetensors").read_bytes(),
        "metrics": lines,
        "results": results,
    }


def newest(folder):
    return max((path.name for path in (folder / "checkpoints").glob("epoch-*.safetensors")), default="")


@pytest.mark.parametrize("compiled", ["auto", "never"])
def test_a_run_killed_twenty_five_times_leaves_the_same_folder(compiled, tmp_path):
    asked = [*ASKED.split(), "--compile", compiled]
    finished(lamina(*asked, "--out", tmp_path / "never"))
    wanted, moments, kills, runs = left(tmp_path / "never"), random.Random(3), 0, 0
    while kills < 25:
        folder = tmp_path / f"run-{runs}"
        runs += 1
        arguments = [*asked, "--out", folder]
        while True:
            process, before = lamina(*arguments), newest(folder)
            began = time.monotonic()
            while process.poll() is None and newest(folder) == before and time.monotonic() - began < 3.0:
                time.sleep(0.002)
            # Long enough for moments at which the results and the picture are made as well.
            time.sleep(moments.uniform(0.0, 0.4))
            ended = process.poll() is not None
            process.kill()
            process.communicate()
            kills += not ended
            if (folder / "config.json").exists():
                arguments = ["train", "--resume", folder]
            if ended or kills == 25:
                break
        finished(lamina(*arguments))
        assert left(folder) == wanted
