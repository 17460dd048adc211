"""Graphs are drawn as what was computed: every value once, by name and shape, in the layer that computed it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lamina as la
from lamina import nn, optim
from lamina.backends.thread_state import STATE
from lamina.errors import DataError, DTypeError, TracingError
from lamina.visualize import graph_dot, graph_mermaid, graph_svg
from lamina.visualize.graph.layout import Box, laid_out
from lamina.visualize.graph.recording import Picture, graph_of

SVG = "{http://www.w3.org/2000/svg}"


def picture(what: Any, *inputs: Any, model: nn.Module | None = None) -> Picture:
    return graph_of("graph", what, inputs, model)


def described(what: Any, *inputs: Any, model: nn.Module | None = None) -> list[tuple[str, str, str]]:
    return [(each.kind, each.name, each.spec) for each in picture(what, *inputs, model=model).vertices]


# --- what is in a graph ---


def test_a_tensor_shows_what_gradients_flow_through() -> None:
    w, b = la.variable(la.ones((2, 3)), name="w"), la.variable(la.zeros(2), name="b")
    assert described((la.ones((4, 3)) @ w.T + b).sum()) == [
        ("variable", "w", "float32[2, 3]"),
        ("operation", "permute_dims", "float32[3, 2]"),
        ("constant", "constant", "float32[4, 3]"),
        ("operation", "matmul", "float32[4, 2]"),
        ("variable", "b", "float32[2]"),
        ("operation", "add", "float32[4, 2]"),
        ("operation", "sum axes (0, 1)", "float32[]"),
        ("output", "output", "float32[]"),
    ]


def test_a_function_shows_what_has_no_gradient_too() -> None:
    assert [name for _, name, _ in described(lambda x: la.argmax(x * 2.0, axis=1), la.ones((2, 3)))] == [
        "x", "multiply 2", "argmax axis 1", "output",
    ]  # fmt: skip


def test_arguments_have_the_names_of_the_function() -> None:
    def distance(here: Any, there: Any) -> Any:
        return la.sqrt(((here - there) ** 2).sum())

    names = [name for kind, name, _ in described(distance, la.ones(3), np.ones(3, np.float32)) if kind == "input"]
    assert names == ["here", "there"]


def test_one_tensor_given_twice_is_two_arguments() -> None:
    x = la.ones(3)
    vertices = picture(lambda a, b: a - b, x, x).vertices
    subtract = next(each for each in vertices if each.name == "subtract")
    assert [each.name for each in subtract.operands] == ["a", "b"]


def test_variables_have_their_names_in_the_model_and_lie_in_the_layer_that_uses_them() -> None:
    model = nn.MLP(2, 3, 1)
    found = {each.name: each for each in picture(model, la.ones((1, 2))).vertices if each.kind == "variable"}
    assert list(found) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    labels = [each.label for each in found["2.weight"].group.outwards()]  # type: ignore[union-attr]
    assert labels == ["2 Linear", "MLP"]


def test_a_tensor_takes_names_from_a_model_that_is_given() -> None:
    model = nn.MLP(2, 3, 1)
    loss = model(la.ones((1, 2))).sum()
    assert {name for kind, name, _ in described(loss, model=model) if kind == "variable"} == {
        name for name, _ in model.named_parameters()
    }
    assert {name for kind, name, _ in described(loss) if kind == "variable"} == {"weight", "bias"}


def test_buffers_are_variables_of_the_model() -> None:
    class Shift(nn.Module):
        def __init__(self) -> None:
            self.mean = la.variable([1.0, 2.0], trainable=False)

        def __call__(self, x: Any) -> Any:
            return x - self.mean.value

    assert ("variable", "mean", "float32[2]") in described(Shift(), la.ones(2))


def test_a_layer_that_is_called_twice_has_a_box_for_each_call_and_its_weights_outside() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(2, 2)

        def __call__(self, x: Any) -> Any:
            return self.inner(self.inner(x))

    found = picture(Twice(), la.ones((1, 2)))
    assert [each.label for each in found.groups()] == ["Twice", "inner Linear", "inner Linear"]
    weight = next(each for each in found.vertices if each.name == "inner.weight")
    assert weight.group is not None
    assert weight.group.label == "Twice"


def test_a_reverse_sweep_has_a_box_of_its_own() -> None:
    found = picture(la.grad(lambda x: (x * x).sum()), la.ones(3))
    assert [each.label for each in found.groups()] == ["backward"]


def test_a_compiled_function_is_one_vertex() -> None:
    scaled = la.compile(lambda x: (x * 2.0).relu())
    kinds = [(kind, name) for kind, name, _ in described(lambda x: scaled(x).sum(), la.ones(3))]
    assert kinds == [
        ("input", "x"),
        ("compiled", "<lambda>, compiled"),
        ("operation", "sum axis 0"),
        ("output", "output"),
    ]


def test_results_in_lists_and_dicts_are_outputs_and_what_they_do_not_need_is_left_out() -> None:
    def several(x: Any) -> Any:
        la.exp(x)
        return {"a": x + 1.0, "b": [x * 2.0, x]}

    found = described(several, la.ones(2))
    assert [name for kind, name, _ in found if kind == "output"] == ["output 0", "output 1", "output 2"]
    assert not any(name == "exp" for _, name, _ in found)


def test_a_whole_training_step_is_drawn() -> None:
    model = nn.MLP(2, 3, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Any, y: Any) -> Any:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        return loss, model[0].weight.value

    before = model[0].weight.numpy()
    names = [each.label for each in picture(step, la.ones((4, 2)), la.zeros((4, 1))).groups()]
    assert {"MLP", "backward", "SGD"} <= set(names)
    assert not np.array_equal(before, model[0].weight.numpy())


def test_nothing_watches_afterwards_even_if_the_function_fails() -> None:
    with pytest.raises(ZeroDivisionError):
        graph_svg(lambda x: 1 / 0, la.ones(2))
    assert STATE.watch is None
    assert STATE.run is STATE.silent


# --- what is refused ---


@pytest.mark.parametrize("draw", [graph_mermaid, graph_dot, graph_svg])
def test_what_cannot_be_drawn_is_said(draw: Callable[..., str]) -> None:
    with pytest.raises(TracingError, match=f"{draw.__name__}: this tensor has no recorded graph"):
        draw(la.ones(2))
    with pytest.raises(DTypeError, match="example inputs go with a function"):
        draw(la.variable([1.0]) * 2.0, la.ones(2))
    with pytest.raises(DTypeError, match="expected a Tensor, a model or a function, got int"):
        draw(3)
    with pytest.raises(DataError, match="returned no tensor"):
        draw(lambda x: 3, la.ones(2))

    @la.compile
    def inside(x: Any) -> Any:
        draw(lambda y: y, la.ones(2))
        return x

    with pytest.raises(TracingError, match="inside of a compiled function"):
        inside(la.ones(2))


# --- the languages ---


NASTY = 'a "quoted" <b> & \\ back`tick`; {x} #1 \n line'


def nasty(x: Any) -> Any:
    w = la.variable([1.0, 2.0], name=NASTY)
    return x * w


def test_every_vertex_and_edge_is_in_every_language() -> None:
    model, x = nn.MLP(2, [3, 3], 1, activation="gelu"), la.ones((4, 2))
    found = picture(model, x)
    edges = {(operand.number, each.number) for each in found.vertices for operand in each.operands}
    mermaid, dot = graph_mermaid(model, x), graph_dot(model, x)
    assert {(int(a), int(b)) for a, b in re.findall(r"v(\d+) --> v(\d+)$", mermaid, re.M)} == edges
    assert {(int(a), int(b)) for a, b in re.findall(r"v(\d+) -> v(\d+);$", dot, re.M)} == edges
    assert len(re.findall(r"^\s*v\d+\[", mermaid, re.M)) == len(found.vertices)
    assert len(re.findall(r"^\s*v\d+ \[", dot, re.M)) == len(found.vertices)
    assert mermaid.count("subgraph") == dot.count("subgraph") == len(found.groups())
    root = ET.fromstring(graph_svg(model, x))
    assert len(root.findall(f".//{SVG}path[@marker-end]")) == len(edges)
    assert len(root.findall(f"{SVG}rect")) == 1 + len(found.groups()) + len(found.vertices)


def test_names_cannot_break_out_of_their_quotes() -> None:
    mermaid = next(line for line in graph_mermaid(nasty, la.ones(2)).splitlines() if ":::variable" in line)
    assert mermaid.count('"') == 2
    assert "<b>" not in mermaid
    dot = next(line for line in graph_dot(nasty, la.ones(2)).splitlines() if "quoted" in line)
    assert re.fullmatch(r'\s*v\d+ \[label="(?:[^"\\]|\\.)*", fillcolor="#\w+", color="#\w+"\];', dot)
    texts = [each.text for each in ET.fromstring(graph_svg(nasty, la.ones(2))).iter(f"{SVG}text")]
    assert NASTY.replace("\n", "\N{REPLACEMENT CHARACTER}") in texts


# --- the layout ---


def boxes(box: Box, x: float = 0.0, y: float = 0.0) -> list[tuple[Box, list[tuple[float, float, float, float]]]]:
    """Return each box with the places of what is in it."""
    here, found = [], []
    for item in box.items:
        left, top = x + item.x - item.width / 2, y + item.y
        if item.vertex is not None or item.inside is not None:
            here.append((left, top, left + item.width, top + item.height))
        if item.inside is not None:
            found += boxes(item.inside, left, top)
    return [(box, here), *found]


@st.composite
def programs(draw: st.DrawFn) -> Callable[[Any], Any]:
    """Random functions of one tensor: each step combines two of the values before, some inside layers."""
    steps = draw(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 3)), min_size=1, max_size=25)
    )
    layers = [nn.Linear(2, 2), nn.Tanh(), nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.GELU(), nn.ReLU()))]

    def program(x: Any) -> Any:
        values = [x]
        for first, second, which in steps:
            value = values[first % len(values)] + values[second % len(values)]
            values.append(value if which == 3 else layers[which](value))
        return values[-1], values[len(values) // 2]

    return program


@given(programs())
def test_nothing_overlaps_and_everything_flows_downwards(program: Callable[[Any], Any]) -> None:
    found = picture(program, la.ones((1, 2)))
    for box, places in boxes(laid_out(found)):
        for at, (left, top, right, bottom) in enumerate(places):
            for other in places[at + 1 :]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        for item in box.items:
            assert item.x - item.width / 2 >= 0.0
            assert item.x + item.width / 2 <= box.width + 1e-6
            assert item.y >= 0.0
            assert item.y + item.height <= box.height + 1e-6
        for line in box.lines:
            stops = [line.start, *line.way, line.end]
            assert [each.rank for each in stops] == list(range(line.start.rank, line.end.rank + 1))
    ET.fromstring(graph_svg(program, la.ones((1, 2))))


def test_a_deep_graph_does_not_recurse() -> None:
    def long(x: Any) -> Any:
        for _ in range(400):
            x = x.tanh()
        return x

    assert graph_svg(long, la.ones(1)).count("<path") == 1 + 401
