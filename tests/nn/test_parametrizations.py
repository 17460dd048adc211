"""Variables that are made of others, and spectral norm, against PyTorch's parametrizations."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import nn

# A layer, its settings, and the shape of an input.
LAYERS = [
    ("Linear", (5, 3), (4, 5)),
    ("Conv1d", (3, 4, 3), (2, 3, 7)),
    ("Conv2d", (3, 4, 2), (2, 3, 5, 4)),
    ("ConvTranspose2d", (3, 4, 2), (2, 3, 3, 4)),
    ("Bilinear", (5, 4, 3), (2, 5), (2, 4)),
]


@pytest.mark.parametrize(("name", "args", "shapes"), [(name, args, shapes) for name, args, *shapes in LAYERS])
@pytest.mark.parametrize("settings", [{}, {"n_power_iterations": 3}])
@pytest.mark.parametrize("compiled", [False, True])
def test_spectral_norm_is_pytorchs_in_values_gradients_vectors_and_state(name, args, shapes, settings, compiled):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.parametrizations.spectral_norm(getattr(torch.nn, name)(*args).double(), **settings)
    ours = nn.spectral_norm(getattr(nn, name)(*args, dtype="float64"), **settings)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    assert {key for key, _ in ours.named_parameters()} == {key for key, _ in theirs.named_parameters()}
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    original = ours.parametrizations["weight"].original

    def both(*arrays):
        y = ours(*arrays)
        return y, (y * y).sum().backward()[original]

    run = la.compile(both) if compiled else both
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        theirs.parametrizations.weight.original.grad = None
        expected = theirs(*map(torch.tensor, arrays))
        (expected * expected).sum().backward()
        y, gradient = run(*map(la.asarray, arrays))
        np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
        grad = theirs.parametrizations.weight.original.grad.numpy()
        np.testing.assert_allclose(gradient.numpy(), grad, rtol=1e-9, atol=1e-10)
        for key, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-10, atol=1e-12)


def test_the_first_vectors_are_near_the_singular_ones_and_a_weight_of_one_axis_has_length_one():
    weight = nn.spectral_norm(nn.Linear(6, 4)).weight
    assert np.linalg.svd(weight.numpy())[1][0] == pytest.approx(1.0, abs=0.05)
    layer = nn.LayerNorm(5)
    layer.weight.assign(la.arange(5.0))
    assert np.linalg.norm(nn.spectral_norm(layer).weight.numpy()) == pytest.approx(1.0)
    assert sorted(layer.state_dict()) == ["bias", "parametrizations.weight.original"]


class Doubled(nn.Module):
    def __call__(self, x):
        return 2.0 * x


class Squared(nn.Module):
    def __call__(self, x):
        return x * x

    def right_inverse(self, x):
        return la.sqrt(x)


def test_several_parametrizations_apply_in_turn_and_the_first_sets_the_original():
    layer = nn.Linear(2, 2, init="ones")
    layer.weight.assign(la.asarray([[4.0, 9.0], [1.0, 16.0]]))
    nn.register_parametrization(nn.register_parametrization(layer, "weight", Squared()), "weight", Doubled())
    np.testing.assert_allclose(layer.weight.numpy(), [[8.0, 18.0], [2.0, 32.0]], rtol=1e-6)
    original = layer.parametrizations["weight"].original
    np.testing.assert_allclose(original.numpy(), [[2.0, 3.0], [1.0, 4.0]])
    gradient = layer.weight.sum().backward()[original]
    np.testing.assert_allclose(gradient.numpy(), 4.0 * original.numpy())


@pytest.mark.parametrize(("leave", "expected"), [(True, 2.0), (False, 1.0)])
def test_what_is_left_is_the_value_or_the_original(leave, expected):
    layer = nn.register_parametrization(nn.Linear(2, 2, init="ones"), "weight", Doubled())
    assert nn.is_parametrized(layer)
    nn.remove_parametrizations(layer, "weight", leave_parametrized=leave)
    assert type(layer) is nn.Linear
    assert not nn.is_parametrized(layer)
    np.testing.assert_array_equal(layer.weight.numpy(), np.full((2, 2), expected))


def test_what_cannot_be_made_of_others_is_said_and_left_as_it_was():
    layer = nn.Linear(3, 2)
    with pytest.raises(la.DTypeError, match="register_parametrization: expected a Module, got int"):
        nn.register_parametrization(layer, "weight", 3)
    with pytest.raises(la.DataError, match="this Linear has no trainable variable 'wait'"):
        nn.spectral_norm(layer, "wait")
    with pytest.raises(la.ShapeError, match="n_power_iterations must be a positive integer"):
        nn.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(la.ShapeError, match=r"'weight' has shape \[2, 3\], and would have \[6\]"):
        nn.register_parametrization(layer, "weight", nn.Flatten(0))
    with pytest.raises(la.DataError, match="there is no one original"):
        nn.remove_parametrizations(nn.weight_norm(nn.Linear(3, 2)), "weight", leave_parametrized=False)
    assert sorted(layer.state_dict()) == ["bias", "weight"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@pytest.mark.parametrize("made", [nn.weight_norm, nn.spectral_norm])
def test_copies_and_pickled_modules_are_made_of_the_same_parts(made, copied):
    layer = made(nn.Linear(3, 2)).eval()
    other = copied(layer)
    assert type(other) is type(layer)
    assert other.state_dict().keys() == layer.state_dict().keys()
    np.testing.assert_array_equal(other.weight.numpy(), layer.weight.numpy())
    nn.remove_parametrizations(other, "weight")
    assert type(other) is nn.Linear
    assert nn.is_parametrized(layer)


def test_a_frozen_weight_that_is_one_again_stays_frozen():
    layer = nn.weight_norm(nn.Linear(3, 2)).freeze()
    nn.remove_parametrizations(layer, "weight")
    assert layer.parameters() == []
    assert sorted(name for name, _ in layer.unfreeze().named_parameters()) == ["bias", "weight"]
