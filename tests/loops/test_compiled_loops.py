"""A loop in a compiled program is one operation, which computes what the loop written out computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.autodiff.traced_scan import UNROLLED
from lamina.autodiff.trees import leaves
from lamina.compiler.graph.ir import SCAN
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.tracing.trace import trace

LENGTH = 7


def array(*shape: int, seed: int = 0) -> la.Tensor:
    return la.asarray(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def operations(f: Callable[[], Any], recording: bool = True) -> list[str]:
    """The names of the operations of a program."""
    return [value.op for value in trace(lambda tracer: f(), recording, loops=True).graph.values()]


def agree(f: Callable[..., Any], *given: Any, rtol: float = 1e-10) -> None:
    for one, other in zip(leaves(la.compile(f)(*given)), leaves(f(*given)), strict=True):
        assert one.dtype is other.dtype
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=rtol, atol=1e-12)


A, X, INNER = array(4, 4), array(LENGTH, 4, seed=1), array(6, 3, seed=2)

STEPS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "product": (array(2, 4), lambda h, x: ((h @ A + x).tanh(), h.T)),
    "reduction": (array(4), lambda h, x: (h / (1.0 + (h * h).sum()) + x, h.max())),
    "cumulative": (array(4), lambda h, x: (la.cumulative_sum(h) * 0.1 + x, la.sort(h))),
    "carry as it is": (array(4), lambda h, x: (h, h + x)),
    "element as it is": (array(4), lambda h, x: (x, x)),
    "a value twice": (array(4), lambda h, x: ((lambda y: (y, (y, y, x)))(h * 0.5 + x))),
    "exchanged": ((array(4), array(4, seed=2)), lambda s, x: ((s[1], s[0] + x), s)),
    "a constant": (array(4), lambda h, x: (h + 1.0, (A, la.zeros(3), A[0] + 1.0))),
    "integers and bools": ((0, True), lambda s, x: ((s[0] + 1, ~s[1]), (s[0] * 2, s[1], x.astype("float32")))),
    "parts put together": (array(4), lambda h, x: (la.concat((h[1:], x[:1])), la.stack((h, x), axis=1))),
    "no state": ((), lambda s, x: (s, x * 2.0)),
    "empty": (la.zeros((0, 3)), lambda h, x: (h + 1.0, h)),
    "a loop inside": (array(4), lambda h, x: la.scan(lambda a, b: (a * 0.9 + b.sum() * x, a), h, INNER)),
    "a choice inside": (array(4), lambda h, x: (la.cond(h.sum() > 0, lambda: h - x, lambda: h * x + 1.0), h)),
}  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", STEPS)
def test_results_are_those_of_the_loop_written_out(name: str, reverse: bool) -> None:
    init, step = STEPS[name]

    def run(init: Any, xs: Any) -> Any:
        return la.scan(step, init, xs, reverse=reverse)

    agree(run, init, X)


def test_what_is_dear_to_compute_is_computed_before_the_loop_that_reads_it() -> None:
    agree(lambda x: la.scan(lambda h, row: (h * 0.5 + row, h), la.zeros(4, dtype="float64"), la.sin(x)), X)
    agree(lambda x: la.linalg.svd((la.sin(x) @ la.sin(x.T)) / la.cos(x[0, 0])), X)


@pytest.mark.parametrize(
    "name", ["product", "reduction", "a value twice", "exchanged", "a loop inside", "a choice inside"]
)
def test_gradients_are_those_of_the_loop_written_out(name: str) -> None:
    init, step = STEPS[name]

    def loss(xs: Any) -> Any:
        carry, ys = la.scan(step, init, xs)
        return sum((each * each).sum() for each in [*leaves(carry), *leaves(ys)])

    agree(lambda xs: (loss(xs), la.grad(loss)(xs)), X)
    agree(lambda xs: la.grad(lambda xs: (la.grad(loss)(xs) ** 2).sum())(xs), X)


def test_a_program_does_not_grow_with_the_length() -> None:
    layer = nn.LSTM(3, 4, num_layers=2)

    def step(length: int) -> Callable[[], Any]:
        x = array(length, 2, 3).astype("float32")

        def gradients() -> list[la.Tensor]:
            grads = layer(x)[0].sum().backward()
            return [grads[w] for w in layer.parameters()]

        return gradients

    short, long = operations(step(20)), operations(step(50))
    assert short == long
    assert short.count(SCAN) == 2 * 2  # a loop and one backwards for each layer


@pytest.mark.parametrize(("wrap", "products"), [(lambda f: f, 1), (la.checkpoint, 2)], ids=["kept", "checkpointed"])
def test_a_step_is_computed_again_only_where_it_is_checkpointed(wrap: Any, products: int) -> None:
    w, xs = la.variable(array(4, 4)), array(LENGTH, 2, 4)

    def gradient() -> la.Tensor:
        step = wrap(lambda h, x: ((h @ w + x).tanh(), h))
        return la.scan(step, xs[0], xs)[0].sum().backward()[w]

    graph = simplify(trace(lambda tracer: gradient(), True, loops=True).graph)
    *_, backward = (value for value in graph.values() if value.op == SCAN)
    found = [value.op for value in backward.params["body"].values()].count("matmul")
    assert found == products + 1  # by the state, by the weights, and the one that was there before
    np.testing.assert_allclose(la.compile(gradient)().numpy(), gradient().numpy(), rtol=1e-12)


def test_a_short_loop_is_written_out() -> None:
    run = lambda length: lambda: la.scan(lambda c, x: (c + x, None), 0.0, la.arange(float(length)))  # noqa: E731
    assert SCAN not in operations(run(UNROLLED))
    assert SCAN in operations(run(UNROLLED + 1))


def test_what_is_not_asked_for_is_not_kept() -> None:
    """Outputs of the body that nobody reads, such as the carries in evaluation, take no time."""
    w = la.variable(array(4, 4))
    compiled = la.compile(lambda xs: la.scan(lambda h, x: ((h @ w + x).tanh(), h), la.zeros(4, dtype="float64"), xs)[0])
    np.testing.assert_allclose(
        compiled(X).numpy(),
        la.scan(lambda h, x: ((h @ w + x).tanh(), None), la.zeros(4, dtype="float64"), X)[0].numpy(),
    )


def test_a_tensor_of_a_step_does_not_leave_the_loop() -> None:
    kept = []

    def run(xs: Any) -> Any:
        la.scan(lambda c, x: (c + x, kept.append(c)), la.zeros(4, dtype="float64"), xs)
        return kept[-1] * 2.0

    with pytest.raises(la.TracingError, match="made inside of the function is used outside of the loop"):
        la.compile(run)(X)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_share_the_kernels_of_a_large_step(threads: int) -> None:
    layer = nn.GRU(16, 96, num_layers=2, bidirectional=True)
    x = array(9, 64, 16).astype("float32")

    def step() -> list[Any]:
        y, last = layer(x)
        grads = ((y * y).sum() + last.sum()).backward()
        return [y, last, *(grads[w] for w in layer.parameters())]

    before = la.get_num_threads()
    la.set_num_threads(threads)
    try:
        compiled = la.compile(step)
        found = [compiled() for _ in range(3)]
    finally:
        la.set_num_threads(before)
    for again in found[1:]:
        for one, other in zip(found[0], again, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
    for one, other in zip(found[0], step(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-3)


def test_training_in_one_call_is_training_step_by_step() -> None:
    x, y = array(16, 9, 3).astype("float32"), array(16, 4, seed=1).astype("float32")
    weights = []
    for compiled in (True, False):
        la.random.seed(0)
        layer = nn.LSTM(3, 4, batch_first=True)
        model = lambda x, layer=layer: layer(x)[0][:, -1]  # noqa: E731
        optimizer = la.optim.Adam(layer.parameters(), lr=0.01)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            loss = nn.mse_loss(model(x), y)
            optimizer.step(loss.backward())
            return loss

        run = la.compile(step) if compiled else step
        for _ in range(5):
            run(x, y)
        weights.append([w.numpy() for w in layer.parameters()])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
