"""`lamina.vmap` against `torch.func`: axes, nesting, per-sample gradients, ensembles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn

torch = pytest.importorskip("torch")

A = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
B = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def assert_close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), wanted.detach().numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("in_axes", "out_axes"), [((0, None), 0), ((1, None), -1), ((2, 0), 1), ((-1, -2), 0), ((0, 1), -2)]
)
def test_axes_mean_what_they_mean_in_torch(in_axes: Any, out_axes: int) -> None:
    def f(x: Any, y: Any) -> Any:
        return x * x * y.sum() + x.sum()

    wanted = torch.func.vmap(f, in_dims=in_axes, out_dims=out_axes)(torch.tensor(A), torch.tensor(B))
    assert_close(la.vmap(f, in_axes=in_axes, out_axes=out_axes)(la.asarray(A), la.asarray(B)), wanted)


def test_hessians_of_many() -> None:
    x = A[:, 0]
    wanted = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(lambda x: (x**3).sum() * x[0])))(torch.tensor(x))
    assert_close(la.vmap(la.hessian(lambda x: (x**3).sum() * x[0]))(la.asarray(x)), wanted)


def test_per_sample_gradients_of_a_convolutional_network() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in model.state_dict().items()})
    x = np.random.default_rng(2).normal(size=(5, 1, 4, 4)).astype(np.float32)
    parameters = {name: value.detach() for name, value in theirs.named_parameters()}
    wanted = torch.func.vmap(
        torch.func.grad(lambda p, x: (torch.func.functional_call(theirs, p, (x[None],)) ** 2).sum()), in_dims=(None, 0)
    )(parameters, torch.tensor(x))
    found = la.vmap(la.grad(lambda p, x: (la.functional_call(model, p, x[None]) ** 2).sum()), in_axes=(None, 0))(
        model.state_dict(), la.asarray(x)
    )
    inside = la.vmap(lambda x: (model(x[None]) ** 2).sum().backward())(la.asarray(x))
    for name, parameter in model.named_parameters():
        assert_close(found[name], wanted[name])
        assert_close(inside[parameter], wanted[name])


def test_an_ensemble_answers_as_torchs() -> None:
    models = [nn.Sequential(nn.Linear(2, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 1)) for _ in range(4)]
    theirs = []
    for model in models:
        other = torch.nn.Sequential(
            torch.nn.Linear(2, 8), torch.nn.LayerNorm(8), torch.nn.GELU(), torch.nn.Linear(8, 1)
        )
        other.load_state_dict({name: torch.tensor(value.numpy()) for name, value in model.state_dict().items()})
        theirs.append(other)
    x = np.random.default_rng(3).normal(size=(6, 2)).astype(np.float32)
    parameters, buffers = torch.func.stack_module_state(theirs)
    wanted = torch.func.vmap(lambda p, b: torch.func.functional_call(theirs[0], (p, b), (torch.tensor(x),)))(
        parameters, buffers
    )
    stacked = la.stack_module_state(models)
    assert_close(la.vmap(lambda p: la.functional_call(models[0], p, la.asarray(x)))(stacked), wanted)
