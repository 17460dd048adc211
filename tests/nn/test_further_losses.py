"""Losses of margins, likelihoods and labels against PyTorch: values and gradients, eager and compiled."""

import math

import numpy as np
import pytest

import lamina as la
from lamina import nn

R = np.random.default_rng(0)
X, Y, Z = (R.normal(size=(6, 5)) for _ in range(3))
SIGNS = np.where(R.normal(size=(6, 5)) > 0, 1, -1)
LABELS = np.array([0, 4, 2, 2, 1, 3])
SEVERAL = np.array(
    [[3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [4, 4, 1, -1, -1], [0, 1, 2, 3, 4], [2, -1, 2, -1, 0], [1, 1, 1, 1, 1]]
)
WEIGHT = R.uniform(0.5, 2.0, size=5)
POSITIVE = R.uniform(0.2, 4.0, size=(6, 5))

# Name, tensors (a number of which are differentiated by), options.
CASES = [
    ("binary_cross_entropy", (POSITIVE / 4.0, (SIGNS > 0).astype(float)), 1, {}),
    ("binary_cross_entropy", (POSITIVE / 4.0, np.abs(Y) % 1.0), 2, {"weight": WEIGHT}),
    ("margin_ranking_loss", (X, Y, SIGNS), 2, {}),
    ("margin_ranking_loss", (X, X, SIGNS), 2, {"margin": 0.5}),
    ("soft_margin_loss", (40 * X, SIGNS), 1, {}),
    ("multi_margin_loss", (X, LABELS), 1, {}),
    ("multi_margin_loss", (X, LABELS), 1, {"p": 2, "margin": 0.7, "weight": WEIGHT}),
    ("multi_margin_loss", (X[0], LABELS[1]), 1, {}),
    ("multilabel_margin_loss", (X, SEVERAL), 1, {}),
    ("multilabel_margin_loss", (X[0], SEVERAL[0]), 1, {}),
    ("multilabel_soft_margin_loss", (X, (SIGNS > 0).astype(float)), 1, {}),
    ("multilabel_soft_margin_loss", (30 * X, (SIGNS > 0).astype(float)), 1, {"weight": WEIGHT}),
    ("poisson_nll_loss", (X, np.abs(3 * Y)), 1, {}),
    ("poisson_nll_loss", (POSITIVE, np.abs(3 * Y)), 1, {"log_input": False, "full": True, "eps": 1e-3}),
    ("gaussian_nll_loss", (X, Y, POSITIVE), 3, {}),
    ("gaussian_nll_loss", (X, Y, POSITIVE[:, 0]), 3, {"full": True, "eps": 0.9}),
    ("gaussian_nll_loss", (X, Y, POSITIVE[:, :1]), 3, {}),
    ("triplet_margin_loss", (X, Y, Z), 3, {}),
    ("triplet_margin_loss", (X, Y, Z), 3, {"p": 1.0, "margin": 2.0, "swap": True}),
    ("triplet_margin_loss", (X, X, X), 3, {"p": 3.0}),
    ("triplet_margin_loss", (X[0], Y[0], Z[0]), 3, {}),
    ("triplet_margin_with_distance_loss", (X, Y, Z), 3, {"margin": 0.5, "swap": True}),
]


def check(name, arrays, track, options, compiled=False, dtype=np.float64, tolerance=1e-10):
    torch = pytest.importorskip("torch")
    arrays = [each.astype(dtype) if each.dtype == np.float64 else each for each in arrays]
    options = {key: each.astype(dtype) if isinstance(each, np.ndarray) else each for key, each in options.items()}
    given = {key: la.asarray(each) if isinstance(each, np.ndarray) else each for key, each in options.items()}
    other = {key: torch.tensor(each) if isinstance(each, np.ndarray) else each for key, each in options.items()}
    cotangent = None

    def both(cotangent, *x):
        x = [la.variable(each) if at < track else each for at, each in enumerate(x)]
        y = getattr(nn, name)(*x, **given)
        gradients = y.backward(cotangent)
        return y, [gradients.wrt(each) for each in x[:track]]

    leaves = [torch.tensor(each, requires_grad=at < track) for at, each in enumerate(arrays)]
    expected = getattr(torch.nn.functional, name)(*leaves, **other)
    cotangent = np.random.default_rng(1).normal(size=tuple(expected.shape)).astype(dtype)
    y, gradients = (la.compile(both) if compiled else both)(la.asarray(cotangent), *map(la.asarray, arrays))
    expected.backward(torch.tensor(cotangent))
    assert y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    for found, leaf in zip(gradients, leaves, strict=False):
        np.testing.assert_allclose(found.numpy(), leaf.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "arrays", "track", "options"), CASES)
def test_losses_are_pytorchs_in_values_and_gradients(name, arrays, track, options, reduction):
    check(name, arrays, track, {**options, "reduction": reduction})


@pytest.mark.parametrize(("name", "arrays", "track", "options"), CASES)
def test_losses_of_float32_are_pytorchs(name, arrays, track, options):
    check(name, arrays, track, options, dtype=np.float32, tolerance=1e-5)


@pytest.mark.parametrize(("name", "arrays", "track", "options"), CASES)
def test_compiled_losses_are_pytorchs(name, arrays, track, options):
    check(name, arrays, track, {**options, "reduction": "none"}, compiled=True)


@pytest.mark.parametrize(
    ("layer", "arrays", "options"),
    [
        ("BCELoss", (POSITIVE / 4.0, np.abs(Y) % 1.0), {"reduction": "sum"}),
        ("TripletMarginLoss", (X, Y, Z), {"margin": 2.0, "swap": True}),
        ("TripletMarginWithDistanceLoss", (X, Y, Z), {"margin": 2.0}),
        ("PairwiseDistance", (X, Y), {"p": 1.0}),
        ("MarginRankingLoss", (X, Y, SIGNS), {"margin": 0.1}),
        ("SoftMarginLoss", (X, SIGNS), {"reduction": "sum"}),
        ("MultiMarginLoss", (X, LABELS), {"p": 2}),
        ("MultiLabelMarginLoss", (X, SEVERAL), {}),
        ("MultiLabelSoftMarginLoss", (X, (SIGNS > 0).astype(float)), {}),
        ("PoissonNLLLoss", (X, POSITIVE), {"full": True}),
        ("GaussianNLLLoss", (X, Y, POSITIVE), {"eps": 0.1}),
    ],
)
def test_loss_layers_are_pytorchs(layer, arrays, options):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, layer)(**options), getattr(torch.nn, layer)(**options)
    found, expected = ours(*map(la.asarray, arrays)), theirs(*map(torch.tensor, arrays))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-10)
    assert repr(ours).startswith(f"{layer}(")


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf])
def test_pairwise_distances_are_pytorchs(p):
    torch = pytest.importorskip("torch")
    found = nn.pairwise_distance(la.asarray(X), la.asarray(Y), p, keepdims=True)
    expected = torch.nn.functional.pairwise_distance(torch.tensor(X), torch.tensor(Y), p, keepdim=True)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


def test_a_layer_of_binary_cross_entropy_holds_its_weight_as_pytorchs_does():
    torch = pytest.importorskip("torch")
    layer, same = nn.BCELoss(la.asarray(WEIGHT)), torch.nn.BCELoss(torch.tensor(WEIGHT))
    assert list(layer.state_dict()) == list(same.state_dict()) == ["weight"]
    found, expected = (
        layer(la.asarray(POSITIVE / 4), la.asarray(SIGNS > 0)),
        same(torch.tensor(POSITIVE / 4), torch.tensor((SIGNS > 0).astype(float))),
    )
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_binary_cross_entropy_of_sure_and_wrong_probabilities_is_pytorchs(compiled):
    # In float32, since the least probability of PyTorch is that number in float64 too.
    p, y = np.array([0.0, 1.0, 1e-14, 1e-9]), np.array([1.0, 0.0, 1.0, 1.0])
    check("binary_cross_entropy", (p, y), 1, {"reduction": "none"}, compiled, np.float32, 1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_sure_probabilities_have_finite_losses_and_gradients(dtype):
    p = la.variable([0.0, 0.0, 1.0, 1.0], dtype=dtype)
    losses = nn.binary_cross_entropy(p, la.asarray([0, 1, 0, 1]), reduction="none")
    assert losses.dtype.name == dtype
    assert losses.tolist() == [0.0, 100.0, 100.0, 0.0]
    if dtype != "float16":  # whose numbers end before 1e12
        assert la.isfinite(losses.backward()[p]).all()


def test_a_distance_of_ones_own():
    torch = pytest.importorskip("torch")
    found = nn.triplet_margin_with_distance_loss(
        *map(la.asarray, (X, Y, Z)), distance_function=lambda x, y: 1.0 - nn.cosine_similarity(x, y)
    )
    expected = torch.nn.functional.triplet_margin_with_distance_loss(
        *map(torch.tensor, (X, Y, Z)), distance_function=lambda x, y: 1.0 - torch.cosine_similarity(x, y)
    )
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: nn.binary_cross_entropy(la.asarray(X), la.asarray(X)),
            "the input .* is out of range",
        ),
        (lambda: nn.binary_cross_entropy(la.ones(2), la.full(2, 3.0)), "the target 3.0 is out of range"),
        (lambda: la.compile(nn.binary_cross_entropy)(la.full(2, 3.0), la.ones(2)), "one input is out of range"),
        (lambda: nn.multi_margin_loss(la.asarray(X), la.asarray(LABELS + 1)), "label 5 is out of range"),
        (lambda: nn.multi_margin_loss(la.asarray(X), la.asarray(LABELS), p=3), "p is 1 or 2"),
        (lambda: nn.multilabel_margin_loss(la.asarray(X), la.asarray(SEVERAL - 1)), "out of range"),
        (lambda: nn.soft_margin_loss(la.asarray(X), la.asarray(X)), "labels are 1 or -1"),
        (lambda: nn.gaussian_nll_loss(la.asarray(X), la.asarray(Y), la.asarray(Z)), "a variance is negative"),
        (lambda: nn.gaussian_nll_loss(la.asarray(X), la.asarray(Y), la.zeros(3)), "var has the shape of the input"),
        (lambda: nn.triplet_margin_loss(la.asarray(X), la.asarray(Y), la.asarray(Z), margin=0.0), "positive"),
        (lambda: nn.pairwise_distance(la.asarray(X), la.asarray(Y), p=0.0), "p is positive"),
        (lambda: nn.margin_ranking_loss(la.asarray(X), la.asarray(Y[0]), la.asarray(SIGNS)), "must be equal"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(la.LaminaError, match=message):
        make()
