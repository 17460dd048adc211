"""Normalisations against PyTorch: values, gradients, running statistics and loaded weights, eager and compiled."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

LAYERS = [
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (4, 3, 7)),
    ("BatchNorm1d", (3,), {"affine": False, "momentum": 0.3}, (2, 3)),
    ("BatchNorm1d", (3,), {"track_running_stats": False}, (5, 3)),
    ("BatchNorm2d", (4,), {}, (3, 4, 5, 1)),
    ("BatchNorm2d", (1,), {"eps": 0.1}, (1, 1, 3, 3)),
    ("BatchNorm3d", (2,), {}, (2, 2, 3, 1, 5)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 7)),
    ("InstanceNorm1d", (3,), {"affine": True}, (3, 7)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 3, 5)),
    ("InstanceNorm2d", (3,), {"track_running_stats": True, "momentum": None}, (3, 4, 1)),
    ("InstanceNorm3d", (2,), {"track_running_stats": True}, (2, 2, 3, 1, 5)),
    ("LayerNorm", (7,), {}, (5, 7)),
    ("LayerNorm", ((3, 5),), {"eps": 0.1}, (2, 4, 3, 5)),
    ("LayerNorm", (7,), {"bias": False}, (7,)),
    ("LayerNorm", (7,), {"elementwise_affine": False}, (2, 3, 7)),
    ("LayerNorm", (1,), {}, (3, 1)),
    ("GroupNorm", (2, 6), {}, (3, 6, 5)),
    ("GroupNorm", (1, 6), {"affine": False}, (3, 6)),
    ("GroupNorm", (6, 6), {}, (2, 6, 3, 3)),
    ("RMSNorm", (7,), {}, (5, 7)),
    ("RMSNorm", ((3, 5),), {"eps": 0.1}, (2, 3, 5)),
    ("RMSNorm", (7,), {"elementwise_affine": False}, (2, 3, 7)),
    ("LocalResponseNorm", (3,), {"alpha": 0.3, "beta": 0.6, "k": 2.0}, (2, 5, 4)),
    ("LocalResponseNorm", (4,), {"alpha": 1.0}, (2, 5, 3, 2)),
    ("LocalResponseNorm", (9,), {}, (2, 5, 3)),
]
EMPTY = [
    ("BatchNorm1d", (3,), {}, (0, 3)),
    ("BatchNorm2d", (3,), {}, (0, 3, 2, 2)),
    ("LayerNorm", (7,), {}, (0, 7)),
    ("GroupNorm", (2, 6), {}, (0, 6, 5)),
    ("RMSNorm", (7,), {}, (0, 7)),
]


def pair(name, args, options, dtype):
    """Return the layer and PyTorch's with the same weights, none of them trivial."""
    torch = pytest.importorskip("torch")
    kind = {} if name == "LocalResponseNorm" else {"dtype": dtype}
    ours = getattr(nn, name)(*args, **options, **kind)
    theirs = getattr(torch.nn, name)(*args, **options).to(getattr(torch, dtype))
    rng = np.random.default_rng(0)
    state = {
        key: each if each.ndim == 0 else torch.tensor(rng.uniform(0.5, 2.0, tuple(each.shape)), dtype=each.dtype)
        for key, each in theirs.state_dict().items()
    }
    theirs.load_state_dict(state)
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({key: each.numpy() for key, each in state.items()})
    return ours, theirs


def compare(ours, theirs, shape, dtype, tolerance, compiled=False, steps=3):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)

    def both(x, g):
        x = la.variable(x)
        y = ours(x)
        gradients = y.backward(g)
        return y, gradients[x], [gradients[each] for each in ours.parameters()]

    run = la.compile(both) if compiled else both
    for step in range(steps):
        x, g = (rng.normal(scale, 1.0 + scale, shape).astype(dtype) for scale in (step, 0))
        y, by_x, by_parameters = run(la.asarray(x), la.asarray(g))
        leaf = torch.tensor(x, requires_grad=True)
        for each in theirs.parameters():
            each.grad = None
        expected = theirs(leaf)
        expected.backward(torch.tensor(g))
        wanted = [expected.detach(), leaf.grad, *(each.grad for each in theirs.parameters())]
        for found, other in zip((y, by_x, *by_parameters), wanted, strict=True):
            np.testing.assert_allclose(found.numpy(), other.numpy(), rtol=tolerance, atol=tolerance)
        for key, each in theirs.state_dict().items():
            np.testing.assert_allclose(
                ours.state_dict()[key].numpy(), each.numpy(), rtol=tolerance, atol=tolerance, err_msg=key
            )


@pytest.mark.parametrize(("name", "args", "options", "shape"), [*LAYERS, *EMPTY])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_normalisations_are_pytorchs_in_values_gradients_and_statistics(
    name, args, options, shape, training, dtype, tolerance
):
    ours, theirs = pair(name, args, options, dtype)
    ours.train(training)
    theirs.train(training)
    compare(ours, theirs, shape, dtype, tolerance)


@pytest.mark.parametrize(("name", "args", "options", "shape"), [*LAYERS[::2], EMPTY[1]])
@pytest.mark.parametrize("training", [True, False])
def test_compiled_normalisations_are_pytorchs(name, args, options, shape, training):
    ours, theirs = pair(name, args, options, "float64")
    ours.train(training)
    theirs.train(training)
    compare(ours, theirs, shape, "float64", 1e-12, compiled=True)


@pytest.mark.parametrize(
    ("name", "args", "options", "shape"), [each for each in LAYERS if each[0] != "LocalResponseNorm"][1::3]
)
def test_normalisations_can_be_differentiated_twice(name, args, options, shape):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(name, args, {**options, "eps": 0.1}, "float64")
    rng = np.random.default_rng(2)
    x, c = rng.normal(size=shape), rng.normal(size=shape)
    first = la.grad(lambda t: (ours(t) ** 3 * la.asarray(c)).sum())
    found = la.grad(lambda t: (first(t) ** 2).sum())(la.asarray(x))
    leaf = torch.tensor(x, requires_grad=True)
    (g,) = torch.autograd.grad((theirs(leaf) ** 3 * torch.tensor(c)).sum(), leaf, create_graph=True)
    (wanted,) = torch.autograd.grad((g**2).sum(), leaf)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-8, atol=1e-9)


# --- accuracy ---------------------------------------------------------------------------------------------


HARD = {
    "plain": lambda x: x,
    "mean 1e4": lambda x: x + 1e4,
    "a first number far away": lambda x: np.where(np.arange(x.shape[-1]) == 0, 1e4, x),
    "a first sample far away": lambda x: np.where(np.arange(len(x))[:, None] == 0, 1e3, x),
    "skewed": lambda x: np.exp(2 * x),
    "in order": lambda x: np.sort(np.sort(x, axis=0), axis=1),
}


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("layer", ["LayerNorm", "BatchNorm1d"])
@pytest.mark.parametrize("compiled", [False, True])
def test_numbers_far_from_zero_keep_their_digits(kind, layer, compiled):
    """The mean of float32 numbers near 1e4 is known to 5e-4 only, if it is held in one number."""
    x = HARD[kind](np.random.default_rng(3).normal(size=(257, 200))).astype(np.float32)
    axis = 1 if layer == "LayerNorm" else 0
    exact = x.astype(np.float64)
    expected = (exact - exact.mean(axis, keepdims=True)) / np.sqrt(exact.var(axis, keepdims=True) + 1e-5)
    module = getattr(nn, layer)(200)
    found = (la.compile(lambda t: module(t)) if compiled else module)(la.asarray(x)).numpy()
    assert np.abs(found - expected).max() <= 4e-6 * np.abs(expected).max()


def test_equal_numbers_become_zero():
    x = la.full((3, 50), 12345.678)
    np.testing.assert_array_equal(nn.LayerNorm(50)(x).numpy(), np.zeros((3, 50)))
    np.testing.assert_array_equal(nn.BatchNorm1d(50)(x).numpy(), np.zeros((3, 50)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_numbers_are_normalised_in_float32(dtype):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(4).normal(100.0, 3.0, size=(8, 64)).astype(np.float32)
    found = nn.layer_norm(la.asarray(x).astype(dtype), 64)
    wanted = torch.nn.functional.layer_norm(torch.tensor(x).to(getattr(torch, dtype)), (64,))
    assert found.dtype.name == dtype
    difference = np.abs(found.astype("float32").numpy() - wanted.float().numpy())
    assert difference.max() <= (2**-8 if dtype == "float16" else 2**-5)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.BatchNorm1d(3)(la.zeros((1, 3))), "more than one value, got shape"),
        (lambda: nn.BatchNorm1d(3)(la.zeros((4, 2))), r"BatchNorm1d: expected 2 or 3 axes, with num_features=3"),
        (lambda: nn.BatchNorm2d(3)(la.zeros((4, 3))), "BatchNorm2d: expected 4 axes"),
        (lambda: nn.InstanceNorm1d(3)(la.zeros((4, 3, 1))), "more than one place"),
        (lambda: nn.LayerNorm(3)(la.zeros((4, 2))), r"last axes of the input are \[3\]"),
        (lambda: nn.LayerNorm(0), "normalized_shape must be a positive integer"),
        (lambda: nn.GroupNorm(4, 6), "must divide"),
        (lambda: nn.GroupNorm(2, 6)(la.zeros((4, 4))), r"weight has shape \[6\], expected \[4\]"),
        (lambda: nn.group_norm(la.zeros((4, 5)), 2), "divided by num_groups=2"),
        (lambda: nn.BatchNorm1d(3, dtype="int64"), "floating-point"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(la.LaminaError, match=message):
        make()


def test_evaluation_needs_statistics():
    with pytest.raises(la.DataError, match="running_mean and running_var"):
        nn.batch_norm(la.zeros((4, 2)), None, None)
    with pytest.raises(la.DataError, match="with la"):
        nn.batch_norm(la.zeros((4, 2)), la.zeros(2), la.ones(2), training=True)


def test_statistics_are_buffers():
    layer = nn.BatchNorm1d(2)
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert [name for name, _ in layer.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
