"""Tables, picture and JSON say what was found, and judge it by the targets."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.contender import Kernel
from benchmarks.report import report
from benchmarks.results import Measured, Results, Start
from benchmarks.targets import step_time_met, verdicts
from benchmarks.units import duration


def printed(results: Results) -> str:
    text = StringIO()
    report(results, Console(width=160, file=text))
    return text.getvalue()


def test_lamina_is_compared_with_the_fastest_peer(results: Results) -> None:
    results.workloads["xor"]["torch_fused"] = Measured(rounds=[1.0])
    assert results.lamina("xor") == "lamina_compiled"
    assert results.fastest_peer("xor") == "jax_jit"
    assert results.ratio("xor") == pytest.approx(12.0)


def test_eager_stands_for_lamina_where_nothing_is_compiled(results: Results) -> None:
    results.workloads["xor"]["lamina_compiled"] = Measured(error="no luck")
    assert results.lamina("xor") == "lamina_eager"
    assert results.ratio("xor") == pytest.approx(48 / 50)


@pytest.mark.parametrize(("seconds", "met"), [(4.8e-6, True), (4.9e-6, False)])
def test_step_time_is_judged_by_the_target(results: Results, seconds: float, met: bool) -> None:
    results.workloads["xor"]["lamina_compiled"].rounds = [seconds]
    assert step_time_met(results, "xor") is met


def test_without_a_peer_there_is_no_ratio_and_no_verdict(results: Results) -> None:
    del results.workloads["xor"]["jax_jit"]
    assert results.ratio("xor") is None
    assert step_time_met(results, "xor") is None
    ratios = next(line for line in printed(results).splitlines() if "fastest peer / Lamina" in line)
    assert ratios.split()[-2:] == ["-", "12.00"]


def test_a_missing_peer_is_named(results: Results) -> None:
    assert "missing: PyTorch eager (the package torch is not installed)" in printed(results)


def test_a_failure_is_named_with_its_reason(results: Results) -> None:
    results.workloads["xor"]["jax_jit"] = Measured(error="RuntimeError: [no] luck")
    assert "failed: JAX jit on xor: RuntimeError: [no] luck" in printed(results)


def test_starts_are_judged_by_jax_the_leanest_peer_and_the_first_call(results: Results) -> None:
    found = {each.target: each.met for each in verdicts(results) if each.workload == "xor"}
    assert found == {
        "second start at most 1/4 of the first call, without the step in it": True,
        "first call at most JAX's": True,
        "memory at most the leanest peer's": True,
    }


def test_memory_of_a_convolutional_network_is_judged_by_pytorch_s(results: Results) -> None:
    measured = results.workloads["cnn"] = dict(results.workloads["xor"])
    assert not [each for each in verdicts(results) if each.workload == "cnn" and "memory" in each.target]
    measured["torch_fused"] = Measured(rounds=[1.0], first=Start(1.0, 0.1, 1.0, 89 * 2**20))
    (verdict,) = [each for each in verdicts(results) if each.workload == "cnn" and "memory" in each.target]
    assert verdict.target == "memory at most PyTorch's"
    assert verdict.found == "90 MiB against 89 of PyTorch fused"
    assert not verdict.met


def test_fraction_inside_products_leaves_other_kernels_out(results: Results) -> None:
    ours = results.workloads["mnist"]["lamina_compiled"]
    ours.kernels = [Kernel("product", 1e-3, int(120e6)), Kernel("product", 1e-3, int(180e6)), Kernel("loops", 1.0, 0)]
    assert ours.product_gflops() == pytest.approx(150.0)
    (verdict,) = [each for each in verdicts(results) if "inside products" in each.target]
    assert verdict.met
    assert verdict.found == "75%"


def test_rate_is_the_arithmetic_of_products_over_the_whole_step(results: Results) -> None:
    assert results.gflops("mnist", "jax_jit") == pytest.approx(128_909_312 / 48e-4 / 1e9)
    assert results.peak_gflops == 200.0


def test_json_has_every_number_and_can_be_read_back(results: Results) -> None:
    found = json.loads(json.dumps(results.as_json(), allow_nan=False))
    assert set(found) == {"machine", "peak", "missing", "imports", "workloads"}
    assert found["missing"] == results.missing
    assert found["peak"] == {"core_gflops": 100.0, "gflops": 200.0}
    xor = found["workloads"]["xor"]
    assert xor["fastest_peer"] == "jax_jit"
    assert xor["fastest_peer_over_lamina"] == pytest.approx(12.0)
    jax = xor["contenders"]["jax_jit"]
    assert jax["seconds"] == 48e-6
    assert len(jax["rounds"]) == 3
    assert jax["first"] == {"first_call": 0.3, "step": 0.001, "process": 1.0, "memory": 240 * 2**20}
    assert found["workloads"]["mnist"]["product_flops"] == 128_909_312


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (4.123e-6, "4.12 µs"),
        (41.23e-6, "41.2 µs"),
        (999.4e-6, "999 µs"),
        (999.6e-6, "1.00 ms"),
        (0.2827, "283 ms"),
        (1.0, "1.00 s"),
        (15.234, "15.2 s"),
    ],
)
def test_times_have_three_digits_and_a_unit(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_picture_is_drawn(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks.picture import draw

    draw(results, tmp_path / "steps.png")
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")


def test_second_start_is_judged_without_the_step_in_it(results: Results) -> None:
    ours = results.workloads["mnist"]["lamina_compiled"]
    ours.first, ours.second = Start(0.7, 0.3, 1.0, 1), Start(0.39, 0.3, 1.0, 1)
    assert {each.met for each in verdicts(results) if each.workload == "mnist" and "second" in each.target} == {True}
    ours.second = Start(0.41, 0.3, 1.0, 1)
    assert {each.met for each in verdicts(results) if each.workload == "mnist" and "second" in each.target} == {False}
