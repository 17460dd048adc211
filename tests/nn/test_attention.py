"""Scaled dot-product attention: against PyTorch, in blocks against as a whole, and compiled."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn
from lamina.nn import attention, attention_blocks

rng = np.random.default_rng(0)
MASKS = {
    "none": lambda shape: None,
    "bools": lambda shape: rng.random(shape[-2:]) < 0.6,
    "bools of each head": lambda shape: rng.random(shape) < 0.6,
    "bools of each key": lambda shape: rng.random((shape[0], 1, 1, shape[-1])) < 0.6,
    "numbers": lambda shape: rng.normal(size=(shape[1], *shape[-2:])),
    "numbers and minus infinity": lambda shape: np.where(rng.random(shape[-2:]) < 0.4, -np.inf, 0.5),
}


def in_blocks_of(monkeypatch, size):
    """Compute attention in blocks, however short."""
    monkeypatch.setattr(attention, "LONG", 1)
    monkeypatch.setattr(attention_blocks, "BLOCK", size)


def operands(heads=4, shared=2, queries=7, keys=9, width=5, values=3, samples=2):
    return (
        rng.normal(size=(samples, heads, queries, width)),
        rng.normal(size=(samples, shared, keys, width)),
        rng.normal(size=(samples, shared, keys, values)),
    )


def differentiated(arrays, mask, **options):
    """Return the result and the gradients of a sum by every operand, and by a mask of numbers."""
    variables = [la.variable(x) for x in arrays]
    given = None if mask is None else la.variable(mask)
    y = nn.scaled_dot_product_attention(*variables, given, **options)
    gradients = (y * la.cos(la.arange(y.size, dtype=y.dtype).reshape(y.shape))).sum().backward()
    if given is not None and given.trainable:
        variables.append(given)
    return y.numpy(), [gradients[x].numpy() for x in variables]


def theirs(arrays, mask, **options):
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(x, requires_grad=True) for x in arrays]
    if mask is not None:
        mask = torch.tensor(mask, requires_grad=mask.dtype != bool)
    y = torch.nn.functional.scaled_dot_product_attention(*tensors, attn_mask=mask, **options)
    (y * torch.cos(torch.arange(y.numel(), dtype=y.dtype)).reshape(y.shape)).sum().backward()
    found = [*tensors, *([] if mask is None or not mask.requires_grad else [mask])]
    return y.detach().numpy(), [x.grad.numpy() for x in found]


def agree(ours, others, tolerance=1e-12):
    np.testing.assert_allclose(ours[0], others[0], rtol=tolerance, atol=tolerance)
    assert len(ours[1]) == len(others[1])
    for a, b in zip(ours[1], others[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# --- against PyTorch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [None, 4], ids=["whole", "blocks"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shared", [4, 2, 1])
def test_values_and_gradients_are_pytorchs(mask, shared, block, monkeypatch):
    if block:
        in_blocks_of(monkeypatch, block)
    arrays = operands(shared=shared)
    chosen = MASKS[mask]((2, 4, 7, 9))
    if chosen is not None and chosen.dtype != bool:
        chosen[..., 0] = 0.25  # PyTorch's gradient by such a mask has NaN where a query sees nothing
    agree(differentiated(arrays, chosen, enable_gqa=True), theirs(arrays, chosen, enable_gqa=True, is_causal=False))


@pytest.mark.parametrize("block", [None, 4], ids=["whole", "blocks"])
@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (9, 9), (5, 13), (13, 5), (8, 4)])
def test_causal_attention_is_pytorchs_where_lengths_differ_too(queries, keys, block, monkeypatch):
    if block:
        in_blocks_of(monkeypatch, block)
    arrays = operands(shared=4, queries=queries, keys=keys)
    agree(differentiated(arrays, None, is_causal=True, scale=0.3), theirs(arrays, None, is_causal=True, scale=0.3))


def test_inputs_without_heads_and_shared_keys_broadcast():
    torch = pytest.importorskip("torch")
    q, k, v = rng.normal(size=(3, 4, 2)), rng.normal(size=(5, 2)), rng.normal(size=(5, 6))
    expected = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v))).numpy()
    np.testing.assert_allclose(
        nn.scaled_dot_product_attention(*map(la.asarray, (q, k, v))).numpy(), expected, rtol=1e-12
    )


@pytest.mark.parametrize("block", [None, 4], ids=["whole", "blocks"])
def test_a_query_that_sees_no_key_gets_zeros_and_no_gradient(block, monkeypatch):
    if block:
        in_blocks_of(monkeypatch, block)
    mask = np.ones((7, 9), dtype=bool)
    mask[3] = False
    y, (by_query, *_) = differentiated(operands(shared=4), mask)
    assert not y[:, :, 3].any()
    assert not by_query[:, :, 3].any()
    assert np.isfinite(by_query).all()


@pytest.mark.parametrize("block", [None, 4], ids=["whole", "blocks"])
def test_large_scores_do_not_overflow(block, monkeypatch):
    if block:
        in_blocks_of(monkeypatch, block)
    q, k, v = (1e4 * x.astype("float32") for x in operands(shared=4))
    assert np.isfinite(nn.scaled_dot_product_attention(*map(la.asarray, (q, k, v))).numpy()).all()


@pytest.mark.parametrize("empty", ["samples", "queries", "keys", "heads"])
def test_what_is_empty_stays_empty_and_no_keys_give_zeros(empty):
    sizes = {"heads": 2, "shared": 2, empty: 0, **({"shared": 0} if empty == "heads" else {})}
    q, k, v = map(la.asarray, operands(**sizes))
    y = nn.scaled_dot_product_attention(q, k, v)
    assert y.shape == (*q.shape[:-1], 3)
    assert not y.numpy().any()


# --- in blocks --------------------------------------------------------------------------------------------


@given(
    st.integers(1, 11), st.integers(1, 11), st.integers(1, 5), st.sampled_from(sorted(MASKS)), st.booleans(),
    st.sampled_from([4, 2]),
)  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_blocks_give_what_the_whole_does(queries, keys, block, mask, is_causal, shared):
    arrays = operands(shared=shared, queries=queries, keys=keys)
    chosen = MASKS[mask]((2, 4, queries, keys))
    options = {"is_causal": is_causal, "enable_gqa": True}
    whole = differentiated(arrays, chosen, **options)
    with pytest.MonkeyPatch.context() as patch:
        in_blocks_of(patch, block)
        agree(differentiated(arrays, chosen, **options), whole)


def test_second_derivatives_of_blocks_are_those_of_the_whole(monkeypatch):
    q, k, v = (la.asarray(x[0, 0, :5]) for x in operands())

    def second(x):
        inner = la.grad(lambda q: (nn.scaled_dot_product_attention(q, k, v, is_causal=True) ** 3).sum())
        return la.grad(lambda q: (inner(q) ** 2).sum())(x).numpy()

    whole = second(q)
    in_blocks_of(monkeypatch, 2)
    np.testing.assert_allclose(second(q), whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("is_causal", [False, True])
def test_long_inputs_make_no_array_of_queries_by_keys(is_causal, monkeypatch):
    length = 1024
    q, k, v = (la.variable(x.astype("float32")) for x in operands(1, 1, length, length, 8, 8, 1))
    largest = 0
    compute = attention_blocks.shared_product

    def watched(x, y, *row):
        nonlocal largest
        result = compute(x, y, *row)
        largest = max(largest, result.size)
        return result

    monkeypatch.setattr(attention_blocks, "shared_product", watched)
    nn.scaled_dot_product_attention(q, k, v, is_causal=is_causal).sum().backward()
    assert 0 < largest <= length * length // 16


def test_dropout_in_blocks_drops_the_same_weights_backwards(monkeypatch):
    in_blocks_of(monkeypatch, 4)
    q, k = (la.asarray(x) for x in operands(shared=4)[:2])
    v = la.asarray(rng.normal(size=(2, 4, 9, 3)))

    def attended(v):
        la.random.seed(5)
        return nn.scaled_dot_product_attention(q, k, v, dropout_p=0.4)

    # The result is linear in the values: the pullback of dropped weights is their transpose.
    direction, cotangent = la.asarray(rng.normal(size=v.shape)), la.asarray(rng.normal(size=(2, 4, 7, 3)))
    _, pullback = la.vjp(attended, v)
    forwards = (attended(direction) * cotangent).sum().item()
    np.testing.assert_allclose((pullback(cotangent)[0] * direction).sum().item(), forwards, rtol=1e-12)


@pytest.mark.parametrize("block", [None, 16], ids=["whole", "blocks"])
def test_dropout_keeps_the_expectation(block, monkeypatch):
    if block:
        in_blocks_of(monkeypatch, block)
    q = la.zeros((1, 60, 2))
    y = nn.scaled_dot_product_attention(q, la.zeros((1, 50, 2)), la.ones((1, 50, 1)), dropout_p=0.25)
    assert abs(y.mean().item() - 1.0) < 0.05
    assert y.std().item() > 0.02


# --- compiled ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [None, 4], ids=["whole", "blocks"])
@pytest.mark.parametrize("mask", ["none", "bools", "numbers"])
def test_compiled_attention_is_the_eager_one(block, mask, monkeypatch):
    if block:
        in_blocks_of(monkeypatch, block)
    variables = [la.variable(x) for x in operands()]
    chosen = MASKS[mask]((2, 4, 7, 9))
    given = None if chosen is None else la.asarray(chosen)

    def step():
        y = nn.scaled_dot_product_attention(*variables, given, is_causal=True, dropout_p=0.2, enable_gqa=True)
        gradients = (y * y).sum().backward()
        return y, [gradients[x] for x in variables]

    la.random.seed(1)
    expected, expected_gradients = step()
    la.random.seed(1)
    y, gradients = la.compile(step)()
    np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-12, atol=1e-13)
    for ours, eager in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours.numpy(), eager.numpy(), rtol=1e-11, atol=1e-13)


def test_a_compiled_step_has_few_blocks_in_memory_at_a_time(monkeypatch):
    in_blocks_of(monkeypatch, 32)
    length, width = 256, 4
    variables = [la.variable(rng.normal(size=(length, width)).astype("float32")) for _ in range(3)]

    def step():
        gradients = nn.scaled_dot_product_attention(*variables, is_causal=True).sum().backward()
        return [gradients[x] for x in variables]

    # As a whole it takes several arrays of queries by keys, of 262 kB each.
    assert la.compile(step).explain().arena < length * length * 4 / 2


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 3), (4, 5), (4, 5)), {}, r"expected query \[..., L, E\], key \[..., S, E\]"),
        (((2, 3), (4, 3), (5, 3)), {}, r"and value \[..., S, Ev\], got query \[2, 3\], key \[4, 3\], value \[5, 3\]"),
        (((3,), (4, 3), (4, 3)), {}, r"at least the axes \[L, E\]"),
        (((3, 2, 3), (2, 4, 3), (2, 4, 3)), {}, "the axes of the batch do not broadcast"),
        (((1, 3, 2, 3), (1, 2, 4, 3), (1, 2, 4, 3)), {"enable_gqa": True}, "a multiple of those of keys, got 3 and 2"),
        (((2, 3), (4, 3), (4, 3)), {"attn_mask": la.ones((4, 2), dtype=bool)}, r"does not broadcast to \[2, 4\]"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes, options, message):
    with pytest.raises(la.ShapeError, match=message):
        nn.scaled_dot_product_attention(*map(la.zeros, shapes), **options)


def test_masks_of_integers_and_certain_dropout_are_refused():
    q = la.zeros((2, 3))
    with pytest.raises(la.DTypeError, match="attn_mask is of bools or floating-point numbers, got int64"):
        nn.scaled_dot_product_attention(q, q, q, la.asarray([[1, 0], [1, 1]]))
    with pytest.raises(la.DataError, match="dropout_p is a probability below 1"):
        nn.scaled_dot_product_attention(q, q, q, dropout_p=1.5)
