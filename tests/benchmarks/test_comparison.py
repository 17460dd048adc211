"""Unlike things are not compared, and what cannot run is named."""

from __future__ import annotations

import math

import pytest

from benchmarks.__main__ import parser, plan_of
from benchmarks.comparison import DisagreementError, Plan, check_losses, compare
from benchmarks.contender import NAMES, Contender, load
from benchmarks.processes import THREAD_VARIABLES, environment
from benchmarks.workloads import WORKLOADS


def test_equal_losses_pass_to_rounding() -> None:
    check_losses(WORKLOADS["xor"], {"ours": [0.5, 0.25], "theirs": [0.50001, 0.25001]})


@pytest.mark.parametrize(
    "theirs", [[0.5, 0.26], [0.5, -0.25], [0.5, math.nan], [0.5, math.inf], [0.5], [0.5, 0.25, 0.1]]
)
def test_unlike_losses_are_refused(theirs: list[float]) -> None:
    with pytest.raises(DisagreementError, match="xor"):
        check_losses(WORKLOADS["xor"], {"ours": [0.5, 0.25], "theirs": theirs})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_losses_that_are_not_finite_are_refused_even_from_all(value: float) -> None:
    with pytest.raises(DisagreementError):
        check_losses(WORKLOADS["xor"], {"ours": [value], "theirs": [value]})


@pytest.mark.parametrize("name", NAMES)
def test_every_contender_is_described(name: str) -> None:
    contender = load(name)
    assert contender.label
    assert contender.imports
    assert contender.ours == name.startswith("lamina")
    assert any(contender.runs(workload) for workload in WORKLOADS.values())


def test_a_contender_without_its_package_is_missing_by_name() -> None:
    contender = Contender("Nobody", ("no_such_package.part",), load("lamina_eager").build)
    assert contender.missing() == "the package no_such_package.part is not installed"


def test_a_missing_peer_is_reported_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Contender("Nobody", ("no_such_package",), load("lamina_eager").build)
    others = {"jax_jit": absent, "lamina_eager": load("lamina_eager")}
    monkeypatch.setattr("benchmarks.comparison.load", others.__getitem__)
    said: list[str] = []
    plan = Plan(("xor",), ("lamina_eager", "jax_jit"), rounds=1, seconds=0.0, starts=0, threads=1)
    found = compare(plan, said.append)
    assert found.missing == {"jax_jit": "the package no_such_package is not installed"}
    assert any("jax_jit" in line for line in said)
    assert list(found.workloads["xor"]) == ["lamina_eager"]
    assert found.workloads["xor"]["lamina_eager"].rounds


def test_every_framework_gets_the_same_number_of_threads(tmp_path: pytest.TempPathFactory) -> None:
    variables = environment(3, tmp_path)
    assert {variables[name] for name in THREAD_VARIABLES} == {"3"}


def test_quick_leaves_out_what_is_slow_unless_it_is_asked_for() -> None:
    quick = plan_of(parser().parse_args(["--quick"]))
    assert quick.workloads == ("xor", "tabular", "mnist", "inference")
    assert "torch_compile" not in quick.contenders
    assert quick.starts == 0
    asked = plan_of(parser().parse_args(["--quick", "--workload", "wide", "--contender", "torch_compile"]))
    assert asked.workloads == ("wide",)
    assert asked.contenders == ("torch_compile",)
