"""Functions at random with their gradients and updates, compiled: what eager code computes, but for last bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.compiler import lowering
from lamina.compiler.runtime.threads import num_threads


def _of_axes(x: la.Tensor, ndim: int) -> la.Tensor:
    """Return a value with so many axes: new ones before, or the first ones as one."""
    more = x.ndim - ndim
    return x.reshape((1,) * -more + x.shape if more < 0 else (-1, *x.shape[more + 1 :]))


def _weights(*shape: int) -> la.Tensor:
    return la.asarray(np.linspace(-0.5, 0.6, math.prod(shape)).reshape(shape))


# Each keeps numbers of moderate size moderate, so that errors do not grow.
UNARY: dict[str, Callable[[la.Tensor], la.Tensor]] = {
    "sin": la.sin,
    "tanh": la.tanh,
    "exp": lambda x: la.exp(x.tanh()),
    "log": lambda x: la.log(x * x + 1.0),
    "sqrt": lambda x: la.sqrt(x * x + 0.5),
    "erf": la.erf,
    "relu": la.relu,
    "square": lambda x: x * x * 0.3,
    "sum": lambda x: x.sum(axis=-1, keepdims=True) * 0.1,
    "mean": lambda x: x.mean(axis=0, keepdims=True),
    "largest": lambda x: x.max(axis=0, keepdims=True),
    "scan": lambda x: la.cumulative_sum(x, axis=-1) * 0.1,
    "product scan": lambda x: la.cumulative_prod(x.tanh(), axis=-1),
    "flip": lambda x: la.flip(x, axis=-1),
    "transpose": lambda x: x.T if x.ndim == 2 else x,
    "slice": lambda x: x[..., ::2],
    "take": lambda x: la.take(x, la.asarray([0, -1, 0]), axis=-1),
    "sorted": lambda x: la.sort(x, axis=-1),
    "joined": lambda x: la.concat([x, x * 0.5], axis=0),
    "flat": lambda x: x.reshape(-1),
    "softmax": lambda x: la.softmax(x, axis=-1),
    "normalised": lambda x: (x - x.mean(axis=-1, keepdims=True)) / la.sqrt(x.var(axis=-1, keepdims=True) + 1.0),
    "logsumexp": lambda x: x - la.logsumexp(x, axis=-1, keepdims=True),
    "variance": lambda x: x.var(keepdims=True) + x,
    "padded": lambda x: la.pad(x, ((1, 2),) * x.ndim),
    "rolled": lambda x: la.roll(x, 2, axis=0),
    "repeated": lambda x: la.repeat(x, 2, axis=0),
    "by subscripts": lambda x: x[::-1][None, ..., ::2],
    "rows replaced": lambda x: x.replaced(la.asarray([0]), x[-1:] * 2.0),
    "added at places": lambda x: la.scatter_add(x, la.asarray(np.arange(x.shape[0]) % 3), axis=0, size=3),
    "by rank": lambda x: la.take_along_axis(x, la.argsort(x, axis=-1, descending=True), axis=-1),
    "a product with itself": lambda x: la.matmul(_of_axes(x, 2).T, _of_axes(x, 2)) * 0.1,
    "a convolution": lambda x: nn.conv1d(_of_axes(x, 3), _weights(2, _of_axes(x, 3).shape[1], 3), padding=2, stride=2),
    "the largest of windows": lambda x: nn.max_pool1d(_of_axes(x, 3), 3, stride=2, padding=1),
    "the mean of windows": lambda x: nn.avg_pool1d(_of_axes(x, 3), 2, stride=1, padding=1),
    "a layer's norm": lambda x: nn.layer_norm(x, x.shape[-1:]),
    "attention": lambda x: nn.scaled_dot_product_attention(*[_of_axes(x, 3)] * 3, is_causal=True),
    "a loop": lambda x: la.scan(lambda c, row: (la.tanh(c * 0.5 + row), c), la.zeros(x.shape[1:], dtype=la.float64), x)[
        1
    ],
    "a choice": lambda x: la.cond(x.sum() > 0.1234, lambda: la.sin(x) * 2.0, lambda: x * x * 0.3 - 1.0),
    "computed again": lambda x: la.checkpoint(lambda a: la.tanh(a) * la.sin(a))(x),
    "a gradient": lambda x: la.grad(lambda a: (la.tanh(a) * a).sum())(x),
    "smoothed labels": lambda x: nn.cross_entropy(
        _of_axes(x, 2), la.asarray([0] * _of_axes(x, 2).shape[0]), label_smoothing=0.1
    ).reshape(1),
}
BINARY: dict[str, Callable[[la.Tensor, la.Tensor], la.Tensor]] = {
    "add": la.add,
    "multiply": la.multiply,
    "divide": lambda x, y: x / (y * y + 1.0),
    "pow": lambda x, y: (x * x + 0.5) ** y.tanh(),
    "where": lambda x, y: la.where(la.stop_gradient(x) < 0.1234, x, y * 0.5),
    "maximum": la.maximum,
}
SHAPES = ((3,), (1,), (2, 3), (2, 1), (1, 3), (5, 7), (17,), (4, 33), (7, 5))

Step = tuple[str, int, int]


def result(steps: Sequence[Step], inputs: Sequence[la.Tensor]) -> la.Tensor:
    """Apply steps, each to one or two of the values there are; the result joins them all."""
    values = list(inputs)
    for name, first, second in steps:
        x, y = values[first % len(values)], values[second % len(values)]
        if name in UNARY:
            values.append(UNARY[name](x))
        elif name == "product":
            y = y.T if y.ndim == 2 and x.shape[-1] == y.shape[-1] else y
            if x.ndim == y.ndim == 2 and x.shape[-1] == y.shape[0]:
                values.append(x @ y * 0.1)
        else:
            try:
                np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                continue
            values.append(BINARY[name](x, y))
    return sum((value.tanh().mean() for value in values), start=values[-1].sum())


class Problem:
    """Some functions at random, and the variables that each is of."""

    def __init__(self, seed: int, functions: int = 4) -> None:
        generator = np.random.default_rng(seed)
        names = (*UNARY, *BINARY, "product", "product", "product")
        self.steps: list[list[Step]] = []
        self.variables: list[list[la.Variable]] = []
        for _ in range(functions):
            count = int(generator.integers(2, 9))
            choices = generator.integers(0, 10, (count, 2)).tolist()
            self.steps.append([(names[int(generator.integers(len(names)))], a, b) for a, b in choices])
            shapes = [SHAPES[int(generator.integers(len(SHAPES)))] for _ in range(int(generator.integers(1, 4)))]
            self.variables.append([la.variable(generator.uniform(-1.5, 1.5, shape)) for shape in shapes])

    def step(self) -> list[Any]:
        """Return every loss and its gradients, and descend."""
        found = []
        for steps, variables in zip(self.steps, self.variables, strict=True):
            loss = result(steps, variables)
            gradients = loss.backward()
            each = [gradients[variable] if variable in gradients else variable * 0.0 for variable in variables]
            for variable, gradient in zip(variables, each, strict=True):
                variable.assign(variable - 0.05 * gradient)
            found += [loss, *each]
        return found

    def values(self) -> list[Any]:
        return [variable.numpy().copy() for variables in self.variables for variable in variables]


def check(seed: int, threads: int) -> None:
    eager, compiled = Problem(seed), Problem(seed)
    step = la.compile(compiled.step)
    for _ in range(2):
        wanted = [each.numpy() for each in eager.step()]
        with num_threads(threads):
            found = [each.numpy() for each in step()]
        for a, b in zip([*found, *compiled.values()], [*wanted, *eager.values()], strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11, err_msg=f"{compiled.steps}")


@pytest.fixture(autouse=True)
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are written for several threads, however small they are."""
    monkeypatch.setattr(lowering, "WORTH_A_THREAD", 1.0)


@pytest.mark.parametrize("seed", range(16))
def test_functions_their_gradients_and_updates_are_what_eager_code_computes(seed: int) -> None:
    check(seed, 1 + seed % 3)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1400, 40))
def test_hundreds_of_functions_their_gradients_and_updates_are_what_eager_code_computes(first: int) -> None:
    for seed in range(first, first + 40):
        check(seed, 1 + seed % 3)


@pytest.mark.parametrize("seed", range(4))
def test_second_derivatives_are_what_eager_code_computes(seed: int) -> None:
    problem = Problem(seed, 1)
    (steps,), (variables,) = problem.steps, problem.variables
    given = [la.asarray(each.numpy()) for each in variables]

    def slope(x: la.Tensor) -> la.Tensor:
        gradient: la.Tensor = la.grad(lambda x: result(steps, (x, *given[1:])))(x)
        return (gradient**2).sum()

    wanted = la.value_and_grad(slope)(given[0])
    found = la.compile(la.value_and_grad(slope))(given[0])
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-10)
