"""RNN, GRU, LSTM and their cells against PyTorch: values, states, gradients, weights, packed lengths."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.testing import check_gradients

torch = pytest.importorskip("torch")

STEPS, BATCH, WIDTH, HIDDEN = 5, 4, 3, 6
LENGTHS = [3, 5, 1, 4]

KINDS: dict[str, dict[str, Any]] = {
    "RNN": {}, "RNN-relu": {"nonlinearity": "relu"}, "GRU": {}, "LSTM": {}, "LSTM-projected": {"proj_size": 2},
}  # fmt: skip


def pair(kind: str, hidden: int = HIDDEN, **settings: Any) -> tuple[Any, Any]:
    """A layer of each library with the same weights, in float64."""
    name = kind.partition("-")[0]
    settings = KINDS[kind] | settings
    theirs = getattr(torch.nn, name)(WIDTH, hidden, **settings).double()
    ours = getattr(nn, name)(WIDTH, hidden, **settings, dtype="float64")
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def close(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-11)


def flat(state: Any) -> list[Any]:
    return list(state) if isinstance(state, tuple) else [state]


def states(theirs: Any, batch: int = BATCH) -> list[np.ndarray]:
    """First states of the shapes that a layer of PyTorch takes."""
    count = theirs.num_layers * (2 if theirs.bidirectional else 1)
    sizes = [theirs.proj_size or HIDDEN, HIDDEN][: 2 if isinstance(theirs, torch.nn.LSTM) else 1]
    return [numbers(count, batch, size, seed=7 + at) for at, size in enumerate(sizes)]


def as_state(values: list[Any]) -> Any:
    return tuple(values) if len(values) == 2 else values[0]


def check_against(ours: Any, theirs: Any, ran: tuple[Any, Any], expected: tuple[Any, Any], inputs: list[Any]) -> None:
    """Outputs, last states, and the gradients of a sum over them by weights and inputs."""
    (y, state), (their_y, their_state) = ran, expected
    results, their_results = [y, *flat(state)], [their_y, *flat(their_state)]
    for one, other in zip(results, their_results, strict=True):
        assert one.shape == tuple(other.shape)
        close(one, other)
    weights = [numbers(*each.shape, seed=at) for at, each in enumerate(results)]
    grads = sum(
        ((one * la.asarray(w)).sum() for one, w in zip(results, weights, strict=True)), la.asarray(0.0)
    ).backward()
    sum((other * torch.tensor(w)).sum() for other, w in zip(their_results, weights, strict=True)).backward()
    theirs_by_name = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(theirs_by_name)
    for name, variable in ours.named_parameters():
        close(grads[variable], theirs_by_name[name].grad)
    for variable, leaf in inputs:
        close(grads[variable], leaf.grad)


@pytest.mark.parametrize(
    ("kind", "layers", "both", "first"), list(product(KINDS, (1, 2), (False, True), (False, True)))
)
def test_outputs_states_and_gradients(kind: str, layers: int, both: bool, first: bool) -> None:
    settings = {"num_layers": layers, "bidirectional": both, "batch_first": first, "bias": layers == 2}
    ours, theirs = pair(kind, **settings)
    x = numbers(*((BATCH, STEPS) if first else (STEPS, BATCH)), WIDTH, seed=3)
    given = [x, *states(theirs)]
    leaves = [torch.tensor(each, requires_grad=True) for each in given]
    variables = [la.variable(each) for each in given]
    ran = ours(variables[0], as_state(variables[1:]))
    expected = theirs(leaves[0], as_state(leaves[1:]))
    check_against(ours, theirs, ran, expected, list(zip(variables, leaves, strict=True)))


@pytest.mark.parametrize(("kind", "both", "ordered"), list(product(KINDS, (False, True), (False, True))))
def test_packed_lengths(kind: str, both: bool, ordered: bool) -> None:
    ours, theirs = pair(kind, num_layers=2, bidirectional=both, batch_first=True)
    lengths = sorted(LENGTHS, reverse=True) if ordered else LENGTHS
    given = [numbers(BATCH, STEPS, WIDTH), *states(theirs)]
    leaves = [torch.tensor(each, requires_grad=True) for each in given]
    variables = [la.variable(each) for each in given]
    pack = torch.nn.utils.rnn.pack_padded_sequence
    unpack = torch.nn.utils.rnn.pad_packed_sequence
    packed = pack(leaves[0], torch.tensor(lengths), batch_first=True, enforce_sorted=ordered)
    their_y, their_state = theirs(packed, as_state(leaves[1:]))
    our_packed = nn.pack_padded_sequence(variables[0], lengths, batch_first=True, enforce_sorted=ordered)
    close(our_packed.data, packed.data)
    assert our_packed.batch_sizes == tuple(packed.batch_sizes.tolist())
    y, state = ours(our_packed, as_state(variables[1:]))
    close(y.data, their_y.data)
    padded, their_padded = nn.pad_packed_sequence(y, batch_first=True), unpack(their_y, batch_first=True)
    assert padded[1].tolist() == their_padded[1].tolist() == lengths
    expected = their_padded[0], their_state
    check_against(ours, theirs, (padded[0], state), expected, list(zip(variables, leaves, strict=True)))


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_of_padded_sequences_are_those_of_packed_ones(kind: str) -> None:
    layer, _ = pair(kind, num_layers=2, bidirectional=True)
    x = la.asarray(numbers(STEPS, BATCH, WIDTH))
    packed, state = layer(nn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False))
    expected = [nn.pad_packed_sequence(packed)[0], *flat(state)]
    run = lambda x, lengths: layer(x, lengths=lengths)  # noqa: E731
    for call, lengths in ((run, LENGTHS), (run, la.asarray(LENGTHS)), (la.compile(run), la.asarray(LENGTHS))):
        y, last = call(x, lengths)
        for one, other in zip([y, *flat(last)], expected, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_batch_and_with_an_empty_one(kind: str) -> None:
    ours, theirs = pair(kind, bidirectional=True)
    x = numbers(STEPS, WIDTH)
    first = [each[:, 0] for each in states(theirs)]
    ran, expected = (
        ours(la.asarray(x), as_state([la.asarray(h) for h in first])),
        theirs(torch.tensor(x), as_state([torch.tensor(h) for h in first])),
    )
    for one, other in zip([ran[0], *flat(ran[1])], [expected[0], *flat(expected[1])], strict=True):
        assert one.shape == tuple(other.shape)
        close(one, other)
    y, state = ours(la.zeros((STEPS, 0, WIDTH), dtype="float64"))
    assert y.shape == (STEPS, 0, 2 * ours._out_size)
    assert flat(state)[0].shape == (2, 0, ours._out_size)


CELLS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("GRUCell", {}), ("LSTMCell", {})]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(BATCH, WIDTH), (WIDTH,), (0, WIDTH)])
@pytest.mark.parametrize(("name", "settings"), CELLS)
def test_cells(name: str, settings: dict[str, Any], shape: tuple[int, ...], bias: bool) -> None:
    theirs = getattr(torch.nn, name)(WIDTH, HIDDEN, bias=bias, **settings).double()
    ours = getattr(nn, name)(WIDTH, HIDDEN, bias=bias, **settings, dtype="float64")
    ours.load_state_dict(theirs.state_dict())
    count = 2 if name == "LSTMCell" else 1
    given = [numbers(*shape), *(numbers(*shape[:-1], HIDDEN, seed=at + 1) for at in range(count))]
    leaves = [torch.tensor(each, requires_grad=True) for each in given]
    variables = [la.variable(each) for each in given]
    ran = flat(ours(variables[0], as_state(variables[1:])))
    expected = flat(theirs(leaves[0], as_state(leaves[1:])))
    inputs = list(zip(variables, leaves, strict=True))
    rest = [ran[1:], expected[1:]]
    check_against(ours, theirs, (ran[0], tuple(rest[0])), (expected[0], tuple(rest[1])), inputs)
    for one, other in zip(flat(ours(variables[0])), flat(theirs(leaves[0])), strict=True):
        close(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind: str) -> None:
    layer, _ = pair(kind, hidden=3)
    weight = layer.weight_hh_l0

    def f(x: Any, w: Any) -> Any:
        kept = weight.value
        del layer.weight_hh_l0  # a tensor in its place is refused
        layer.weight_hh_l0 = w
        try:
            y, state = layer(x)
        finally:
            layer.weight_hh_l0 = weight
        assert kept.shape == w.shape
        return y.sum() + flat(state)[-1].sum()

    check_gradients(f, numbers(2, 1, WIDTH), weight.numpy(), order=2, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_step_is_the_eager_one(kind: str) -> None:
    layer, theirs = pair(kind, bidirectional=True)
    given = [la.asarray(each) for each in (numbers(3, BATCH, WIDTH), *states(theirs))]

    def step(x: Any, *state: Any) -> Any:
        y, last = layer(x, as_state(list(state)))
        grads = ((y * y).sum() + flat(last)[-1].sum()).backward()
        return [y, *flat(last), *(grads[w] for w in layer.parameters())]

    for one, other in zip(la.compile(step)(*given), step(*given), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-9, atol=1e-11)


def test_first_weights_are_uniform_within_the_root_of_the_hidden_size() -> None:
    layer = nn.LSTM(50, 64, num_layers=2)
    for _, weight in layer.named_parameters():
        values = weight.numpy()
        assert np.abs(values).max() <= 1 / 8
        assert values.std() == pytest.approx(1 / 8 / np.sqrt(3), rel=0.1)


def test_dropout_is_between_layers_in_training_only() -> None:
    layer = nn.GRU(WIDTH, HIDDEN, num_layers=2, dropout=1.0)
    x = la.asarray(numbers(STEPS, BATCH, WIDTH).astype("float32"))
    constant, _ = layer(x)  # the second layer sees zeros
    np.testing.assert_array_equal(constant[:, 0].numpy(), constant[:, 1].numpy())
    y, _ = layer.eval()(x)
    assert not np.array_equal(y[:, 0].numpy(), y[:, 1].numpy())
    single = nn.GRU(WIDTH, HIDDEN, dropout=0.5)
    np.testing.assert_array_equal(single(x)[0].numpy(), single.eval()(x)[0].numpy())


def test_what_is_beyond_a_length_has_no_part_in_anything() -> None:
    layer = nn.LSTM(WIDTH, HIDDEN, bidirectional=True)
    x = numbers(STEPS, BATCH, WIDTH).astype("float32")
    beyond = np.arange(STEPS)[:, None] >= np.asarray(LENGTHS)
    spoilt = np.where(beyond[..., None], np.float32(1e3), x)
    one, other = (layer(la.asarray(each), lengths=LENGTHS)[0].numpy() for each in (x, spoilt))
    np.testing.assert_array_equal(one, other)
    assert not one[beyond].any()


def test_repr_says_what_is_not_default() -> None:
    assert repr(nn.LSTM(3, 4, 2, bidirectional=True)) == "LSTM(3, 4, num_layers=2, bidirectional=True)"
    assert repr(nn.GRUCell(3, 4, bias=False)) == "GRUCell(3, 4, bias=False)"


X, STATE = la.ones((5, 2, 3)), la.ones((1, 2, 4))

ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: nn.LSTM(0, 4), la.ShapeError, "LSTM: input_size must be a positive integer"),
    (lambda: nn.LSTM(3, 4, proj_size=4), la.ShapeError, r"proj_size must be from 0 \(none\) to below hidden_size"),
    (lambda: nn.RNN(3, 4, nonlinearity="sin"), la.DataError, 'nonlinearity must be "tanh" or "relu", got \'sin\''),
    (lambda: nn.GRU(3, 4, dropout=2.0), la.DataError, "GRU: p is the probability"),
    (lambda: nn.GRU(3, 4)(la.ones((5, 2, 9))), la.ShapeError, r"\[time, batch, 3\] or \[time, 3\], got \[5, 2, 9\]"),
    (lambda: nn.GRU(3, 4)(la.ones((0, 2, 3))), la.ShapeError, r"no elements: shape \[0, 2, 3\]"),
    (lambda: nn.GRU(3, 4)(X, la.ones((2, 2, 4))), la.ShapeError, r"state of shape \[1, 2, 4\].*got \[2, 2, 4\]"),
    (lambda: nn.GRU(3, 4)(X.astype("float64")), la.DTypeError, "input is float64, the weights are float32"),
    (lambda: nn.LSTM(3, 4)(X, STATE), la.DTypeError, r"the state is a pair \(h, c\), got Tensor"),
    (lambda: nn.GRU(3, 4)(X, lengths=[6, 1]), la.DataError, "lengths must be from 0 to 5, got 1 to 6"),
    (lambda: nn.GRU(3, 4)(X, lengths=[6]), la.ShapeError, "one integer for each of 2 sequences"),
    (lambda: nn.LSTMCell(3, 4)(X[0], (STATE[0], la.ones(4))), la.ShapeError, r"state of shape \[2, 4\], got \[4\]"),
    (lambda: nn.RNNCell(3, 4)(X), la.ShapeError, r"shape \[3\] or \[batch, 3\], got \[5, 2, 3\]"),
    (lambda: nn.pack_padded_sequence(X, [2, 3]), la.DataError, "must not increase, got .2, 3.; sort the batch"),
    (lambda: nn.pack_padded_sequence(X, [6, 3]), la.DataError, "lengths must be from 1 to 5"),
    (lambda: nn.pack_padded_sequence(X, [3]), la.ShapeError, r"1 lengths for an input of shape \[5, 2, 3\]"),
    (
        lambda: nn.pad_packed_sequence(nn.pack_sequence([la.ones(3)]), total_length=2),
        la.DataError,
        "total_length=2 is shorter than the longest, 3",
    ),
    (lambda: nn.pad_sequence([la.ones((3, 2)), la.ones((3, 1))]), la.ShapeError, "differ in their first axis only"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_what_does_not_fit_is_said(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("first", [False, True])
def test_packing_is_that_of_pytorch(first: bool) -> None:
    from torch.nn.utils import rnn

    parts = [numbers(length, 2) for length in LENGTHS]
    ours = [la.asarray(each) for each in parts]
    theirs = [torch.tensor(each) for each in parts]
    close(nn.pad_sequence(ours, first, -1.0), rnn.pad_sequence(theirs, first, -1.0))
    packed, expected = nn.pack_sequence(ours, enforce_sorted=False), rnn.pack_sequence(theirs, enforce_sorted=False)
    close(packed.data, expected.data)
    assert packed.sorted_indices == tuple(expected.sorted_indices.tolist())
    assert packed.unsorted_indices == tuple(expected.unsorted_indices.tolist())
    padded, lengths = nn.pad_packed_sequence(packed, first, 0.5, total_length=7)
    close(padded, rnn.pad_packed_sequence(expected, first, 0.5, total_length=7)[0])
    assert lengths.tolist() == LENGTHS


@pytest.mark.parametrize("first", [False, True])
def test_what_was_padded_or_packed_comes_back(first: bool) -> None:
    sequences = [numbers(length, 3, seed=length) for length in LENGTHS]
    given = [la.asarray(each) for each in sequences]
    padded = nn.pad_sequence(given, batch_first=first)
    for found in (nn.unpad_sequence(padded, LENGTHS, first), nn.unpack_sequence(nn.pack_sequence(given, False))):
        assert len(found) == len(sequences)
        for one, other in zip(found, sequences, strict=True):
            np.testing.assert_array_equal(one.numpy(), other)
    with pytest.raises(la.DataError, match="unpad_sequence: lengths must be from 0 to 5"):
        nn.unpad_sequence(padded, [3, 6, 1, 4], first)
