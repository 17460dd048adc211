"""Models that are given their parameters, and ensembles of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError, DTypeError, ShapeError
from lamina_tests.closeness import assert_close

X = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
Y = np.sin(X.sum(1, keepdims=True))


def made() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])
def test_a_model_with_the_parameters_of_another_answers_like_it(way: Any) -> None:
    model, other = made(), made()
    before = model.state_dict()
    x = la.asarray(X)
    found = way(lambda p, x: la.functional_call(model, p, x))(other.state_dict(), x)
    assert_close(found, other(x))
    for name, value in model.state_dict().items():
        assert (value == before[name]).all()
    grads = way(la.grad(lambda p, x: (la.functional_call(model, p, x) ** 2).sum()))(other.state_dict(), x)
    wanted = (other(x) ** 2).sum().backward()
    for name, parameter in other.named_parameters():
        assert_close(grads[name], wanted[parameter])


def test_a_compiled_model_is_called_with_the_parameters_too() -> None:
    model, other = made(), made()
    forward = la.compile(lambda x: model(x))

    class Compiled(nn.Module):
        def __init__(self) -> None:
            self.inner = model

        def __call__(self, x: la.Tensor) -> la.Tensor:
            return forward(x)

    x = la.asarray(X)
    for _ in range(4):  # so often that it takes a short way
        assert_close(forward(x), model(x))
    given = {f"inner.{name}": value for name, value in other.state_dict().items()}
    assert_close(la.functional_call(Compiled(), given, x), other(x))


def test_what_the_model_assigns_is_forgotten() -> None:
    model = nn.BatchNorm1d(2)
    before = model.state_dict()
    la.functional_call(model, model.state_dict(), la.asarray(X))
    for name, value in model.state_dict().items():
        assert (value == before[name]).all()


@pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])
def test_running_statistics_of_an_ensemble_are_returned(way: Any) -> None:
    models = [nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(4)]
    stacked = la.stack_module_state(models)
    before = models[0].state_dict()
    run = la.vmap(lambda state, x: la.stateless_call(models[0], state, x), in_axes=(0, None))
    y, state = way(run)(stacked, la.asarray(X))
    for name, value in models[0].state_dict().items():
        assert (value == before[name]).all()
    for place, model in enumerate(models):
        assert_close(y[place], model(la.asarray(X)))
        for name, value in model.state_dict().items():
            assert_close(state[name][place], value)


def test_gradients_flow_to_what_was_given_and_not_to_what_was_assigned() -> None:
    model = nn.BatchNorm1d(2)
    given = {name: la.variable(value, trainable=value.dtype.floating) for name, value in model.state_dict().items()}
    _, state = la.stateless_call(model, given, la.asarray(X))
    grads = sum((value.sum() for value in state.values() if value.dtype.floating), start=la.asarray(0.0)).backward()
    assert {name for name, each in given.items() if each in grads} == {"weight", "bias"}


def test_an_error_inside_leaves_the_model_as_it_was() -> None:
    model = made()
    before = model.state_dict()
    with pytest.raises(ShapeError):
        la.functional_call(model, {name: value + 1 for name, value in before.items()}, la.ones((2, 3)))
    for name, value in model.state_dict().items():
        assert (value == before[name]).all()


def test_names_and_shapes_that_do_not_fit() -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(DataError, match=r"no variable 'wieght'; it has weight, bias"):
        la.functional_call(model, {"wieght": la.ones((1, 2))}, la.ones(2))
    with pytest.raises(ShapeError, match=r"weight has shape \[1, 2\] in the model and \[4, 1, 2\] here"):
        la.functional_call(model, {"weight": la.ones((4, 1, 2))}, la.ones(2))
    with pytest.raises(DTypeError, match="expected a mapping"):
        la.functional_call(model, [la.ones((1, 2))], la.ones(2))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"0\.weight is .* in the first model and .* in model 1"):
        la.stack_module_state([nn.Sequential(nn.Linear(2, 1)), nn.Sequential(nn.Linear(3, 1))])
    with pytest.raises(DataError, match="no models"):
        la.stack_module_state([])
    with pytest.raises(DTypeError, match="expected a Module"):
        la.stack_module_state([3])  # type: ignore[list-item]


class Checkpointed(nn.Module):
    """Computes its second half again."""

    def __init__(self) -> None:
        self.first, self.second = nn.Linear(2, 8), nn.Linear(8, 1)

    def __call__(self, x: la.Tensor) -> la.Tensor:
        return la.checkpoint(lambda t: self.second(self.first(t).tanh()))(x)


class Recurrent(nn.Module):
    """Runs over the rows."""

    def __init__(self) -> None:
        self.cell = nn.LSTM(2, 3, batch_first=True)

    def __call__(self, x: la.Tensor) -> la.Tensor:
        return self.cell(x[None])[0]


KINDS = [
    made,
    Checkpointed,
    Recurrent,
    lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4)).eval(),
    lambda: nn.Sequential(nn.Linear(2, 4), nn.RMSNorm(4), nn.ReLU()),
]


@pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("kind", KINDS, ids=["mlp", "checkpointed", "recurrent", "batch norm", "rms norm"])
def test_an_ensemble_is_its_models(kind: Any, way: Any) -> None:
    models = [kind() for _ in range(3)]
    stacked = la.stack_module_state(models)
    run = la.vmap(lambda p, x: la.functional_call(models[0], p, x), in_axes=(0, None))
    x = la.asarray(X)

    def both(x: la.Tensor) -> Any:
        y = run(stacked, x)
        return y, (y**2).sum().backward()

    y, grads = way(both)(x)
    for place, model in enumerate(models):
        assert_close(y[place], model(x))
        wanted = (model(x) ** 2).sum().backward()
        for name, parameter in model.named_parameters():
            assert_close(grads[stacked[name]][place], wanted[parameter], 2e-5)


def test_an_ensemble_trains_in_one_compiled_step_as_its_models_do_alone() -> None:
    models, x, y = [made() for _ in range(5)], la.asarray(X), la.asarray(Y)
    stacked = la.stack_module_state(models)
    losses = la.vmap(lambda p, x, y: nn.mse_loss(la.functional_call(models[0], p, x), y), in_axes=(0, None, None))
    optimizer = optim.Adam(stacked.values(), lr=0.02)

    @la.compile
    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = losses(stacked, x, y)
        optimizer.step(loss.sum().backward())
        return loss

    found = [step(x, y).numpy() for _ in range(30)]
    for place, model in enumerate(models):
        alone = optim.Adam(model.parameters(), lr=0.02)
        for at in range(30):
            loss = nn.mse_loss(model(x), y)
            assert_close(found[at][place], loss, 2e-5)
            alone.step(loss.backward())
