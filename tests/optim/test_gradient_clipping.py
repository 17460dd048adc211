"""Clipping agrees with PyTorch's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import optim


def both(values):
    """Gradients with these values in both libraries."""
    torch = pytest.importorskip("torch")
    ours = [la.variable(np.zeros_like(value)) for value in values]
    total = la.asarray(np.float64(0.0))
    for variable, value in zip(ours, values, strict=True):
        total = total + (variable * la.asarray(value)).sum()
    theirs = [torch.nn.Parameter(torch.zeros(value.shape, dtype=torch.tensor(value).dtype)) for value in values]
    for parameter, value in zip(theirs, values, strict=True):
        parameter.grad = torch.tensor(value)
    return ours, total.backward(), theirs


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, 0.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_and_scaled_gradients_are_pytorchs(norm_type, max_norm, dtype):
    torch = pytest.importorskip("torch")

    generator = np.random.default_rng(1)
    values = [np.asarray(generator.normal(size=shape), dtype) for shape in [(3, 4), (5,), ()]]
    ours, grads, theirs = both(values)
    clipped, norm = optim.clip_grad_norm(grads, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    tolerance = 1e-6 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(norm.numpy(), expected.numpy(), rtol=tolerance)
    np.testing.assert_allclose(optim.global_norm(grads, norm_type).numpy(), expected.numpy(), rtol=tolerance)
    for variable, parameter in zip(ours, theirs, strict=True):
        assert clipped[variable].dtype is variable.dtype
        np.testing.assert_allclose(clipped[variable].numpy(), parameter.grad.numpy(), rtol=tolerance)


@pytest.mark.parametrize("limit", [0.0, 0.3, 10.0])
def test_limited_elements_are_pytorchs(limit):
    torch = pytest.importorskip("torch")

    ours, grads, theirs = both([np.random.default_rng(2).normal(size=(4, 3))])
    clipped = optim.clip_grad_value(grads, limit)
    torch.nn.utils.clip_grad_value_(theirs, limit)
    np.testing.assert_array_equal(clipped[ours[0]].numpy(), theirs[0].grad.numpy())


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=6), st.floats(1e-3, 1e3))
def test_the_clipped_norm_is_at_most_the_limit_and_the_direction_stays(values, limit):
    w = la.variable(np.array(values))
    grads = (w * w).sum().backward()
    clipped, norm = optim.clip_grad_norm(grads, limit)
    assert optim.global_norm(clipped).item() <= limit * (1 + 1e-12)
    np.testing.assert_allclose(clipped[w].numpy() * norm.item(), grads[w].numpy() * optim.global_norm(clipped).item())


def test_clipping_leaves_the_gradients_it_was_given():
    w = la.variable([3.0, 4.0])
    grads = (w * w).sum().backward()
    optim.clip_grad_norm(grads, 1.0)
    optim.clip_grad_value(grads, 1.0)
    np.testing.assert_array_equal(grads[w].numpy(), [6.0, 8.0])


def test_the_norm_of_narrow_gradients_does_not_overflow():
    w = la.variable(la.asarray([200.0, 200.0]).astype("float16"))
    clipped, norm = optim.clip_grad_norm((w * w).sum().backward(), 1.0)
    assert norm.dtype is la.float32
    np.testing.assert_allclose(norm.item(), 400.0 * math.sqrt(2.0), rtol=1e-3)
    assert clipped[w].dtype is la.float16


def test_gradients_of_two_types_are_clipped_together():
    a, b = la.variable(np.array([3.0])), la.variable(np.array([4.0], np.float32))
    grads = ((a * a).sum() / 2 + (b * b).sum() / 2).backward()
    clipped, norm = optim.clip_grad_norm(grads, 1.0)
    assert (norm.item(), norm.dtype) == (5.0, la.float64)
    np.testing.assert_allclose([clipped[a].item(), clipped[b].item()], [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: optim.clip_grad_norm(g, -1.0), la.DataError, "max_norm must be zero or positive"),
        (lambda g: optim.clip_grad_norm(g, 1.0, 0.0), la.DataError, "norm_type must be positive"),
        (lambda g: optim.clip_grad_norm(g, 1.0, "inf"), la.DTypeError, "norm_type is a positive number"),
        (lambda g: optim.clip_grad_norm([], 1.0), la.DTypeError, "clip_grad_norm: expected the Gradients"),
        (lambda g: optim.clip_grad_value(g, -1.0), la.DataError, "clip_value must be zero or positive"),
        (lambda g: optim.global_norm(None), la.DTypeError, "global_norm: expected the Gradients"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(call, error, message):
    w = la.variable([1.0])
    with pytest.raises(error, match=message):
        call((w * w).sum().backward())
