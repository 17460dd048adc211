"""A contender's process computes what the workload says, starts over when told, and survives errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lamina as la
from benchmarks.contender import Task
from benchmarks.worker import Runner
from benchmarks.workloads import WORKLOADS, Workload


@pytest.mark.parametrize("name", ["xor", "tabular", "mnist"])
def test_losses_are_those_of_the_first_weights_every_time(name: str) -> None:
    runner = Runner("lamina_eager", WORKLOADS[name])
    first = runner.losses(5)["losses"]
    assert first[-1] < first[0]
    assert runner.losses(5)["losses"] == first


def test_first_loss_is_numpy_s() -> None:
    workload = WORKLOADS["mnist"]
    x, labels = workload.data()
    arrays = [array for _, array in workload.arrays()]
    for layer, (weight, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True)):
        x = (np.maximum(x, 0.0) if layer else x) @ weight.T + bias
    logits = x.astype(np.float64)
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels])
    assert Runner("lamina_eager", workload).losses(1)["losses"] == [pytest.approx(expected, rel=1e-5)]


def test_peers_have_the_same_losses() -> None:
    pytest.importorskip("torch")
    workload = WORKLOADS["tabular"]
    ours, theirs = (Runner(name, workload).losses(20)["losses"] for name in ("lamina_eager", "torch_eager"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_an_error_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(_: Workload) -> Task:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("benchmarks.worker.load", lambda _: type("Broken", (), {"build": staticmethod(build)}))
    answer = Runner("broken", WORKLOADS["xor"]).answer({"do": "losses", "steps": 1})
    assert answer == {"error": "RuntimeError: no such luck"}


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("LAMINA_NUM_THREADS", "1")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path))
    before = la.get_num_threads()
    yield
    la.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_compiled_losses_are_the_eager_ones_and_can_start_over() -> None:
    workload = WORKLOADS["tabular"]
    compiled = Runner("lamina_compiled", workload)
    first = compiled.losses(20)["losses"]
    np.testing.assert_allclose(first, Runner("lamina_eager", workload).losses(20)["losses"], rtol=1e-4)
    assert compiled.losses(20)["losses"] == first


@pytest.mark.usefixtures("one_thread")
def test_arithmetic_of_the_compiled_step_is_that_of_the_workload() -> None:
    workload = WORKLOADS["mnist"]
    kernels = Runner("lamina_compiled", workload).kernels()["kernels"]
    assert sum(kernel["flops"] for kernel in kernels) == workload.product_flops
