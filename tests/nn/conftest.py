"""What the tests of layers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la


def _same_as_pytorch(ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any, rtol: float = 1e-10) -> None:
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
def same_as_pytorch() -> Callable[..., None]:
    """A check that two functions of arrays give the same value and the same gradients by every array."""
    return _same_as_pytorch
