"""What tracing says to functions that it cannot compile, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.compiler.graph.ir import Graph

VALUES_NEEDED: dict[str, tuple[Callable[[la.Tensor], Any], str]] = {
    "if": (lambda x: 1 if (x > 0).all() else 2, "la.where"),
    "int": (lambda x: int(x.sum()), "outside"),
    "float": (lambda x: float(x.sum()), "outside"),
    "item": (lambda x: x.sum().item(), "outside"),
    "numpy": (lambda x: x.numpy(), "outside"),
    "array": (lambda x: np.asarray(x), "outside"),
    "tolist": (lambda x: x.tolist(), "outside"),
    "range": (lambda x: range(x.sum().astype(la.int64)), "Python number"),
    "nonzero": (lambda x: la.nonzero(x), "la.where"),
    "mask": (lambda x: x[x > 0], "la.where"),
    "unique": (lambda x: la.unique_values(x), "outside"),
    "in": (lambda x: 1.0 in x, "la.where"),
    "format": (lambda x: f"{x.sum():.3f}", "outside"),
    "dlpack": (lambda x: np.from_dlpack(x), "outside"),
}


@pytest.mark.parametrize("name", VALUES_NEEDED)
def test_what_needs_values_names_the_line_and_the_remedy(name: str) -> None:
    function, remedy = VALUES_NEEDED[name]
    with pytest.raises(la.TracingError) as caught:
        la.compile(function)(la.asarray([1.0, 2.0]))
    message = str(caught.value)
    assert remedy in message
    line = function.__code__.co_firstlineno
    assert f"{__file__}, line {line}: " in message


@pytest.mark.parametrize("read", [lambda w: w.item(), lambda w: bool(w), lambda w: w.numpy(), lambda w: la.nonzero(w)])
def test_the_value_of_a_variable_is_not_known_while_tracing(read: Callable[[la.Variable], Any]) -> None:
    w = la.variable([1.0] if "nonzero" in read.__code__.co_names else 1.0)
    read(w)
    with pytest.raises(la.TracingError):
        la.compile(lambda: read(w))()


def test_traced_tensors_can_be_printed() -> None:
    w, seen = la.variable([1.0, 2.0], name="w"), []
    la.compile(lambda x: seen.append(f"{x!r} {x} {w!r}"))(la.zeros((2, 3)))
    traced = "Tensor(traced, shape=[2, 3], dtype=float32)"
    assert seen == [f"{traced} {traced} Variable('w', traced, shape=[2], dtype=float32)"]


def test_a_traced_tensor_that_escapes_says_so() -> None:
    kept: list[la.Tensor] = []
    la.compile(lambda x: kept.append(x * 2))(la.ones(2))
    for use in (lambda x: x + 1, lambda x: x.numpy(), lambda x: x * la.ones(2), lambda x: la.ones(2) * x):
        with pytest.raises(la.TracingError, match="return what you need"):
            use(kept[0])
    with pytest.raises(la.TracingError, match="return what you need"):
        la.compile(lambda x: x + kept[0])(la.ones(2))
    with pytest.raises(la.TracingError, match="return what you need"):
        la.variable([1.0, 2.0]).assign(kept[0])
    assert "traced" in repr(kept[0])


def test_variables_that_outlive_the_trace_are_refused() -> None:
    w, made = la.variable([1.0, 2.0]), {}

    @la.compile
    def step() -> None:
        if "optimizer" not in made:
            made["optimizer"] = optim.Adam([w])
        made["optimizer"].step((w**2).sum().backward())

    with pytest.raises(la.TracingError, match="before the first call"):
        step()
    assert w.tolist() == [1.0, 2.0]
    with pytest.raises(la.TracingError, match="variable that it made"):
        la.compile(lambda: la.variable([1.0]))()


def test_what_runs_after_the_trace_is_refused() -> None:
    async def later(x: la.Tensor) -> la.Tensor:
        return x

    for function in (lambda x: (each for each in [x]), later, lambda x: [map(abs, [x])]):
        with pytest.raises(la.TracingError, match="runs only after the trace"):
            la.compile(function)(la.asarray(1.0))


def test_other_devices_are_refused() -> None:
    pytest.importorskip("array_api_strict")
    x = la.ones(2, device="strict")
    w = la.variable([1.0, 2.0], device="strict")
    for function, arguments in ((lambda x: x * 2, (x,)), (lambda: w * 2, ()), (lambda y: y * x, (la.ones(2),))):
        with pytest.raises(la.BackendError, match="cpu"):
            la.compile(function)(*arguments)


def test_to_the_same_device_is_nothing_to_trace() -> None:
    assert la.compile(lambda x: x.to(x.device) * 2)(la.ones(2)).tolist() == [2.0, 2.0]


def test_a_variable_is_not_moved_while_tracing() -> None:
    pytest.importorskip("array_api_strict")
    model = nn.Linear(2, 2)
    with pytest.raises(la.TracingError, match="before or after"):
        la.compile(lambda: model.to("strict"))()
    assert model.weight.device == "cpu"


def test_constants_are_computed_while_tracing() -> None:
    @la.compile
    def f(x: la.Tensor) -> la.Tensor:
        scale = la.asarray([1.0, 4.0]).sum()
        return x * 2 if scale > 3 else x

    assert f(la.ones(2)).tolist() == [2.0, 2.0]
    assert [value.op for value in graph_of(f).values()] == ["input", "full", "multiply"]


def test_optimisers_keep_no_tensors_of_the_trace() -> None:
    w = la.variable([1.0, 2.0])
    optimizer = optim.Adam([w])
    step = la.compile(lambda: optimizer.step((w**2).sum().backward()))
    step()
    assert all(backend.has_values for backend, _ in optimizer.param_groups[0].kept)
    optimizer.step((w**2).sum().backward())


def test_equal_counters_of_an_optimiser_are_one_input() -> None:
    model = nn.MLP(3, [4, 4], 2)
    optimizer = optim.Adam(model.parameters())
    step = la.compile(lambda x: optimizer.step((model(x) ** 2).sum().backward()))
    for _ in range(3):
        step(la.ones((2, 3)))
    graph = graph_of(step)
    # The argument, six parameters with two moments each, one count and the learning rate.
    assert len(graph.inputs) == 1 + 6 * 3 + 1 + 1
    assert len(step._traces) == 1


def test_what_is_not_a_function_is_refused() -> None:
    with pytest.raises(la.DTypeError, match="expected a function"):
        la.compile(3)  # type: ignore[call-overload]


def graph_of(function: Any) -> Graph:
    (specialisation,) = function._traces.values()
    graph: Graph = specialisation.trace.graph
    return graph
