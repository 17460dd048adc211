"""The LSTM language model against the same one in PyTorch, and against itself read in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import models, optim

VOCABULARY, WIDTH = 11, 8


@pytest.fixture
def tokens() -> la.Tensor:
    return la.asarray(np.random.default_rng(0).integers(0, VOCABULARY, (3, 6)))


@pytest.mark.parametrize("tied", [False, True])
def test_loss_and_gradients_are_those_of_pytorch(tokens: la.Tensor, tied: bool) -> None:
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens = torch.nn.Embedding(VOCABULARY, WIDTH)
            self.lstm = torch.nn.LSTM(WIDTH, WIDTH, 2, batch_first=True)
            self.head = torch.nn.Linear(WIDTH, VOCABULARY)
            if tied:
                self.head.weight = self.tokens.weight

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(self.tokens(x))[0])

    theirs, ours = Theirs(), models.LSTMLanguageModel(VOCABULARY, WIDTH, tie_weights=tied)
    ours.load_state_dict(theirs.state_dict())
    x = torch.tensor(tokens.numpy())
    expected = torch.nn.functional.cross_entropy(theirs(x[:, :-1]).reshape(-1, VOCABULARY), x[:, 1:].reshape(-1))
    expected.backward()
    loss = models.next_token_loss(ours(tokens[:, :-1])[0], tokens[:, 1:])
    grads = loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    by_name = dict(theirs.named_parameters())
    for name, weight in ours.named_parameters():
        np.testing.assert_allclose(grads[weight].numpy(), by_name[name].grad.numpy(), rtol=1e-4, atol=1e-7)


def test_a_text_in_parts_is_the_whole_text(tokens: la.Tensor) -> None:
    model = models.LSTMLanguageModel(VOCABULARY, WIDTH)
    whole, last = model(tokens)
    first, state = model(tokens[:, :4])
    second, after = model(tokens[:, 4:], state)
    np.testing.assert_allclose(la.concat((first, second), axis=1).numpy(), whole.numpy(), rtol=1e-5, atol=1e-6)
    for one, other in zip(after, last, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


def test_generation_takes_what_the_model_finds_likeliest(tokens: la.Tensor) -> None:
    model = models.LSTMLanguageModel(VOCABULARY, WIDTH, dropout=0.5)
    found = model.generate(tokens, 5, temperature=0.0)
    assert model.training
    model.eval()
    for length in range(tokens.shape[1], found.shape[1]):
        likeliest = la.argmax(model(found[:, :length])[0][:, -1], axis=-1)
        assert likeliest.tolist() == found[:, length].tolist()


def test_the_same_seed_gives_the_same_text(tokens: la.Tensor) -> None:
    model = models.LSTMLanguageModel(VOCABULARY, WIDTH)
    one, other = (model.generate(tokens, 8, generator=la.random.Generator(3)).tolist() for _ in range(2))
    assert one == other
    assert model.generate(tokens, 0).tolist() == tokens.tolist()


def test_it_learns_to_remember() -> None:
    """What comes after a 9 depends on the token five places before: a model without memory has a loss of log 2."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2, (64, 1))
    text = np.concatenate([first, rng.integers(2, 9, (64, 3)), np.full((64, 1), 9), first], axis=1)
    model = models.LSTMLanguageModel(VOCABULARY, 32, layers=1)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        logits, _ = model(x[:, :-1])
        loss = models.next_token_loss(logits[:, -1:], x[:, -1:])
        optimizer.step(loss.backward())
        return loss

    losses = [step(la.asarray(text)).item() for _ in range(150)]
    assert losses[-1] < 0.05


def test_what_is_no_text_is_refused() -> None:
    model = models.LSTMLanguageModel(VOCABULARY, WIDTH)
    with pytest.raises(la.ShapeError, match=r"expected tokens \[samples, length from 1\], got \[3\]"):
        model(la.asarray([1, 2, 3]))
    with pytest.raises(la.ShapeError, match="generate: expected tokens"):
        model.generate(la.asarray([1, 2, 3]), 1)
