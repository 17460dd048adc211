"""Weights that stay orthogonal, and all parameters as one vector: PyTorch's values and gradients."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.errors import DataError, DTypeError, ShapeError

SHAPES = [(4, 4), (5, 3), (3, 5), (1, 4)]
MAPS = ["householder", "matrix_exp", "cayley"]


def both(shape, orthogonal_map, trivial):
    """Return a layer of PyTorch and ours with the same weights."""
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Linear(shape[1], shape[0]).double(), nn.Linear(shape[1], shape[0], dtype="float64")
    ours.load_state_dict({name: la.asarray(each.detach().numpy()) for name, each in theirs.state_dict().items()})
    made = torch.nn.utils.parametrizations.orthogonal
    made(theirs, orthogonal_map=orthogonal_map, use_trivialization=trivial)
    return theirs, nn.orthogonal(ours, orthogonal_map=orthogonal_map, use_trivialization=trivial)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("orthogonal_map", MAPS)
@pytest.mark.parametrize("trivial", [True, False])
def test_orthogonal_weights_and_their_gradients_are_pytorchs(shape, orthogonal_map, trivial):
    theirs, ours = both(shape, orthogonal_map, trivial)
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(ours.weight.numpy(), theirs.weight.detach().numpy(), atol=1e-13)
    random = np.random.default_rng(1)
    state = {name: each.numpy() for name, each in theirs.state_dict().items()}
    state["parametrizations.weight.original"] = state["parametrizations.weight.original"] + 0.3 * random.normal(
        size=shape
    ) * (1.0 - np.eye(*shape))
    ours.load_state_dict({name: la.asarray(each) for name, each in state.items()})
    theirs.load_state_dict({name: torch.tensor(each) for name, each in state.items()})
    weight = ours.weight.numpy()
    square = weight @ weight.T if shape[0] <= shape[1] else weight.T @ weight
    np.testing.assert_allclose(square, np.eye(min(shape)), atol=1e-13)
    np.testing.assert_allclose(weight, theirs.weight.detach().numpy(), atol=1e-13)
    x = random.normal(size=(6, shape[1]))
    (theirs(torch.tensor(x)) ** 3).sum().backward()
    gradients = (ours(la.asarray(x)) ** 3).sum().backward()
    found = gradients[dict(ours.named_parameters())["parametrizations.weight.original"]].numpy()
    np.testing.assert_allclose(found, theirs.parametrizations.weight.original.grad.numpy(), atol=1e-11)


def test_an_orthogonal_weight_stays_so_while_it_is_trained_in_a_program():
    with la.random.use_generator(la.random.Generator(0)):
        layer, x, y = nn.orthogonal(nn.Linear(4, 4)), la.random.normal((16, 4)), la.random.normal((16, 4))
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.numpy()

    @la.compile
    def step(x, y):
        loss = nn.mse_loss(layer(x), y)
        optimizer.step(loss.backward())
        return loss

    losses = [step(x, y).item() for _ in range(20)]
    assert losses[-1] < losses[0]
    assert np.abs(layer.weight.numpy() - before).max() > 0.01
    np.testing.assert_allclose((layer.weight @ layer.weight.T).numpy(), np.eye(4), atol=1e-5)
    value = layer.weight.numpy()
    np.testing.assert_array_equal(nn.remove_parametrizations(layer, "weight").weight.numpy(), value)


def test_what_cannot_be_made_orthogonal_is_refused():
    for name, message in (("bias", "expected a matrix"), ("gain", "no trainable variable 'gain'")):
        with pytest.raises(DataError, match=message):
            nn.orthogonal(nn.Linear(3, 2), name)
    with pytest.raises(DataError, match="use one of householder, matrix_exp, cayley"):
        nn.orthogonal(nn.Linear(3, 3), orthogonal_map="qr")


# --- parameters as a vector ---


def test_parameters_as_a_vector_and_back_are_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    ours.load_state_dict({name: la.asarray(each.detach().numpy()) for name, each in theirs.state_dict().items()})
    vector = nn.parameters_to_vector(ours.parameters())
    np.testing.assert_array_equal(
        vector.numpy(), torch.nn.utils.parameters_to_vector(theirs.parameters()).detach().numpy()
    )
    nn.vector_to_parameters(vector * 2.0, ours.parameters())
    torch.nn.utils.vector_to_parameters(torch.tensor(vector.numpy() * 2.0), theirs.parameters())
    for name, each in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), each.numpy())


def test_a_vector_of_parameters_has_their_gradients():
    layer = nn.Linear(2, 1, init="ones")
    gradients = (nn.parameters_to_vector(layer.parameters()) ** 2).sum().backward()
    np.testing.assert_array_equal(gradients[layer.weight].numpy(), [[2.0, 2.0]])


def test_a_vector_that_does_not_fit_changes_nothing():
    layer = nn.Linear(2, 1)
    before = layer.weight.numpy()
    for length in (2, 4):
        with pytest.raises(ShapeError, match=r"parameters of 3 elements; expected \[3\]"):
            nn.vector_to_parameters(la.zeros((length,)), layer.parameters())
    np.testing.assert_array_equal(layer.weight.numpy(), before)
    with pytest.raises(DTypeError, match="expected tensors"):
        nn.parameters_to_vector([np.zeros(2)])
    with pytest.raises(DataError, match="there are no parameters"):
        nn.parameters_to_vector([])
