"""Positions, gated units, and the cache of keys and values."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

rng = np.random.default_rng(0)


# --- positions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 4, 7])
def test_sinusoids_are_those_of_the_paper(width):
    table = nn.sinusoidal_positions(5, width, dtype="float64").numpy()
    for place in range(5):
        for at in range(width):
            angle = place / 10000 ** (2 * (at // 2) / width)
            assert table[place, at] == pytest.approx(np.cos(angle) if at % 2 else np.sin(angle), rel=1e-14, abs=1e-15)


def test_sinusoids_are_added_from_a_start():
    x = la.zeros((2, 3, 4))
    found = nn.SinusoidalPositions(4)(x, start=2).numpy()
    np.testing.assert_array_equal(found[1], nn.sinusoidal_positions(5, 4).numpy()[2:])


def test_learned_positions_are_added_and_learn():
    layer = nn.LearnedPositions(6, 4)
    x = la.asarray(rng.normal(size=(2, 3, 4)).astype("float32"))
    np.testing.assert_array_equal(layer(x).numpy(), x.numpy() + layer.weight.numpy()[:3])
    np.testing.assert_array_equal(layer(x, la.asarray([5, 0, 1])).numpy(), x.numpy() + layer.weight.numpy()[[5, 0, 1]])
    assert layer(x).sum().backward()[layer.weight].numpy()[:, 0].tolist() == [2, 2, 2, 0, 0, 0]
    with pytest.raises(la.ShapeError, match="at most 6 positions"):
        layer(la.zeros((7, 4)))


@pytest.mark.parametrize("given", [False, True])
def test_interleaved_rotation_multiplies_pairs_as_complex_numbers(given):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 3, 5, 8))
    places = rng.integers(0, 1000, 5) if given else np.arange(5)
    angles = torch.outer(torch.tensor(places, dtype=torch.float64), 10000 ** (-torch.arange(0, 8, 2).double() / 8))
    turned = torch.view_as_complex(torch.tensor(x).reshape(2, 3, 5, 4, 2)) * torch.polar(
        torch.ones_like(angles), angles
    )
    found = nn.rotary_embedding(la.asarray(x), la.asarray(places) if given else None, interleaved=True)
    np.testing.assert_allclose(
        found.numpy(), torch.view_as_real(turned).reshape(x.shape).numpy(), rtol=1e-11, atol=1e-12
    )


def test_half_split_rotation_is_the_interleaved_one_of_shuffled_elements():
    x = rng.normal(size=(5, 8))
    order = np.arange(8).reshape(2, 4).T.reshape(-1)
    halves = nn.rotary_embedding(la.asarray(x)).numpy()
    np.testing.assert_allclose(
        halves[:, order], nn.rotary_embedding(la.asarray(x[:, order]), interleaved=True).numpy(), rtol=1e-12
    )


@pytest.mark.parametrize("interleaved", [False, True])
def test_products_of_rotated_vectors_depend_on_their_distance_only(interleaved):
    layer = nn.RotaryEmbedding(base=500.0, interleaved=interleaved)
    q, k = (la.asarray(rng.normal(size=(1, 6))) for _ in range(2))

    def product(at, behind):
        turned = [layer(x, la.asarray([place])) for x, place in ((q, at + behind), (k, at))]
        return (turned[0] * turned[1]).sum().item()

    assert product(0, 3) == pytest.approx(product(41, 3), rel=1e-10)


def test_alibi_slopes_are_the_papers():
    # Section 3: for eight heads 1/2 to 1/256; the authors' code for twelve goes on with every second of sixteen.
    assert (-nn.alibi_bias(8, 2)[:, 1, 0]).tolist() == [2.0**-h for h in range(1, 9)]
    expected = [2.0**-h for h in range(1, 9)] + [2.0 ** -(h / 2) for h in (1, 3, 5, 7)]
    np.testing.assert_allclose((-nn.alibi_bias(12, 2)[:, 1, 0]).numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(nn.alibi_bias(3, 2, 4).numpy(), nn.alibi_bias(3, 4).numpy()[:, 2:])


def test_positions_that_do_not_fit_are_refused():
    with pytest.raises(la.ShapeError, match="with d even"):
        nn.rotary_embedding(la.zeros((2, 3)))
    with pytest.raises(la.DTypeError, match="positions are integers"):
        nn.rotary_embedding(la.zeros((2, 4)), la.zeros(2))
    with pytest.raises(la.ShapeError, match=r"expected shape \[..., L, 4\]"):
        nn.SinusoidalPositions(4)(la.zeros((2, 5)))


# --- gated units ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu_is_pytorchs(axis):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(4, 6, 2))
    expected = torch.nn.GLU(axis)(torch.tensor(x)).numpy()
    np.testing.assert_allclose(nn.GLU(axis)(la.asarray(x)).numpy(), expected, rtol=1e-12)
    with pytest.raises(la.ShapeError, match="its length is even"):
        nn.glu(la.zeros((2, 3)))


def test_swiglu_is_the_product_of_two_maps_one_through_silu():
    torch = pytest.importorskip("torch")
    layer = nn.SwiGLU(4, 6, 3, bias=True, dtype="float64")
    assert [name for name, _ in layer.named_parameters()] == [f"w{n}.{p}" for n in "123" for p in ("weight", "bias")]
    x = rng.normal(size=(2, 4))
    w = {name: torch.tensor(value.numpy()) for name, value in layer.state_dict().items()}
    linear = torch.nn.functional.linear
    first, third = (linear(torch.tensor(x), w[f"w{n}.weight"], w[f"w{n}.bias"]) for n in "13")
    expected = linear(torch.nn.functional.silu(first) * third, w["w2.weight"], w["w2.bias"])
    np.testing.assert_allclose(layer(la.asarray(x)).numpy(), expected.numpy(), rtol=1e-12)


# --- the cache --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_attention_over_a_cache_is_causal_attention_over_everything(compiled):
    q, k, v = (la.asarray(rng.normal(size=(2, 3, 7, 4))) for _ in range(3))
    expected = nn.scaled_dot_product_attention(q, k, v, is_causal=True).numpy()
    cache = nn.KeyValueCache(2, 3, capacity=9, width=4, dtype="float64")

    def step(q, k, v):
        keys, values, mask = cache.extended(k, v)
        return nn.scaled_dot_product_attention(q, keys, values, mask)

    run = la.compile(step) if compiled else step
    for _ in range(2):
        cache.clear()
        parts = [run(*(x[:, :, a:b] for x in (q, k, v))) for a, b in ((0, 3), (3, 4), (4, 5), (5, 7))]
        np.testing.assert_allclose(la.concat(parts, axis=2).numpy(), expected, rtol=1e-12)
    assert cache.length.item() == 7
    if compiled:
        assert run.traces == 3  # three, one and two places at once; how full the cache is makes no difference


def test_a_cache_refuses_what_does_not_fit():
    cache = nn.KeyValueCache(2, 3, capacity=2, width=4)
    for shape in ((2, 3, 3, 4), (2, 3, 1, 5), (3, 1, 4)):
        with pytest.raises(la.ShapeError, match=r"expected keys and values of shape \[2, 3, L, 4\] with L at most 2"):
            cache.extended(la.zeros(shape), la.zeros(shape))
    assert cache.length.item() == 0
