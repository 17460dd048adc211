"""What the tests of layers share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn


def _assert_same_as_pytorch(
    ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any, rtol: float = 1e-10
) -> None:
    torch = pytest.importorskip("torch")
    variables = [la.variable(x) for x in arrays]
    tensors = [torch.tensor(x, requires_grad=True) for x in arrays]
    y, wanted = ours(*variables), theirs(*tensors)
    assert y.shape == tuple(wanted.shape)
    np.testing.assert_allclose(y.numpy(), wanted.detach().numpy(), rtol=rtol, atol=rtol)
    cotangent = np.random.default_rng(1).normal(size=y.shape).astype(y.numpy().dtype)
    wanted.backward(torch.tensor(cotangent))
    gradients = y.backward(la.asarray(cotangent))
    for variable, tensor in zip(variables, tensors, strict=True):
        np.testing.assert_allclose(gradients[variable].numpy(), tensor.grad.numpy(), rtol=rtol, atol=rtol)


@pytest.fixture
def assert_same_as_pytorch() -> Callable[..., None]:
    """A check that two functions of arrays give the same value and the same gradients by every array."""
    return _assert_same_as_pytorch


# --- a layer of each library with the same weights --------------------------------------------------------

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LOW = ("float16", "bfloat16")
AXES = {"dim": "axis", "start_dim": "start_axis", "end_dim": "end_axis"}


class Like:
    """Compares a layer with PyTorch's: values, gradients by inputs and parameters, and buffers.

    An input is the shape of normal numbers, or a pair of a shape and what it holds: how many classes there are, of
    which it holds labels, or the ends of a range of numbers.
    """

    def __init__(self, name: str, settings: dict[str, Any], inputs: list[Any], dtype: str = "float64") -> None:
        torch = pytest.importorskip("torch")
        self.name, self.dtype = name, dtype
        self.theirs = getattr(torch.nn, name)(**settings)
        with torch.no_grad():
            for each in self.theirs.state_dict().values():
                if each.is_floating_point():
                    each.copy_(torch.tensor(np.random.default_rng(each.ndim).uniform(0.2, 1.2, tuple(each.shape))))
        self.theirs.to(getattr(torch, dtype))
        ours = {AXES.get(key, key): value for key, value in settings.items()}
        kind = {"dtype": dtype} if self.theirs.state_dict() else {}
        self.ours = getattr(nn, name)(**ours, **kind)
        state = self.theirs.state_dict()
        assert list(self.ours.state_dict()) == list(state)
        assert [key for key, _ in self.ours.named_parameters()] == [key for key, _ in self.theirs.named_parameters()]
        self.ours.load_state_dict(state)
        self.inputs = [drawn(each, at) for at, each in enumerate(inputs)]

    def expected(self, precise: bool = False) -> list[np.ndarray]:
        """Return what PyTorch computes; with float64 numbers from the same rounded ones, if wanted."""
        torch = pytest.importorskip("torch")
        layer, kind = self.theirs, getattr(torch, self.dtype)
        inputs = [torch.tensor(each) if each.dtype.kind == "i" else torch.tensor(each).to(kind) for each in self.inputs]
        if precise:
            layer = copy.deepcopy(layer).double()
            inputs = [each.double() if each.is_floating_point() else each for each in inputs]
        tracked = [each.requires_grad_() for each in inputs if each.is_floating_point()]
        layer.zero_grad(set_to_none=True)
        outputs = flat(layer(*inputs))
        weights = [torch.tensor(cotangent(tuple(each.shape))).to(kind).to(each.dtype) for each in outputs]
        torch.autograd.backward(outputs, weights)
        gradients = [
            torch.zeros_like(each) if each.grad is None else each.grad for each in (*tracked, *layer.parameters())
        ]
        found = [*outputs, *gradients, *layer.buffers()]
        return [each.detach().to(torch.float64).numpy() for each in found]

    def found(self, compiled: bool) -> list[np.ndarray]:
        """Return what Lamina computes, in the same order."""

        def both(inputs: list[Any]) -> tuple[Any, ...]:
            inputs = [la.variable(each) if each.dtype.floating else each for each in inputs]
            outputs = flat(self.ours(*inputs))
            weights = [la.asarray(cotangent(each.shape), dtype=each.dtype) for each in outputs]
            gradients = sum(
                ((y * w).sum() for y, w in zip(outputs, weights, strict=True)), la.zeros((), dtype=self.dtype)
            ).backward()
            tracked = [each for each in inputs if each.dtype.floating]
            # What has nothing to change may return its input, a variable; what is compiled returns values.
            outputs = [getattr(each, "value", each) for each in outputs]
            return outputs, [gradients.wrt(each) for each in (*tracked, *self.ours.parameters())]

        inputs = [
            la.asarray(each) if each.dtype.kind == "i" else la.asarray(each, dtype=self.dtype) for each in self.inputs
        ]
        outputs, gradients = (la.compile(both) if compiled else both)(inputs)
        assert {each.dtype.name for each in outputs} == {self.dtype}
        return [each.astype("float64").numpy() for each in (*outputs, *gradients, *self.ours.buffers())]

    def agree(self, compiled: bool = False) -> None:
        """Check that both give the same, to what rounding allows.

        Of types with few digits, PyTorch's own error against float64 is the measure.
        """
        exact = self.expected(precise=True) if self.dtype in LOW else None
        expected, found = self.expected(), self.found(compiled)
        assert [each.shape for each in found] == [each.shape for each in expected]
        # Gradients that cancel out have the error of what they are made of.
        size = max((float(np.abs(each).max()) for each in expected if each.size), default=1.0)
        for at, (one, other) in enumerate(zip(found, expected, strict=True)):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
            if exact is None:
                np.testing.assert_allclose(
                    one, other, rtol=0.0, atol=200 * EPSILON[self.dtype] * size, err_msg=f"result {at}"
                )
            elif one.size:
                rounding = np.nanmax(np.abs(other - exact[at]), initial=0.0)
                error = np.nanmax(np.abs(one - exact[at]), initial=0.0)
                assert error <= 4.0 * (rounding + EPSILON[self.dtype] * size), (at, error, rounding)


def drawn(given: Any, seed: int) -> np.ndarray:
    """Return an input's numbers."""
    rng = np.random.default_rng(seed)
    if given and isinstance(given[0], tuple):
        shape, what = given
        return rng.integers(0, what, shape) if isinstance(what, int) else rng.uniform(*what, shape)
    return rng.normal(size=given)


def without_batch(given: Any, axis: int) -> Any:
    """Return an input of no samples."""
    if given and isinstance(given[0], tuple):
        return without_batch(given[0], axis), given[1]
    return (*given[:axis], 0, *given[axis + 1 :])


def cotangent(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(-1.0, 1.0, shape)


def flat(value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [inner for each in value for inner in flat(each)]
    return [] if value is None else [value]


@pytest.fixture
def like_pytorch() -> type[Like]:
    """A layer of each library with the same weights."""
    return Like


@pytest.fixture
def empty() -> Callable[[Any, int], Any]:
    """An input of a table, of no samples."""
    return without_batch
