"""The GPT: causal, generating the same with and without a cache, and learning as PyTorch's does."""

from pydoc_data.topics import topics

import numpy as np
import pytest

import lamina as la
from lamina import models, nn, optim
from lamina.text import CharacterTokenizer, TextWindows
from lamina.training import evaluate

rng = np.random.default_rng(0)


def small(**settings):
    return models.GPT(**{"vocabulary": 11, "context": 8, "width": 8, "heads": 2, "layers": 2, **settings})


def tokens(*shape, vocabulary=11):
    return la.asarray(rng.integers(0, vocabulary, shape))


# --- sampling ---------------------------------------------------------------------------------------------


def frequencies(logits, count=40_000, **options):
    la.random.seed(0)
    drawn = models.sample(la.broadcast_to(la.asarray(logits), (count, len(logits))), **options).numpy()
    return np.bincount(drawn, minlength=len(logits)) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_are_as_frequent_as_softmax_says(temperature):
    logits = [0.0, 1.0, -1.0, 2.0]
    expected = la.softmax(la.asarray(logits) / temperature).numpy()
    np.testing.assert_allclose(frequencies(logits, temperature=temperature), expected, atol=0.01)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 1}, [3]),
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 9}, [0, 1, 2, 3]),
        ({"top_p": 0.6}, [3]),
        ({"top_p": 0.7}, [1, 3]),
        ({"top_p": 1.0}, [0, 1, 2, 3]),
        ({"top_k": 2, "top_p": 0.5}, [3]),
    ],
)
def test_only_the_likeliest_are_drawn_in_their_proportion(options, kept):
    # Probabilities 0.087, 0.237, 0.032, 0.644.
    logits = np.array([0.0, 1.0, -1.0, 2.0])
    expected = np.where(np.isin(np.arange(4), kept), np.exp(logits), 0.0)
    np.testing.assert_allclose(frequencies(logits.tolist(), **options), expected / expected.sum(), atol=0.01)


def test_temperature_zero_takes_the_likeliest_and_draws_nothing():
    before = la.random.default_generator().state_dict()["counter"].item()
    assert models.sample(la.asarray([[0.0, 3.0, 1.0]]), temperature=0.0).tolist() == [1]
    assert la.random.default_generator().state_dict()["counter"].item() == before


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_settings_of_sampling_out_of_range_are_refused(options):
    with pytest.raises(la.DataError, match=next(iter(options))):
        models.sample(la.zeros((2, 3)), **options)


# --- the model --------------------------------------------------------------------------------------------


def test_no_place_depends_on_a_later_token():
    model, x = small(), tokens(1, 8)
    changed = la.concat([x[:, :5], (x[:, 5:] + 1) % 11], axis=1)
    np.testing.assert_allclose(model(x)[:, :5].numpy(), model(changed)[:, :5].numpy(), rtol=1e-5, atol=1e-6)


def test_tied_weights_are_one_variable_under_two_names():
    model = small()
    assert model.head.weight is model.tokens.weight
    assert "head.weight" not in model.state_dict()
    model.load_state_dict({**model.state_dict(), "head.weight": model.state_dict()["tokens.weight"]})
    assert small(tie_weights=False).head.weight.shape == (11, 8)


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"temperature": 1.3, "top_k": 7, "top_p": 0.95}])
@pytest.mark.parametrize(("length", "count"), [(1, 7), (3, 20), (8, 3), (10, 2), (4, 0)])
def test_generation_with_a_cache_is_generation_without(options, length, count):
    model, start = small(), tokens(2, length)
    found = []
    for cached in (True, False):
        la.random.seed(4)
        found.append(model.generate(start, count, cached=cached, **options))
    assert found[0].shape == (2, length + count)
    assert found[0].tolist() == found[1].tolist()
    assert found[0][:, :length].tolist() == start.tolist()


def test_generation_repeats_by_its_seed():
    model, start = small(), tokens(1, 2)
    one, two, other = (model.generate(start, 30, generator=la.random.Generator(seed)).tolist() for seed in (1, 1, 2))
    assert one == two != other


def test_generation_leaves_the_mode_and_has_no_dropout():
    model, start = small(dropout=0.5), tokens(1, 2)
    greedy = [model.generate(start, 5, temperature=0.0).tolist() for _ in range(2)]
    assert greedy[0] == greedy[1]
    assert model.training


def test_a_compiled_step_learns_what_the_eager_one_does():
    inputs, targets = tokens(3, 8), tokens(3, 8)
    losses = []
    for wrap in (lambda f: f, la.compile):
        la.random.seed(0)
        model = small(dropout=0.1)
        optimizer = optim.AdamW(model.parameters(), lr=1e-2)

        def step(inputs, targets, model=model, optimizer=optimizer):
            loss = models.next_token_loss(model(inputs), targets)
            optimizer.step(loss.backward())
            return loss

        run = wrap(step)
        losses.append([run(inputs, targets).item() for _ in range(8)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def pytorchs(torch, model):
    """Return the same model written in PyTorch, under the same names and with the same weights."""

    class Attention(torch.nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.query, self.key, self.value, self.out = (torch.nn.Linear(width, width) for _ in range(4))

        def forward(self, x):
            q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(y.transpose(1, 2).flatten(2))

    class Block(torch.nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
            self.attention = Attention(width, heads)
            up, down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)
            self.mlp = torch.nn.Sequential(up, torch.nn.GELU(), down)

        def forward(self, x):
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class GPT(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = torch.nn.Embedding(model.vocabulary, model.width)
            self.positions = torch.nn.Embedding(model.context, model.width)
            self.blocks = torch.nn.Sequential(*[Block(model.width, model.heads) for _ in model.blocks])
            self.norm = torch.nn.LayerNorm(model.width)
            self.head = torch.nn.Linear(model.width, model.vocabulary, bias=False)
            self.head.weight = self.tokens.weight

        def forward(self, x):
            return self.head(self.norm(self.blocks(self.tokens(x) + self.positions.weight[: x.shape[1]])))

    made = GPT()
    state = {key: torch.tensor(value.numpy()) for key, value in model.state_dict().items()}
    made.load_state_dict({**state, "head.weight": state["tokens.weight"]})
    return made


def test_trained_from_the_same_weights_it_has_pytorchs_losses():
    torch = pytest.importorskip("torch")
    model = small(width=16, context=8)
    theirs = pytorchs(torch, model)
    text = tokens(400)
    options = {"lr": 3e-3, "betas": (0.9, 0.95), "weight_decay": 0.1}
    ours, other = optim.AdamW(model.parameters(), **options), torch.optim.AdamW(theirs.parameters(), **options)

    @la.compile
    def step(inputs, targets):
        loss = models.next_token_loss(model(inputs), targets)
        ours.step(loss.backward())
        return loss

    losses = []
    for number in range(40):
        places = (number * 7 + np.arange(4)[:, None] * 50 + np.arange(9)) % 400
        batch = text.numpy()[places]
        loss = torch.nn.functional.cross_entropy(
            theirs(torch.tensor(batch[:, :-1])).flatten(0, 1), torch.tensor(batch[:, 1:]).flatten()
        )
        other.zero_grad()
        loss.backward()
        other.step()
        losses.append((step(la.asarray(batch[:, :-1]), la.asarray(batch[:, 1:])).item(), loss.item()))
    found, expected = np.array(losses).T
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def in_both(text, *, vocabulary, context, width, layers, heads, samples, steps):
    """Train the same model here and in PyTorch on the same batches; return both losses on the part held out."""
    torch = pytest.importorskip("torch")
    la.random.seed(0)
    model = models.GPT(vocabulary, context, width, heads, layers)
    theirs = pytorchs(torch, model)
    options = {"lr": 1e-3, "betas": (0.9, 0.95), "weight_decay": 0.1}
    ours, other = optim.AdamW(model.parameters(), **options), torch.optim.AdamW(theirs.parameters(), **options)
    kept = len(text) * 9 // 10
    training = TextWindows(text[:kept], context, windows=steps * samples)
    held_out = TextWindows(text[kept:], context)

    @la.compile
    def step(inputs, targets):
        loss = models.next_token_loss(model(inputs), targets)
        ours.step(loss.backward())
        return loss

    def their_loss(inputs, targets):
        logits = theirs(torch.tensor(inputs))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(targets).flatten())

    for inputs, targets in training.batches(samples, seed=0, epoch=0):
        step(la.asarray(inputs), la.asarray(targets))
        other.zero_grad()
        their_loss(inputs, targets).backward()
        other.step()
    ours_found = evaluate(model, held_out, loss=models.next_token_loss, batch_size=256)["loss"]
    with torch.no_grad():
        total = sum(len(x) * their_loss(x, y).item() for x, y in held_out.batches(256, seed=None, epoch=0))
    return ours_found, total / len(held_out)


def manual():
    """Return the manual that comes with Python as numbers of characters."""
    written = "\n".join(topics[name] for name in sorted(topics))
    tokenizer = CharacterTokenizer(written)
    return tokenizer.encode(written), tokenizer.vocabulary


def test_character_gpt_has_pytorchs_loss_on_text_held_out():
    text, vocabulary = manual()
    ours, theirs = in_both(
        text[:20_000], vocabulary=vocabulary, context=16, width=16, layers=1, heads=2, samples=8, steps=60
    )
    assert ours == pytest.approx(theirs, rel=1e-3)
    assert ours < 0.9 * np.log(vocabulary)


@pytest.mark.slow
def test_character_gpt_of_a_real_size_has_pytorchs_loss_on_text_held_out():
    text, vocabulary = manual()
    ours, theirs = in_both(
        text, vocabulary=vocabulary, context=64, width=128, layers=4, heads=4, samples=16, steps=1200
    )
    print(f"loss on the text held out after 1200 steps: {ours:.4f}, PyTorch's {theirs:.4f}")
    assert ours == pytest.approx(theirs, rel=0.01)
    assert ours < 2.0


def test_inputs_that_do_not_fit_are_refused():
    model = small()
    with pytest.raises(la.ShapeError, match=r"expected tokens \[samples, length up to 8\], got \[1, 9\]"):
        model(tokens(1, 9))
    with pytest.raises(la.ShapeError, match="at least 1"):
        model.generate(la.zeros((1, 0), dtype="int64"), 3)
    with pytest.raises(la.ShapeError, match="width is a multiple of heads, got 8 and 3"):
        small(heads=3)
    assert isinstance(model, nn.Module)
