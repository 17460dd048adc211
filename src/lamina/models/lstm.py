"""An LSTM language model: it reads a text token by token and says what comes next."""

from __future__ import annotations

from lamina import nn, random
from lamina.compiler import compile
from lamina.dtypes import int64
from lamina.errors import ShapeError
from lamina.functions.manipulation import concat
from lamina.models.sampling import check_prompt, next_token
from lamina.nn.modes import mode
from lamina.tensor import Tensor

State = tuple[Tensor, Tensor]


class LSTMLanguageModel(nn.Module):
    """A language model that remembers what it has read in a state of fixed size.

    Parameters
    ----------
    vocabulary : int
        Number of different tokens.
    width : int, default 128
        Of the embedding and of the hidden state.
    layers : int, default 2
    dropout : float, default 0.0
        Of the embedding, and of the outputs of each LSTM layer.
    tie_weights : bool, default True
        Whether the logits are products with the embedding of tokens, rather than with a matrix of their own.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import models, optim
    >>> la.random.seed(0)
    >>> model = models.LSTMLanguageModel(vocabulary=4, width=16, layers=1)
    >>> text = la.asarray([[1, 2, 3, 1, 2, 3, 1]])
    >>> optimizer = optim.Adam(model.parameters(), lr=3e-2)
    >>> @la.compile
    ... def step(inputs, targets):
    ...     logits, _ = model(inputs)
    ...     loss = models.next_token_loss(logits, targets)
    ...     optimizer.step(loss.backward())
    ...     return loss
    >>> losses = [step(text[:, :-1], text[:, 1:]).item() for _ in range(40)]
    >>> model.generate(la.asarray([[1]]), 5, temperature=0.0)
    Tensor([[1, 2, 3, 1, 2, 3]], shape=[1, 6], dtype=int64)

    Source: W. Zaremba, I. Sutskever, O. Vinyals, "Recurrent neural network regularization", 2014; tied weights:
    O. Press, L. Wolf, EACL 2017.
    """

    def __init__(
        self, vocabulary: int, width: int = 128, layers: int = 2, dropout: float = 0.0, tie_weights: bool = True
    ) -> None:
        self.vocabulary = vocabulary
        # Its gradient is dense, for the logits use every row.
        self.tokens = nn.Embedding(vocabulary, width, init=nn.init.uniform(-0.1, 0.1), sparse=False)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, vocabulary)
        if tie_weights:
            self.head.weight = self.tokens.weight

    def __call__(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return logits [samples, length, vocabulary] for tokens [samples, length], and the state after them.

        The state makes another call go on where this one ended. Training on parts of a long text, each with
        the state after the part before, is truncated backpropagation through time.
        """
        if tokens.ndim != 2 or tokens.shape[1] == 0:
            raise ShapeError(f"LSTMLanguageModel: expected tokens [samples, length from 1], got {list(tokens.shape)}")
        outputs, state = self.lstm(self.dropout(self.tokens(tokens)), state)
        return self.head(self.dropout(outputs)), state

    def generate(
        self,
        tokens: Tensor,
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: random.Generator | None = None,
    ) -> Tensor:
        """Return the tokens with ``count`` more behind them, each drawn by what the model says of those before.

        Parameters
        ----------
        tokens : Tensor of integers, shape [samples, length]
            What to go on from, at least one token each.
        count : int
        temperature, top_k, top_p, generator
            As in `sample`.

        Returns
        -------
        Tensor of int64, shape [samples, length + count]
        """
        check_prompt(tokens, count)
        draw = random.default_generator() if generator is None else generator

        def step(new: Tensor, state: State | None) -> tuple[Tensor, State]:
            logits, state = self(new, state)
            return next_token(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=draw), state

        compiled, found, after = compile(step), [tokens.astype(int64)], None
        with mode(self, training=False):
            for number in range(count):
                # The first comes after all has been read, each other after the one before.
                new, after = (compiled if number else step)(found[-1], after)
                found.append(new)
        return concat(found, axis=1)
