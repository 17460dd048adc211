"""Transformer layers and stacks against PyTorch's: state, values, gradients, masks, in training and compiled."""

import numpy as np
import pytest

import lamina as la
from lamina import nn

rng = np.random.default_rng(0)
WIDTH, HEADS, HIDDEN = 6, 2, 10
SETTINGS = [
    {},
    {"norm_first": True},
    {"batch_first": True, "activation": "gelu"},
    {"bias": False, "norm_first": True, "layer_norm_eps": 0.1},
]


def name(value):
    return "-".join(value) or "default" if isinstance(value, dict) else None


def assert_same(found, expected, tolerance=1e-11):
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=tolerance, atol=tolerance)


def loaded(ours, theirs):
    """Return our layer with PyTorch's weights, of which none is the first value, if names and shapes agree."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(rng.normal(size=tuple(parameter.shape))))
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in ours.state_dict().items()
    }
    assert list(state) == list(ours.state_dict())
    ours.load_state_dict(state)
    return ours


def layers(kind, settings):
    torch = pytest.importorskip("torch")
    arguments = (WIDTH, HEADS, HIDDEN, 0.0)
    theirs = getattr(torch.nn, kind)(*arguments, **settings).double()
    return torch, theirs, loaded(getattr(nn, kind)(*arguments, **settings, dtype="float64"), theirs)


def sequence(length, settings, samples=3):
    shape = (samples, length, WIDTH) if settings.get("batch_first") else (length, samples, WIDTH)
    return rng.normal(size=shape)


def assert_same_gradients(ours, theirs, y, expected):
    gradients = (y * y).sum().backward()
    (expected * expected).sum().backward()
    for (key, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(gradients[parameter].numpy(), other.grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("settings", SETTINGS, ids=name)
@pytest.mark.parametrize("masked", [False, True])
def test_an_encoder_layer_is_pytorchs(settings, masked):
    torch, theirs, ours = layers("TransformerEncoderLayer", settings)
    x = sequence(5, settings)
    mask, padding = np.triu(rng.random((5, 5)) < 0.7, 1), np.repeat([[False] * 4 + [True]], 3, axis=0)
    masks = (mask, padding) if masked else (None, None)
    y = ours(la.asarray(x), *(None if m is None else la.asarray(m) for m in masks))
    expected = theirs(torch.tensor(x), *(None if m is None else torch.tensor(m) for m in masks))
    assert_same(y, expected)
    assert_same_gradients(ours, theirs, y, expected)


@pytest.mark.parametrize("settings", SETTINGS, ids=name)
def test_a_decoder_layer_is_pytorchs(settings):
    torch, theirs, ours = layers("TransformerDecoderLayer", settings)
    x, memory = sequence(4, settings), sequence(5, settings)
    masks = {
        "tgt_mask": np.triu(np.full((4, 4), -np.inf), 1),
        "memory_mask": rng.normal(size=(4, 5)),
        "tgt_key_padding_mask": np.where(np.arange(4) < rng.integers(1, 4, (3, 1)), 0.0, -np.inf),
        "memory_key_padding_mask": np.where(np.arange(5) < rng.integers(1, 5, (3, 1)), 0.0, -np.inf),
    }
    y = ours(la.asarray(x), la.asarray(memory), **{key: la.asarray(value) for key, value in masks.items()})
    expected = theirs(
        torch.tensor(x), torch.tensor(memory), **{key: torch.tensor(value) for key, value in masks.items()}
    )
    assert_same(y, expected)
    assert_same_gradients(ours, theirs, y, expected)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # PyTorch says that it takes no short way
@pytest.mark.parametrize("settings", SETTINGS[:3], ids=name)
def test_a_transformer_is_pytorchs(settings):
    torch = pytest.importorskip("torch")
    arguments = (WIDTH, HEADS, 2, 1, HIDDEN, 0.0)
    theirs = torch.nn.Transformer(*arguments, **{"batch_first": True, **settings}).double()
    ours = loaded(nn.Transformer(*arguments, **{"batch_first": True, **settings}, dtype="float64"), theirs)
    source, target = sequence(5, {"batch_first": True}), sequence(4, {"batch_first": True})
    mask = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    expected = theirs(torch.tensor(source), torch.tensor(target), tgt_mask=mask)
    y = ours(la.asarray(source), la.asarray(target), tgt_mask=la.asarray(mask.numpy()))
    assert_same(y, expected)
    assert_same(ours(la.asarray(source), la.asarray(target), tgt_is_causal=True), expected)
    compiled = la.compile(lambda a, b: ours(a, b, tgt_is_causal=True))
    assert_same(compiled(la.asarray(source), la.asarray(target)), expected)
    assert_same_gradients(ours, theirs, y, expected)


def test_layers_of_a_stack_begin_alike_but_are_their_own():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN)
    stack = nn.TransformerEncoder(layer, 2)
    first, second = (each.linear1.weight for each in stack.layers)
    assert first is not second
    assert first is not layer.linear1.weight
    np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_matrices_of_a_transformer_begin_within_xaviers_bounds():
    model = nn.Transformer(32, 2, 1, 1, 64)
    for key, parameter in model.named_parameters():
        if parameter.ndim > 1:
            bound = np.sqrt(6 / sum(parameter.shape))
            assert 0.95 * bound < abs(parameter.numpy()).max() <= bound, key


def test_the_causal_mask_is_pytorchs():
    torch = pytest.importorskip("torch")
    expected = torch.nn.Transformer.generate_square_subsequent_mask(4).numpy()
    np.testing.assert_array_equal(nn.Transformer.generate_square_subsequent_mask(4).numpy(), expected)


def test_dropout_acts_in_training_only_and_everywhere():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.5)
    x = la.random.normal((4, 2, WIDTH))
    assert (layer(x) - layer(x)).abs().max().item() > 0.0
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), layer(x).numpy())
    assert [each.p for each in layer.modules() if isinstance(each, nn.Dropout)] == [0.5, 0.5, 0.5]


def test_a_compiled_training_step_is_the_eager_one():
    x, target = (la.asarray(rng.normal(size=(5, 3, WIDTH)).astype("float32")) for _ in range(2))
    losses = []
    for wrap in (lambda f: f, la.compile):
        la.random.seed(0)
        model = nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, dropout=0.2), 2)
        optimizer = la.optim.AdamW(model.parameters(), lr=1e-2)

        def step(x, target, model=model, optimizer=optimizer):
            loss = nn.mse_loss(model(x, is_causal=True), target)
            optimizer.step(loss.backward())
            return loss

        run = wrap(step)
        losses.append([run(x, target).item() for _ in range(5)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_an_empty_batch_stays_empty():
    model = nn.Transformer(WIDTH, HEADS, 1, 1, HIDDEN, batch_first=True)
    assert model(la.zeros((0, 3, WIDTH)), la.zeros((0, 2, WIDTH))).shape == (0, 2, WIDTH)


def test_widths_and_counts_that_do_not_fit_are_refused():
    model = nn.Transformer(WIDTH, HEADS, 1, 1, HIDDEN)
    with pytest.raises(la.ShapeError, match="the last axis is d_model=6"):
        model(la.zeros((3, 2, WIDTH)), la.zeros((3, 2, 4)))
    with pytest.raises(la.ShapeError, match="num_layers is a number from 0"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, HEADS), 1.5)
    with pytest.raises(la.DataError, match="activation"):
        nn.TransformerEncoderLayer(WIDTH, HEADS, activation="step")
