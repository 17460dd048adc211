"""`checkpoint` in a compiled program: the same numbers as eagerly, in less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.autodiff.trees import leaves
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.lowering import Lowered, lower
from lamina.compiler.runtime.processor import host
from lamina.compiler.tracing.trace import trace
from lamina.errors import SubscriptError

Wrap = Callable[[Any], Any]


def array(*shape: int, seed: int = 0) -> la.Tensor:
    return la.asarray(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def lowered(step: Callable[[], Any], threads: int = 2) -> Lowered:
    return lower(simplify(trace(lambda tracer: step(), True, loops=True).graph), host(), threads)


def block(width: int) -> nn.Module:
    return nn.Sequential(*(each for _ in range(4) for each in (nn.Linear(width, width), nn.Tanh())))


def training_step(depth: int, wrap: Wrap, width: int = 64, rows: int = 128) -> Callable[[], Any]:
    blocks = [block(width) for _ in range(depth)]
    optimizer = la.optim.Adam([w for each in blocks for w in each.parameters()])
    x = array(rows, width).astype("float32")

    def step() -> Any:
        h = x
        for each in blocks:
            h = wrap(each)(h)
        loss = (h * h).mean()
        optimizer.step(loss.backward())
        return loss

    return step


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_is_that_of_the_borders_and_one_part(threads: int) -> None:
    size = 128 * 64 * 4
    short, long = (lowered(training_step(depth, la.checkpoint), threads).layout.arena for depth in (4, 12))
    # A border for each further part, where there were eight intermediate results and as many cotangents.
    assert long - short <= 8 * size * 1.1
    assert long < 0.4 * lowered(training_step(12, lambda f: f), threads).layout.arena


def test_each_part_is_computed_twice() -> None:
    def products(wrap: Wrap) -> int:
        return sum(value.op == "matmul" for value in lowered(training_step(3, wrap)).schedule.fused.graph.values())

    assert products(la.checkpoint) == products(lambda f: f) + 3 * 4


def test_a_part_of_the_second_run_is_the_code_of_the_first() -> None:
    """Kernels that differ only in when they run share one function."""

    def functions(depth: int) -> int:
        return lowered(training_step(depth, la.checkpoint)).ir.count("\ndefine ")

    assert functions(8) == functions(6)


X = array(3, 4)
W, V = la.variable(array(4, 4, seed=1)), la.variable(array(4, 4, seed=2))
TABLE = la.variable(array(5, 4, seed=3))
ROWS = la.asarray([0, 4, 4])
DROP = nn.Dropout(0.5)
NORM = nn.BatchNorm1d(4, dtype="float64")


def captured(x: Any) -> Any:
    inner = x @ W
    return la.checkpoint(lambda: (inner.sin() @ V).exp().sum())()


def nested(x: Any) -> Any:
    inner = la.checkpoint(lambda x: (x @ V).sin())
    return la.checkpoint(lambda x: inner(inner(x) * x) @ W)(x).sum()


def residual(x: Any) -> Any:
    part = la.checkpoint(lambda x, w: (x @ w).tanh().exp())
    for _ in range(3):
        x = x + part(x, W) * 0.1
    return (x * x).sum()


def looped(x: Any) -> Any:
    loop = la.checkpoint(lambda h, xs: la.scan(lambda h, x: ((h @ W * 0.3 + x).tanh(), h), h, xs))
    h, ys = loop(x[0], la.broadcast_to(x[1], (6, 4)))
    again, _ = loop(h, ys)
    return (again * h).sum()


CASES: dict[str, Callable[[Any], Any]] = {
    "arguments": lambda x: la.checkpoint(lambda x, w: ((x @ w).exp() @ V).sin())(x @ V, W).sum(),
    "captured": captured,
    "nested": nested,
    "residual": residual,
    "a loop": looped,
    "rows of a table": lambda x: (la.checkpoint(lambda x: (la.take(TABLE, ROWS, axis=0) * x).exp())(x @ W) ** 2).sum(),
    "rows of what is computed again": lambda x: (
        la.checkpoint(lambda x: la.take((x @ W).exp(), ROWS % 3, axis=0).sin() ** 2)(x @ V) @ V
    ).sum(),
    "dropout": lambda x: (la.checkpoint(lambda x: DROP((x @ W).exp()) @ V)(x @ V) ** 2).sum(),
    "batch norm": lambda x: (la.checkpoint(lambda x: NORM((x @ W).exp()) @ V)(x @ V) ** 2).sum(),
    "a factorisation": lambda x: (
        la.checkpoint(lambda x: la.linalg.solve(x.T @ x + la.eye(4, dtype="float64"), W))(x @ V) ** 2
    ).sum(),
    "a choice": lambda x: (
        la.checkpoint(lambda x: la.cond(x.sum() > 0, lambda: (x @ W).sin(), lambda: (x @ V).exp()))(x @ V) @ W
    ).sum(),
}  # fmt: skip


def outcome(run: Callable[[], Any]) -> list[np.ndarray[Any, Any]]:
    """Return the results, and what was assigned, from the same beginning."""
    la.random.seed(3)
    NORM.load_state_dict(nn.BatchNorm1d(4, dtype="float64").state_dict())
    results = leaves(run())
    assigned = [la.random.default_generator().counter, NORM.running_mean, NORM.running_var]
    return [each.numpy() for each in (*results, *assigned)]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_gradients_and_what_is_assigned_are_as_eagerly(name: str, order: int) -> None:
    f = CASES[name]

    def first(x: Any) -> Any:
        return la.grad(f)(x)

    def of_variables() -> Any:
        grads = f(X).backward()
        return [grads[w] for w in (W, V) if w in grads]

    def run() -> Any:
        return (f(X), first(X), of_variables()) if order == 1 else la.grad(lambda x: (first(x) ** 2).sum())(X)

    for one, other in zip(outcome(la.compile(run)), outcome(run), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_threads_compute_the_same_to_the_last_bit() -> None:
    steps = []
    before = la.get_num_threads()
    for threads in (1, 2):
        la.random.seed(0)
        la.set_num_threads(threads)
        try:
            step = la.compile(training_step(5, la.checkpoint, width=96, rows=256))
            steps.append([step().item() for _ in range(5)])
        finally:
            la.set_num_threads(before)
    assert steps[0] == steps[1]
    assert steps[0][-1] < steps[0][0]


def test_what_may_fail_fails_before_anything_is_assigned() -> None:
    """The second run, late in the program, does not hold back what is assigned before it; nor does it fail first."""
    w, table = la.variable(np.ones((4, 4), np.float32)), la.variable(np.ones((5, 4), np.float32))
    optimizer = la.optim.SGD([w, table], lr=0.1)

    @la.compile
    def step(rows: Any) -> Any:
        h = la.checkpoint(lambda: (la.take(table, rows, axis=0) @ w).exp())()
        loss = (la.checkpoint(lambda h: (h @ w).sin())(h) @ w).sum()
        optimizer.step(loss.backward())
        return loss

    step(la.asarray([0, 4]))
    before = w.numpy(), table.numpy()
    with pytest.raises(SubscriptError, match="out of range"):
        step(la.asarray([0, 5]))
    np.testing.assert_array_equal(w.numpy(), before[0])
    np.testing.assert_array_equal(table.numpy(), before[1])
