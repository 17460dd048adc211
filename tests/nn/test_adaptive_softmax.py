"""The softmax over clusters of classes beside PyTorch's: weights, values, gradients, eager and compiled."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

SETTINGS = [
    {"cutoffs": [4, 11], "div_value": 2.0},
    {"cutoffs": [4, 11], "div_value": 2.0, "head_bias": True},
    {"cutoffs": [1]},
    {"cutoffs": [19]},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("batch", [(60,), ()])
@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_gradients_are_pytorchs(settings, batch, compiled):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, **settings).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 20, **settings, dtype="float64")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(*batch, 8)), rng.integers(0, 20, batch)
    leaf = torch.tensor(x, requires_grad=True)
    expected = theirs(leaf, torch.tensor(labels))
    expected.loss.backward()

    def both(x, labels):
        x = la.variable(x)
        output, loss = ours(x, labels)
        gradients = loss.backward()
        return output, loss, ours.log_prob(x), [gradients.wrt(each) for each in (x, *ours.parameters())]

    output, loss, every, gradients = (la.compile(both) if compiled else both)(la.asarray(x), la.asarray(labels))
    wanted = [leaf.grad, *(each.grad for each in theirs.parameters())]
    for found, other in zip(
        (output, loss, every, *gradients),
        (expected.output, expected.loss, theirs.log_prob(leaf.reshape(-1, 8)).reshape(every.shape), *wanted),
        strict=True,
    ):
        other = torch.zeros(found.shape) if other is None else other
        np.testing.assert_allclose(found.numpy(), other.detach().numpy(), rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(ours.predict(la.asarray(x)).numpy(), every.numpy().argmax(-1))


def test_of_no_samples_there_are_no_probabilities():
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4])
    assert layer(la.zeros((0, 8)), la.zeros(0, dtype="int64")).output.shape == (0,)
    assert layer.predict(la.zeros((0, 8))).shape == (0,)


def test_what_does_not_fit_is_said():
    for cutoffs in ([], [0, 4], [4, 4], [20]):
        with pytest.raises(la.DataError, match="cutoffs increase and are from 1 to n_classes - 1 = 19"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)
    with pytest.raises(la.DataError, match="leaves no feature of 8 for cluster 2"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 8])
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4])
    with pytest.raises(la.ShapeError, match=r"expected \[n, in_features=8\] or \[in_features\], got shape \[3, 4\]"):
        layer(la.zeros((3, 4)), la.zeros(3, dtype="int64"))
    with pytest.raises(la.ShapeError, match=r"takes labels \[3\], got \[2\]"):
        layer(la.zeros((3, 8)), la.zeros(2, dtype="int64"))
    with pytest.raises(la.DataError, match="a label is out of range: they are 0 to 19"):
        layer(la.zeros((3, 8)), la.asarray([0, 20, 3]))
