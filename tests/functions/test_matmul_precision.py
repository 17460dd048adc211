"""Products of operands rounded to bfloat16: what they are, who follows, and who does not."""

import re
import threading

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn, optim
from lamina.backends.rounding import rounded, rounded_by_bits

UNIT = 2.0**-8


def rounded_by_ml_dtypes(x):
    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def assert_near(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


BITS = st.integers(0, 2**32 - 1)
SPECIAL = (0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7FFFFFFF, 0x3F808000, 0x3F818000, 0x80000000, 0x7F7F8000)


@pytest.mark.parametrize("way", [rounded_by_bits, lambda x: rounded(np, x)], ids=["bits", "array api"])
@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.one_of(BITS, st.sampled_from(SPECIAL), BITS.map(lambda word: word & ~0x7FFF)), min_size=1))
def test_rounding_is_that_of_ml_dtypes_for_normal_numbers(way, words):
    x = np.asarray(words, np.uint32).view(np.float32)
    x = x[~(np.abs(x) < 2.0**-126) | (x == 0)]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(way(x), rounded_by_ml_dtypes(x))


@given(m=st.integers(1, 20), n=st.integers(1, 20), k=st.integers(0, 40), seed=st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_the_error_is_within_the_bound_that_is_documented(m, n, k, seed):
    a, b = normal(m, k, seed=seed), normal(k, n, seed=seed + 1)
    with la.matmul_precision("bfloat16"):
        found = (la.asarray(a) @ la.asarray(b)).numpy()
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    bound = (2 * UNIT + UNIT**2 + k * 2.0**-23 * (1 + UNIT) ** 2) * (np.abs(wide_a) @ np.abs(wide_b))
    assert (np.abs(found - wide_a @ wide_b) <= bound).all()


def test_values_are_sums_of_products_of_rounded_operands():
    a, b = normal(9, 30), normal(30, 7, seed=1)
    with la.matmul_precision("bfloat16"):
        found = (la.asarray(a) @ la.asarray(b)).numpy()
    assert_near(found, rounded_by_ml_dtypes(a) @ rounded_by_ml_dtypes(b))
    assert np.abs(found - a @ b).max() > 1e-4


def test_infinity_and_nan_keep_their_meaning():
    x = la.asarray([[np.inf, 1.0], [np.nan, 1.0], [3.4e38, 1.0]])
    with la.matmul_precision("bfloat16"):
        found = (x @ la.ones((2, 1))).numpy().ravel()
    assert found[0] == np.inf
    assert np.isnan(found[1])
    assert found[2] == np.inf  # The largest numbers round up to infinity.


# --- derivatives ------------------------------------------------------------------------------------------


def test_gradients_are_such_products_wherever_the_sweep_runs():
    a, b, g = normal(5, 8), normal(8, 3, seed=1), normal(5, 3, seed=2)
    x, w = la.variable(a), la.variable(b)
    with la.matmul_precision("bfloat16"):
        y = x @ w
    gradients = y.backward(la.asarray(g))
    assert_near(gradients[x].numpy(), rounded_by_ml_dtypes(g) @ rounded_by_ml_dtypes(b).T)
    assert_near(gradients[w].numpy(), rounded_by_ml_dtypes(a).T @ rounded_by_ml_dtypes(g))


def test_the_gradient_of_a_gradient_is_a_rounded_product_too():
    a, b = normal(4, 6), normal(6, 4, seed=1)

    def f(x):
        with la.matmul_precision("bfloat16"):
            y = x @ la.asarray(b)
        return (y * y).sum()

    def along(x):
        return (la.grad(f)(x) * la.asarray(a)).sum()

    # Of |xB|^2 the gradient is 2 xB B^T, whose product with A has the gradient 2 AB B^T.
    inner = rounded_by_ml_dtypes(2.0 * (rounded_by_ml_dtypes(a) @ rounded_by_ml_dtypes(b)))
    found = la.grad(along)(la.asarray(normal(4, 6, seed=2))).numpy()
    np.testing.assert_allclose(found, inner @ rounded_by_ml_dtypes(b).T, rtol=0.02, atol=0.02)


def test_a_checkpointed_part_is_computed_again_as_at_first():
    x, w = la.asarray(normal(5, 8)), la.variable(normal(8, 3, seed=1))

    def part(x):
        return ((x @ w).tanh() @ w.T).tanh()

    with la.matmul_precision("bfloat16"):
        kept, again = part(x), la.checkpoint(part)(x)
    np.testing.assert_array_equal(kept.backward()[w].numpy(), again.backward()[w].numpy())


# --- who follows ------------------------------------------------------------------------------------------

FOLLOW = {
    "matmul": lambda x: la.matmul(x, x.mT),
    "matrix times vector": lambda x: x @ x[0, 0],
    "tensordot": lambda x: la.tensordot(x, x, axes=([2], [2])),
    "einsum": lambda x: la.einsum("bij,bkj->bik", x, x),
    "Linear": lambda x: nn.Linear(6, 5)(x),
    "attention": lambda x: nn.scaled_dot_product_attention(x, x, x),
    "MultiheadAttention": lambda x: nn.MultiheadAttention(6, 2)(x, x, x)[0],
    "LSTM": lambda x: nn.LSTM(6, 4)(x)[0],
    "GRUCell": lambda x: nn.GRUCell(6, 4)(x[0], la.zeros((5, 4))),
}
STAY = {
    "convolution": lambda x: nn.Conv1d(5, 3, 3)(x),
    "float64": lambda x: x.astype(la.float64) @ x.astype(la.float64).mT,
}


def rows_of(f):
    """The names of the products in the forward and backward graph of a function."""

    def step(x):
        return la.value_and_grad(lambda x: (f(x) ** 2).sum())(x)

    with la.matmul_precision("bfloat16"):
        text = str(la.compile(step).explain(la.asarray(normal(3, 5, 6))).after)
    return set(re.findall(r"= (matmul\w*)\(", text))


@pytest.mark.parametrize("name", FOLLOW)
def test_what_is_made_of_products_follows_forwards_and_backwards(name):
    assert rows_of(FOLLOW[name]) == {"matmul_bfloat16"}


def test_attention_in_blocks_follows_backwards_too():
    q = la.asarray(normal(1, 600, 4))

    def attended(q):
        with la.matmul_precision("bfloat16"):
            return nn.attention_blocks.blockwise_attention(q, q, q, None, is_causal=True, scale=0.5, block=300).sum()

    text = str(la.compile(lambda q: la.grad(attended)(q)).explain(q).after)
    assert set(re.findall(r"= (matmul\w*)\(", text)) == {"matmul_bfloat16"}


@pytest.mark.parametrize("name", STAY)
def test_other_types_and_convolutions_stay_as_they_are(name):
    assert "matmul_bfloat16" not in rows_of(STAY[name])


def test_optimisers_and_decompositions_stay_as_they_are():
    w = la.variable(normal(6, 6))

    def trained(precision):
        w.assign(la.asarray(normal(6, 6)))
        opt = optim.Muon([w], lr=0.1)
        with la.matmul_precision(precision):
            opt.step((w * w).sum().backward())
            return w.numpy(), la.linalg.pinv(w.value).numpy()

    for one, other in zip(trained("float32"), trained("bfloat16"), strict=True):
        np.testing.assert_array_equal(one, other)


# --- how it is set ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["tf32", "highest", None, 16, la.bfloat16])
def test_another_name_is_refused_and_changes_nothing(wrong):
    with pytest.raises(la.DataError, match="'float32' or 'bfloat16'"):
        la.set_matmul_precision(wrong)
    with pytest.raises(la.DataError, match="'float32' or 'bfloat16'"):
        la.matmul_precision(wrong)
    assert la.get_matmul_precision() == "float32"


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_a_block_is_for_its_own_thread_and_ends_when_it_is_left():
    with la.matmul_precision("bfloat16"):
        assert la.get_matmul_precision() == "bfloat16"
        assert in_a_thread(la.get_matmul_precision) == "float32"
        with la.matmul_precision("float32"):
            assert la.get_matmul_precision() == "float32"
        assert la.get_matmul_precision() == "bfloat16"
    with pytest.raises(ZeroDivisionError), la.matmul_precision("bfloat16"):
        _ = 1 / 0
    assert la.get_matmul_precision() == "float32"


def test_what_is_set_is_for_every_thread():
    la.set_matmul_precision("bfloat16")
    try:
        assert in_a_thread(la.get_matmul_precision) == la.get_matmul_precision() == "bfloat16"
        with la.matmul_precision("float32"):
            assert la.get_matmul_precision() == "float32"
    finally:
        la.set_matmul_precision("float32")


def test_a_compiled_function_is_traced_once_for_each_precision():
    x, w = la.asarray(normal(6, 8)), la.asarray(normal(8, 4, seed=1))
    product = la.compile(lambda x, w: x @ w)
    full = product(x, w).numpy()
    for _ in range(4):  # from the third call on, by the short way
        with la.matmul_precision("bfloat16"):
            coarse = product(x, w).numpy()
        np.testing.assert_array_equal(product(x, w).numpy(), full)
        assert_near(coarse, rounded_by_ml_dtypes(x.numpy()) @ rounded_by_ml_dtypes(w.numpy()))
        assert np.abs(coarse - full).max() > 1e-4
    assert product.traces == 2
    la.set_matmul_precision("bfloat16")
    try:
        np.testing.assert_array_equal(product(x, w).numpy(), coarse)
        assert product.traces == 2
    finally:
        la.set_matmul_precision("float32")


def test_fit_trains_in_the_precision_that_it_is_given():
    def trained(**options):
        la.random.seed(0)
        model = nn.Linear(6, 2)
        history = la.fit(
            model, (normal(32, 6), normal(32, 2, seed=1)), loss=nn.mse_loss, epochs=2, seed=0, progress=False, **options
        )
        return history["loss"], model.weight.numpy()

    losses, weight = trained(matmul_precision="bfloat16")
    np.testing.assert_allclose(losses, trained()[0], rtol=1e-2)
    assert (weight != trained()[1]).any()
    with la.matmul_precision("bfloat16"):
        np.testing.assert_array_equal(weight, trained()[1])
    with pytest.raises(la.DataError, match="'float32' or 'bfloat16'"):
        trained(matmul_precision="half")
    assert la.get_matmul_precision() == "float32"
