"""Tables of vectors against PyTorch's: values, gradients, and what a step costs."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lamina as la
from lamina import nn

INDICES = [
    np.array([3, 5, 3]), np.array([[0, 9], [9, 9]]), np.array([3, 3, 9, 9, 1]), np.zeros((0,), np.int64), np.array(4),
]  # fmt: skip


def tables(settings, dtype="float64", seed=0):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(seed).normal(size=(10, 4)).astype(dtype)
    ours = nn.Embedding.from_pretrained(values, freeze=False, **settings)
    theirs = torch.nn.Embedding.from_pretrained(torch.tensor(values), freeze=False, **{**settings, "sparse": False})
    return ours, theirs


SETTINGS = [
    {},
    {"padding_idx": 9},
    {"padding_idx": -7},
    {"scale_grad_by_freq": True},
    {"padding_idx": 3, "scale_grad_by_freq": True},
    {"max_norm": 1.0},
    {"max_norm": 1.5, "norm_type": 1.0},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("indices", INDICES, ids=lambda each: str(each.shape))
def test_embedding_is_pytorchs_in_values_and_gradients(settings, sparse, compiled, indices):
    torch = pytest.importorskip("torch")
    ours, theirs = tables({**settings, "sparse": sparse})
    cotangent = np.random.default_rng(1).normal(size=(*indices.shape, 4))

    def both(i, g):
        y = ours(i)
        return y, y.backward(g)[ours.weight]

    y, gradient = (la.compile(both) if compiled else both)(la.asarray(indices), la.asarray(cotangent))
    expected = theirs(torch.tensor(indices))
    expected.backward(torch.tensor(cotangent))
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradient.numpy(), theirs.weight.grad.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.weight.numpy(), theirs.weight.detach().numpy(), rtol=1e-12)
    assert isinstance(gradient, la.RowGradient) == sparse


@given(st.lists(st.integers(0, 6), max_size=12), st.integers(0, 2**31))
def test_rows_of_equal_indices_are_added_up(places, seed):
    rows = np.random.default_rng(seed).normal(size=(len(places), 3))
    g = la.RowGradient(la.asarray(np.array(places, np.int64)), la.asarray(rows), 7)
    found = g.distinct()
    expected = np.zeros((7, 3))
    np.add.at(expected, np.array(places, np.int64), rows)
    assert sorted(set(places)) == sorted(found.indices.tolist())
    np.testing.assert_allclose(found.dense().numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(g.numpy(), expected, rtol=1e-14)
    compiled = la.compile(lambda x: x.distinct())(g)
    np.testing.assert_allclose(compiled.dense().numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose(np.sort(compiled.rows.numpy()[compiled.indices.numpy() < 7], 0).sum(0), expected.sum(0))


def test_the_gradient_of_a_table_is_a_gradient_like_any_other():
    w = la.variable(np.arange(20.0).reshape(10, 2))
    g = (nn.embedding(la.asarray([3, 5, 3]), w) ** 2).sum().backward()[w]
    dense = (la.take(w, la.asarray([3, 5, 3]), axis=0) ** 2).sum().backward()[w].numpy()
    assert (g.shape, g.dtype, g.ndim, g.size) == ((10, 2), la.float64, 2, 20)
    for found, expected in [
        (g, dense),
        (g + g, 2 * dense),
        (-g, -dense),
        (3.0 * g / 2.0, 1.5 * dense),
        (g + w, dense + w.numpy()),
        (w + g, dense + w.numpy()),
        (w - g, w.numpy() - dense),
        (g * g, dense**2),
        (g.astype("float32"), dense),
        (g[3], dense[3]),
    ]:
        np.testing.assert_allclose(found.numpy(), expected)
    assert all(isinstance(each, la.RowGradient) for each in (g + g, -g, 3.0 * g, g / 2.0, g.astype("float32")))


def test_other_uses_of_a_table_make_its_gradient_dense():
    layer = nn.Embedding(6, 3, dtype="float64")
    loss = layer(la.asarray([1, 1, 4])).sum() + (layer.weight**2).sum() + (layer.weight * 3).sum()
    expected = 2 * layer.weight.numpy() + 3 + np.array([0, 2, 0, 0, 1, 0])[:, None]
    np.testing.assert_allclose(loss.backward()[layer.weight].numpy(), expected)


def test_a_table_that_was_computed_has_a_gradient_too():
    w = la.variable(np.arange(6.0).reshape(3, 2))
    g = nn.embedding(la.asarray([2, 2]), w * 3.0).sum().backward()[w]
    assert g.tolist() == [[0, 0], [0, 0], [6, 6]]


def test_derivatives_of_derivatives_pass_through_a_table():
    def f(look):
        return lambda w: (look(w) ** 3).sum()

    places = la.asarray([3, 0, 3])
    ours, plain = f(lambda w: nn.embedding(places, w)), f(lambda w: la.take(w, places, axis=0))
    w = la.asarray(np.random.default_rng(0).normal(size=(4, 2)))
    np.testing.assert_allclose(la.hessian(ours)(w).numpy(), la.hessian(plain)(w).numpy())
    np.testing.assert_allclose(la.jvp(ours, [w], [w])[1].numpy(), la.jvp(plain, [w], [w])[1].numpy())
    twice = la.grad(lambda x: (la.grad(ours)(x) ** 2).sum())(w)
    np.testing.assert_allclose(twice.numpy(), la.grad(lambda x: (la.grad(plain)(x) ** 2).sum())(w).numpy())


def test_a_loss_of_a_compiled_function_has_the_gradient_of_a_table():
    layer = nn.Embedding(6, 3, dtype="float64")
    loss = la.compile(lambda i: (layer(i) ** 2).sum())
    found = loss(la.asarray([1, 1, 4])).backward()[layer.weight]
    expected = (layer(la.asarray([1, 1, 4])) ** 2).sum().backward()[layer.weight]
    np.testing.assert_allclose(found.numpy(), expected.numpy())


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("wrong", [10, -1])
def test_an_index_that_is_no_rows_is_refused(compiled, wrong):
    layer = nn.Embedding(10, 2)
    look = la.compile(lambda i: layer(i)) if compiled else layer
    with pytest.raises(IndexError, match=r"out of range.* (0 to 9|length 10)"):
        look(la.asarray([0, wrong]))


def test_indices_are_integers():
    with pytest.raises(la.DTypeError, match="embedding: expected integers, got float32"):
        nn.Embedding(10, 2)(la.asarray([1.0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_embeddings": 0, "embedding_dim": 2}, "num_embeddings must be a positive integer"),
        ({"num_embeddings": 3, "embedding_dim": 2, "padding_idx": 3}, "padding_idx names one of the 3 rows"),
        ({"num_embeddings": 3, "embedding_dim": 2, "dtype": "int64"}, "floating-point numbers, got dtype int64"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(la.LaminaError, match=message):
        nn.Embedding(**settings)


def test_a_norm_is_limited_in_a_variable_only():
    with pytest.raises(la.DTypeError, match="max_norm changes the weight"):
        nn.embedding(la.asarray([0]), la.ones((2, 2)), max_norm=1.0)


# --- the layer --------------------------------------------------------------------------------------------


def test_weights_of_pytorch_load():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Embedding(5, 3, padding_idx=1)
    ours = nn.Embedding(5, 3, padding_idx=1)
    assert not ours.weight.numpy()[1].any()
    ours.load_state_dict({name: each.numpy() for name, each in theirs.state_dict().items()})
    assert ours(la.asarray([4, 1])).tolist() == theirs(torch.tensor([4, 1])).tolist()
    assert repr(ours) == "Embedding(5, 3, padding_idx=1)"


def test_a_table_of_given_vectors_is_frozen_unless_told_otherwise():
    assert not nn.Embedding.from_pretrained(np.ones((2, 3))).parameters()
    assert nn.Embedding.from_pretrained(np.ones((2, 3)), freeze=False).parameters()


# --- bags -------------------------------------------------------------------------------------------------

FLAT = np.array([3, 5, 3, 0, 9, 9, 1, 2])
BAGS = [
    (np.array([[3, 5, 3], [0, 9, 1]]), {}),
    (FLAT, {"offsets": np.array([0, 3, 3, 7])}),
    (FLAT, {"offsets": np.array([0, 8])}),
    (FLAT, {"offsets": np.array([0, 2, 5, 8]), "include_last_offset": True}),
    (FLAT, {"offsets": np.array([0, 3, 4, 6]), "padding_idx": 9}),
    (np.array([[3, 9, 3], [9, 9, 9]]), {"padding_idx": -1}),
]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("indices", "settings"), BAGS)
def test_bags_are_pytorchs_in_values_and_gradients(mode, compiled, indices, settings):
    torch = pytest.importorskip("torch")
    w = np.random.default_rng(0).normal(size=(10, 4))
    offsets = settings.get("offsets")
    rest = {"mode": mode, **{name: each for name, each in settings.items() if name != "offsets"}}
    leaf = torch.tensor(w, requires_grad=True)
    places = None if offsets is None else torch.tensor(offsets)
    expected = torch.nn.functional.embedding_bag(torch.tensor(indices), leaf, places, **rest)
    cotangent = np.random.default_rng(1).normal(size=tuple(expected.shape))
    expected.backward(torch.tensor(cotangent))
    table = la.variable(w)

    def both(i, o, g):
        y = nn.embedding_bag(i, table, o, **rest)
        return y, y.backward(g)[table]

    given = la.asarray(indices), None if offsets is None else la.asarray(offsets), la.asarray(cotangent)
    y, gradient = (la.compile(both) if compiled else both)(*given)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradient.numpy(), leaf.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_rows_of_bags_have_weights():
    torch = pytest.importorskip("torch")
    w, c = np.random.default_rng(0).normal(size=(10, 4)), np.random.default_rng(1).normal(size=(2, 3))
    i = np.array([[3, 5, 3], [0, 9, 1]])
    mine, theirs = la.variable(c), torch.tensor(c, requires_grad=True)
    y = nn.embedding_bag(la.asarray(i), la.asarray(w), mode="sum", per_sample_weights=mine)
    z = torch.nn.functional.embedding_bag(torch.tensor(i), torch.tensor(w), mode="sum", per_sample_weights=theirs)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12)
    (z**2).sum().backward()
    np.testing.assert_allclose((y**2).sum().backward()[mine].numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_weights_of_pytorchs_bags_load():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.EmbeddingBag(10, 4), nn.EmbeddingBag(10, 4)
    ours.load_state_dict({name: each.numpy() for name, each in theirs.state_dict().items()})
    found = ours(la.asarray(FLAT), la.asarray([0, 4])).numpy()
    wanted = theirs(torch.tensor(FLAT), torch.tensor([0, 4])).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert repr(ours) == "EmbeddingBag(10, 4, mode='mean')"


@pytest.mark.parametrize(
    ("indices", "settings", "message"),
    [
        (FLAT, {}, "with offsets"),
        (FLAT, {"offsets": la.asarray([1, 2])}, "begin with 0"),
        (FLAT, {"offsets": la.asarray([0, 5, 2])}, "ascending order"),
        (FLAT, {"offsets": la.asarray([0, 9])}, "end at most at 8"),
        (FLAT, {"offsets": la.asarray([0]), "mode": "median"}, "mode must be one of"),
        (FLAT, {"offsets": la.asarray([0]), "per_sample_weights": la.ones(8)}, "for mode='sum'"),
    ],
)
def test_bags_that_cannot_be_are_refused(indices, settings, message):
    with pytest.raises(la.LaminaError, match=message):
        nn.embedding_bag(la.asarray(indices), la.ones((10, 4)), **settings)
