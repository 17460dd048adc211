"""Lion and LAMB, which PyTorch does not have, follow their papers."""

import numpy as np
import pytest

import lamina as la
from lamina import optim

STARTS = [np.random.default_rng(3).normal(size=(3, 4)), np.random.default_rng(4).normal(size=5), np.zeros(2)]


def gradient(p):
    """Of ``sin(3 p) + (p - 0.3)²``, summed."""
    return 3.0 * np.cos(3.0 * p) + 2.0 * (p - 0.3)


def lion(p, steps, lr, betas, weight_decay):
    m = np.zeros_like(p)
    for _ in range(steps):
        g = gradient(p)
        direction = np.sign(betas[0] * m + (1 - betas[0]) * g)
        p = p - lr * (direction + weight_decay * p)
        m = betas[1] * m + (1 - betas[1]) * g
    return p


def lamb(p, steps, lr, betas, weight_decay, eps):
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t in range(1, steps + 1):
        g = gradient(p)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        ratio = (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        step = ratio + weight_decay * p
        size, length = np.linalg.norm(p), np.linalg.norm(step)
        trust = size / length if size > 0 and length > 0 else 1.0
        p = p - lr * trust * step
    return p


def run(optimizer_of, dtype=np.float64):
    parameters = [la.variable(np.asarray(start, dtype)) for start in STARTS]
    optimizer = optimizer_of(parameters)
    for _ in range(20):
        loss = la.asarray(0.0, dtype=la.float64)
        for p in parameters:
            loss = loss + (la.sin(p * 3.0) + (p - 0.3) ** 2).sum()
        optimizer.step(loss.backward())
    return [p.numpy() for p in parameters]


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.5, 0.7)])
def test_lion_takes_the_steps_of_algorithm_2(betas, weight_decay):
    found = run(lambda p: optim.Lion(p, lr=0.03, betas=betas, weight_decay=weight_decay))
    for mine, start in zip(found, STARTS, strict=True):
        np.testing.assert_allclose(mine, lion(start, 20, 0.03, betas, weight_decay), rtol=1e-6)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.7)])
def test_lamb_takes_the_steps_of_algorithm_2(betas, weight_decay):
    found = run(lambda p: optim.LAMB(p, lr=0.03, betas=betas, weight_decay=weight_decay, eps=1e-4))
    for mine, start in zip(found, STARTS, strict=True):
        np.testing.assert_allclose(mine, lamb(start, 20, 0.03, betas, weight_decay, 1e-4), rtol=1e-6)


def test_lamb_in_float32_agrees_to_its_accuracy():
    found = run(lambda p: optim.LAMB(p, lr=0.03), np.float32)
    for mine, start in zip(found, STARTS, strict=True):
        np.testing.assert_allclose(mine, lamb(start, 20, 0.03, (0.9, 0.999), 0.01, 1e-6), rtol=1e-4, atol=1e-5)


def test_lamb_leaves_a_parameter_with_zero_gradient_and_no_decay():
    w = la.variable([1.0, 2.0])
    optimizer = optim.LAMB([w], lr=0.1, weight_decay=0.0)
    optimizer.step((w * 0.0).sum().backward())
    np.testing.assert_array_equal(w.numpy(), [1.0, 2.0])


@pytest.mark.parametrize("kind", [optim.Lion, optim.LAMB])
def test_maximize_ascends(kind):
    w = la.variable([1.0, 2.0])
    kind([w], lr=0.1, weight_decay=0.0, maximize=True).step((w * 3.0).sum().backward())
    assert (w.numpy() > np.array([1.0, 2.0])).all()
