"""Steps whose gradient names rows: against PyTorch's sparse optimisers, and against dense steps of the same rows."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

STEPS = [np.array([3, 5, 3]), np.array([0, 3]), np.array([9, 9, 9, 1, 2, 5, 7, 0, 1, 3, 4, 4]), np.array([3])]
"""Row 3 is used by all."""

RULES = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "maximize": True}),
    (optim.Adam, {"lr": 0.1}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    (optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.AMSGrad, {"lr": 0.1}),
    (optim.Adamax, {"lr": 0.1}),
    (optim.NAdam, {"lr": 0.1}),
    (optim.RAdam, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
    (optim.Adadelta, {"lr": 1.0}),
    (optim.Lion, {"lr": 0.1, "weight_decay": 0.1}),
]


def trained(make, sparse, compiled=False, steps=STEPS, dtype="float64"):
    """Return the table, and what is remembered of it, after some steps, and the tables in between."""
    values = np.random.default_rng(0).normal(size=(10, 3)).astype(dtype)
    layer = nn.Embedding.from_pretrained(values, freeze=False, sparse=sparse)
    optimizer = make([layer.weight])
    targets = la.asarray(np.random.default_rng(1).normal(size=(12, 3)).astype(dtype))

    def step(places):
        loss = ((layer(places) - targets[: places.shape[0]]) ** 2).sum()
        optimizer.step(loss.backward())
        return loss

    run = la.compile(step) if compiled else step
    between = []
    for places in steps:
        run(la.asarray(places))
        between.append(layer.weight.numpy())
    return between, {name: each.numpy() for name, each in optimizer.state[layer.weight].items()}


@pytest.mark.parametrize(("rule", "options"), RULES)
@pytest.mark.parametrize("compiled", [False, True])
def test_rows_that_are_not_used_stay_and_the_others_move_as_in_a_dense_step(rule, options, compiled):
    between, state = trained(lambda p: rule(p, **options), sparse=True, compiled=compiled)
    for row in range(10):
        mine = [at for at, places in enumerate(STEPS) if row in places]
        for at in set(range(len(STEPS))) - set(mine):
            before = between[at - 1] if at else np.random.default_rng(0).normal(size=(10, 3))
            assert (between[at][row] == before[row]).all()
    dense, expected = trained(lambda p: rule(p, **options), sparse=False)
    np.testing.assert_allclose(between[-1][3], dense[-1][3], rtol=1e-12)
    for name, wanted in expected.items():
        found = state[name]
        np.testing.assert_allclose(*((x[3] if x.ndim else x) for x in (found, wanted)), rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(("rule", "options"), RULES)
def test_steps_that_use_every_row_are_dense_steps(rule, options):
    steps = [np.arange(10), np.arange(12) % 10, np.arange(10)[::-1].copy()]
    rows, state = trained(lambda p: rule(p, **options), sparse=True, steps=steps)
    dense, expected = trained(lambda p: rule(p, **options), sparse=False, steps=steps)
    for found, wanted in zip(rows, dense, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    for name, wanted in expected.items():
        np.testing.assert_allclose(state[name], wanted, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs", "options"),
    [
        (optim.Adam, "SparseAdam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-300}),
        (optim.SGD, "SGD", {"lr": 0.1}),
        (optim.Adagrad, "Adagrad", {"lr": 0.1, "lr_decay": 0.2, "eps": 1e-10}),
    ],
)
def test_steps_of_rows_are_pytorchs(ours, theirs, options, compiled):
    torch = pytest.importorskip("torch")
    between, _ = trained(lambda p: ours(p, **options), sparse=True, compiled=compiled)
    layer = torch.nn.Embedding(10, 3, sparse=True, dtype=torch.float64)
    layer.weight.data = torch.tensor(np.random.default_rng(0).normal(size=(10, 3)))
    optimizer = getattr(torch.optim, theirs)(layer.parameters(), **options)
    targets = torch.tensor(np.random.default_rng(1).normal(size=(12, 3)))
    for places, found in zip(STEPS, between, strict=True):
        optimizer.zero_grad()
        ((layer(torch.tensor(places)) - targets[: len(places)]) ** 2).sum().backward()
        with torch.sparse.check_sparse_tensor_invariants():  # which it asks to be told
            optimizer.step()
        np.testing.assert_allclose(found, layer.weight.detach().numpy(), rtol=1e-11)


@pytest.mark.parametrize("make", [optim.LAMB, optim.Muon])
def test_rules_that_look_at_a_whole_parameter_get_the_dense_gradient(make):
    rows, _ = trained(make, sparse=True)
    dense, _ = trained(make, sparse=False)
    np.testing.assert_allclose(rows[-1], dense[-1], rtol=1e-12)


def test_a_rule_of_ones_own_gets_the_dense_gradient_unless_it_says_that_it_is_elementwise():
    class Halfway(optim.SGD):
        def update(self, k, p, g, state):
            return (p - k.lr * g / (1.0 + (g * g).sum()),)

    class SignDescent(optim.Optimizer):
        elementwise = True

        def update(self, k, p, g, state):
            seen.append(g.shape)
            return (p - k.lr * la.sign(g),)

    seen = []
    assert not Halfway.elementwise
    rows, dense = (trained(lambda p: Halfway(p, lr=0.1), sparse)[0][-1] for sparse in (True, False))
    np.testing.assert_allclose(rows, dense, rtol=1e-12)
    trained(lambda p: SignDescent(p, lr=0.1), sparse=True)
    assert seen == [(2, 3), (2, 3), (8, 3), (1, 3)]


# --- clipping ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1.0, 2.0, np.inf])
@pytest.mark.parametrize("compiled", [False, True])
def test_clipped_gradients_of_rows_are_those_of_the_dense_gradient(order, compiled):
    layer = nn.Embedding(10, 3, dtype="float64")

    def both(places):
        found = {}
        for layer.sparse in (True, False):
            grads = (layer(places) ** 3).sum().backward()
            clipped, norm = optim.clip_grad_norm(grads, 0.5, order)
            found[layer.sparse] = clipped[layer.weight], norm, optim.clip_grad_value(grads, 0.3)[layer.weight]
        return found

    for places in ([3, 5, 3], list(range(10)) * 2, [1]):
        found = (la.compile(both) if compiled else both)(la.asarray(places))
        assert isinstance(found[True][0], la.RowGradient)
        for rows, dense in zip(found[True], found[False], strict=True):
            np.testing.assert_allclose(rows.numpy(), dense.numpy(), rtol=1e-12)


# --- memory -----------------------------------------------------------------------------------------------


def test_rows_are_written_where_they_are_and_what_others_hold_stays():
    layer = nn.Embedding.from_pretrained(np.ones((10, 3)), freeze=False)
    optimizer = optim.Adam([layer.weight])
    address = layer.weight._data.ctypes.data
    for places in STEPS:
        loss = (layer(la.asarray(places)) ** 2).sum()
        optimizer.step(loss.backward())
        assert layer.weight._data.ctypes.data == address
    held = layer.weight.value
    before = held.numpy()
    optimizer.step((layer(la.asarray([3])) ** 2).sum().backward())
    assert layer.weight._data.ctypes.data != address
    np.testing.assert_array_equal(held.numpy(), before)
    assert (layer.weight.numpy() != before).any(1).tolist() == [row == 3 for row in range(10)]


@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_rows_are_assigned_on_every_device(device):
    if device == "strict":
        pytest.importorskip("array_api_strict")
    w = la.variable(np.arange(8.0).reshape(4, 2), device=device)
    new = la.asarray([[9.0, 9.0], [7.0, 7.0], [5.0, 5.0]], dtype="float64", device=device)
    w.assign_rows(la.asarray([2, 0, 4], device=device), new)
    assert w.tolist() == [[7, 7], [2, 3], [9, 9], [6, 7]]


@pytest.mark.parametrize(
    ("indices", "rows", "error"),
    [
        ([0], np.ones((1, 3)), la.ShapeError),
        ([0, 1], np.ones((1, 2)), la.ShapeError),
        ([0], np.ones((1, 2), np.float32), la.DTypeError),
        ([0.5], np.ones((1, 2)), la.DTypeError),
    ],
)
def test_rows_that_do_not_fit_change_nothing(indices, rows, error):
    w = la.variable(np.arange(8.0).reshape(4, 2))
    for held in (None, w.value):
        with pytest.raises(error):
            w.assign_rows(la.asarray(indices), la.asarray(rows))
        assert w.tolist() == np.arange(8.0).reshape(4, 2).tolist(), held


def test_a_table_beside_layers_whose_updates_are_compiled():
    def run(sparse):
        la.random.seed(0)
        layer, head = nn.Embedding(10, 3, sparse=sparse, dtype="float64"), nn.Linear(3, 200, dtype="float64")
        optimizer = optim.Adam([*layer.parameters(), *head.parameters()], lr=0.01)
        optimizer._compiled_update._work = 1e9
        for _ in range(3):
            grads = (head(layer(la.asarray(np.arange(10)))) ** 2).mean().backward()
            optimizer.step(grads)
        assert optimizer._compiled_update._function is not None
        return layer.weight.numpy(), head.weight.numpy(), optimizer.state[layer.weight]["step"].item()

    for rows, dense in zip(run(True), run(False), strict=True):
        np.testing.assert_allclose(rows, dense, rtol=1e-12)
