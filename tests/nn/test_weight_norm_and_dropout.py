"""Weights of a length and a direction against PyTorch's, and dropout by what it leaves."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import nn

AXES = [0, 1, -1, None]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("compiled", [False, True])
def test_weight_norm_is_pytorchs_in_values_gradients_and_names(axis, compiled):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4).double(), dim=axis)
    ours = nn.weight_norm(nn.Linear(3, 4, dtype="float64"), axis=axis)
    assert {name: each.shape for name, each in ours.state_dict().items()} == {
        name: tuple(each.shape) for name, each in theirs.state_dict().items()
    }
    with torch.no_grad():
        for each in theirs.parameters():
            each.copy_(torch.tensor(np.random.default_rng(0).uniform(0.5, 2.0, tuple(each.shape))))
    ours.load_state_dict({name: each.numpy() for name, each in theirs.state_dict().items()})
    x = np.random.default_rng(1).normal(size=(5, 3))

    def both(x):
        y = ours(x)
        gradients = (y**2).sum().backward()
        return y, {name: gradients[each] for name, each in ours.named_parameters()}

    y, gradients = (la.compile(both) if compiled else both)(la.asarray(x))
    expected = theirs(torch.tensor(x))
    (expected**2).sum().backward()
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12)
    for name, each in theirs.named_parameters():
        np.testing.assert_allclose(gradients[name].numpy(), each.grad.numpy(), rtol=1e-11, atol=1e-12, err_msg=name)


def test_a_normalised_weight_is_trained_compiled_copied_and_made_plain_again():
    model = nn.Sequential(nn.weight_norm(nn.Linear(3, 4)), nn.Tanh(), nn.Linear(4, 1))
    optimizer = la.optim.SGD(model.parameters(), lr=0.1)
    x = la.asarray(np.random.default_rng(0).normal(size=(8, 3)).astype("float32"))

    @la.compile
    def step(x):
        loss = (model(x) ** 2).mean()
        optimizer.step(loss.backward())
        return loss

    first = step(x).item()
    assert step(x).item() < first
    expected = model(x).numpy()
    for copied in (copy.deepcopy(model),):
        np.testing.assert_array_equal(copied(x).numpy(), expected)
    layer = model.layers[0] if hasattr(model, "layers") else next(iter(model.children()))
    with pytest.raises(la.DataError, match="made of others already"):
        nn.weight_norm(layer)
    nn.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-5)
    with pytest.raises(la.DataError, match="is not made of others"):
        nn.remove_parametrizations(layer, "weight")
    assert pickle.loads(pickle.dumps(layer)).weight.tolist() == layer.weight.tolist()


def test_several_weights_of_a_module_are_normalised():
    class Two(nn.Module):
        def __init__(self):
            self.a, self.b = la.variable(np.ones((2, 3))), la.variable(np.ones((2, 3)))

        def __call__(self):
            return self.a - self.b

    module = nn.weight_norm(nn.weight_norm(Two(), "a"), "b")
    assert len(module.parameters()) == 4
    np.testing.assert_allclose(module().numpy(), 0.0)
    nn.remove_parametrizations(module, "a")
    assert sorted(module.state_dict()) == ["a", "parametrizations.b.original0", "parametrizations.b.original1"]
    nn.remove_parametrizations(module, "b")
    assert type(module) is Two


def test_what_is_no_trainable_weight_is_not_normalised():
    with pytest.raises(la.DataError, match="Tanh has no trainable variable 'weight'"):
        nn.weight_norm(nn.Tanh())
    with pytest.raises(la.DTypeError, match="expected a Module, got int"):
        nn.weight_norm(3)


# --- dropout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "leading"),
    [
        (nn.Dropout1d, (50, 40, 3), 2),
        (nn.Dropout1d, (2000, 3), 1),
        (nn.Dropout2d, (50, 40, 2, 3), 2),
        (nn.Dropout2d, (50, 40, 3), 2),
        (nn.Dropout3d, (50, 40, 2, 1, 3), 2),
        (nn.Dropout3d, (2000, 1, 2, 2), 1),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_whole_channels_are_zero_or_scaled(layer, shape, leading, compiled):
    drop = layer(0.25)
    y = (la.compile(lambda x: drop(x)) if compiled else drop)(la.ones(shape)).numpy()
    lines = y.reshape(np.prod(shape[:leading]), -1)
    assert (lines == lines[:, :1]).all()
    np.testing.assert_allclose(np.unique(lines), [0.0, 4 / 3], rtol=1e-6)
    assert abs((lines[:, 0] == 0).mean() - 0.25) < 0.04
    assert (drop.eval()(la.ones(shape)).numpy() == 1).all()


@pytest.mark.parametrize(("layer", "shape"), [(nn.Dropout1d, (3,)), (nn.Dropout2d, (3, 2)), (nn.Dropout3d, (3, 2, 2))])
def test_channels_have_places(layer, shape):
    with pytest.raises(la.ShapeError, match=rf"{layer.__name__}: expected . or . axes, got shape"):
        layer()(la.ones(shape))


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7])
def test_alpha_dropout_keeps_mean_and_variance(p):
    layer = nn.AlphaDropout(p)
    x = la.random.normal((400, 500))
    y = layer(x).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1.0) < 0.02
    assert (layer.eval()(x) == x).all()


def test_alpha_dropout_sets_what_pytorch_sets():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.AlphaDropout(0.3)(la.ones(1000)).numpy(), torch.nn.AlphaDropout(0.3)(torch.ones(1000)).numpy()
    np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)
    assert (nn.AlphaDropout(1.0)(la.ones(3)) == 0).all()


@pytest.mark.parametrize("layer", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout])
def test_a_probability_is_from_zero_to_one(layer):
    with pytest.raises(la.DataError, match=f"{layer.__name__}: p is the probability"):
        layer(1.5)
