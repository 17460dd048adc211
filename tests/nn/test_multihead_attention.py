"""Attention with heads against PyTorch's layer: every mask, loaded weights, gradients."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

rng = np.random.default_rng(0)
SETTINGS = [
    {},
    {"bias": False},
    {"batch_first": True},
    {"kdim": 3, "vdim": 5},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "add_bias_kv": True, "bias": False},
]
SAMPLES, QUERIES, KEYS, HEADS = 2, 4, 5, 3


def name(value):
    return "-".join(value) or "default" if isinstance(value, dict) else None


def pair(**settings):
    """Return PyTorch's layer, and ours with its weights."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn.MultiheadAttention(6, HEADS, **settings).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(rng.normal(size=tuple(parameter.shape))))
    ours = nn.MultiheadAttention(6, HEADS, **settings, dtype="float64")
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    return torch, theirs, ours


def inputs(settings, batched=True):
    widths = 6, settings.get("kdim", 6), settings.get("vdim", 6)
    arrays = [rng.normal(size=(n, SAMPLES, w)) for n, w in zip((QUERIES, KEYS, KEYS), widths, strict=True)]
    if not batched:
        return [x[:, 0].copy() for x in arrays]
    return [x.swapaxes(0, 1).copy() for x in arrays] if settings.get("batch_first") else arrays


def masks(kind, heads, padding):
    """Return a mask of the attention and one of the keys, in which every query sees a key."""
    shape = (SAMPLES * HEADS, QUERIES, KEYS) if heads else (QUERIES, KEYS)
    if kind == "numbers":
        return rng.normal(size=shape), rng.normal(size=(SAMPLES, KEYS)) if padding else None
    mask, keys = rng.random(shape) < 0.4, rng.random((SAMPLES, KEYS)) < 0.4
    mask[..., 0] = keys[:, 0] = False
    return mask, keys if padding else None


@pytest.mark.parametrize("settings", SETTINGS, ids=name)
def test_names_and_shapes_of_the_state_are_pytorchs(settings):
    _, theirs, ours = pair(**settings)
    assert [(key, value.shape) for key, value in ours.state_dict().items()] == [
        (key, tuple(value.shape)) for key, value in theirs.state_dict().items()
    ]


@pytest.mark.parametrize("settings", SETTINGS, ids=name)
@pytest.mark.parametrize("kind", ["bools", "numbers"])
@pytest.mark.parametrize("heads", [False, True], ids=["one mask", "a mask of each head"])
@pytest.mark.parametrize("need_weights", [True, False])
def test_results_weights_and_gradients_are_pytorchs(settings, kind, heads, need_weights):
    torch, theirs, ours = pair(**settings)
    arrays, (mask, padding) = inputs(settings), masks(kind, heads, padding=True)
    variables, tensors = [la.variable(x) for x in arrays], [torch.tensor(x, requires_grad=True) for x in arrays]
    options = {"need_weights": need_weights, "average_attn_weights": heads}
    y, weights = ours(*variables, la.asarray(padding), attn_mask=la.asarray(mask), **options)
    expected, their_weights = theirs(*tensors, torch.tensor(padding), attn_mask=torch.tensor(mask), **options)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    if need_weights:
        np.testing.assert_allclose(weights.numpy(), their_weights.detach().numpy(), rtol=1e-12, atol=1e-12)
    else:
        assert weights is None
    gradients = (y * y).sum().backward()
    (expected * expected).sum().backward()
    for (key, variable), other in zip(
        [*ours.named_parameters(), *zip("qkv", variables, strict=True)], [*theirs.parameters(), *tensors], strict=True
    ):
        np.testing.assert_allclose(gradients[variable].numpy(), other.grad.numpy(), rtol=1e-9, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("settings", [{}, {"batch_first": True}], ids=name)
def test_inputs_without_a_batch_are_pytorchs(settings):
    torch, theirs, ours = pair(**settings)
    arrays = inputs(settings, batched=False)
    for found, expected in zip(ours(*map(la.asarray, arrays)), theirs(*map(torch.tensor, arrays)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"add_bias_kv": True, "add_zero_attn": True}], ids=name)
@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_without_a_mask_is_pytorchs_with_one(settings, need_weights):
    torch, theirs, ours = pair(**settings)
    x = rng.normal(size=(QUERIES, SAMPLES, 6))
    mask = torch.triu(torch.ones(QUERIES, QUERIES, dtype=bool), 1)
    expected, _ = theirs(*[torch.tensor(x)] * 3, attn_mask=mask)
    y, _ = ours(*[la.asarray(x)] * 3, need_weights=need_weights, is_causal=True)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_a_mask_of_bools_beside_one_of_numbers_is_added_as_minus_infinity():
    _, _, ours = pair(batch_first=True)
    arrays = [la.asarray(x) for x in inputs({"batch_first": True})]
    mask, padding = masks("bools", heads=False, padding=True)
    numbers = la.asarray(np.where(padding, -np.inf, 0.0))
    expected, _ = ours(*arrays, la.asarray(padding), attn_mask=la.asarray(mask))
    found, _ = ours(*arrays, numbers, attn_mask=la.asarray(mask))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-13)


def test_a_query_that_sees_no_key_has_weights_of_zero():
    _, _, ours = pair()
    arrays = [la.asarray(x) for x in inputs({})]
    y, weights = ours(*arrays, la.asarray(np.ones((SAMPLES, KEYS), dtype=bool)))
    assert not weights.numpy().any()
    np.testing.assert_allclose(y.numpy(), np.broadcast_to(ours.out_proj.bias.numpy(), y.shape))


def test_an_empty_batch_stays_empty():
    layer = nn.MultiheadAttention(6, 2, batch_first=True)
    y, weights = layer(*[la.zeros((0, 3, 6))] * 3)
    assert (y.shape, weights.shape) == ((0, 3, 6), (0, 3, 3))


def test_dropout_acts_in_training_only():
    layer = nn.MultiheadAttention(6, 2, dropout=0.5)
    x = la.random.normal((4, 2, 6))
    _, weights = layer(x, x, x)
    assert (weights.sum(axis=-1) - 1.0).abs().max().item() > 0.01
    _, weights = layer.eval()(x, x, x)
    np.testing.assert_allclose(weights.sum(axis=-1).numpy(), 1.0, rtol=1e-5)


def test_first_values_are_distributed_as_pytorchs():
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = np.sqrt(6 / (4 * 64))
    assert bound * 0.98 < abs(layer.in_proj_weight.numpy()).max() <= bound
    assert 0.124 < abs(layer.out_proj.weight.numpy()).max() <= 1 / 8
    assert not layer.in_proj_bias.numpy().any()
    assert not layer.out_proj.bias.numpy().any()
    assert abs(layer.bias_k.numpy().std() - np.sqrt(2 / 128)) < 0.03


@pytest.mark.parametrize("settings", SETTINGS, ids=name)
def test_compiled_it_gives_the_same(settings):
    _, _, ours = pair(**settings)
    arrays = [la.asarray(x) for x in inputs(settings)]
    mask, padding = (la.asarray(x) for x in masks("bools", heads=True, padding=True))

    def step(*arrays):
        y, weights = ours(*arrays, padding, attn_mask=mask)
        return y, weights, (y * y).sum().backward()[ours.out_proj.weight]

    for found, expected in zip(la.compile(step)(*arrays), step(*arrays), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda layer, x: layer(x, x[:3], x[:2]), "as many keys as values"),
        (lambda layer, x: layer(x, x, x[..., :4]), r"expected widths \(6, 6, 6\) of query, key and value, got"),
        (lambda layer, x: layer(x, x[0], x), "of three axes, or all of two"),
        (lambda layer, x: layer(x, x, x, attn_mask=la.zeros((3, 3))), r"attn_mask is \[4, 4\] or \[4, 4, 4\]"),
        (lambda layer, x: layer(x, x, x, la.zeros((3, 3))), r"key_padding_mask is \[2, 4\]"),
        (lambda layer, x: nn.MultiheadAttention(6, 4), "a positive multiple of num_heads, got 6 and 4"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(la.ShapeError, match=message):
        call(nn.MultiheadAttention(6, 2), la.zeros((4, 2, 6)))
