"""Numbers of an optimiser that a schedule moves: a compiled step follows them without being traced again."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import optim

MOVES = [
    (optim.SGD, {"lr": 0.1, "momentum": 0.9}, "momentum", lambda t: 0.9 - 0.02 * t),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, "momentum", lambda t: 0.5 + 0.02 * t),
    (optim.SGD, {"lr": 0.1, "weight_decay": 0.1}, "weight_decay", lambda t: 0.1 + 0.02 * t),
    (optim.Adam, {"lr": 0.1}, "betas", lambda t: (0.9 - 0.02 * t, 0.999 - 0.01 * t)),
    (optim.AdamW, {"lr": 0.1}, "weight_decay", lambda t: 0.01 + 0.05 * t),
    (optim.NAdam, {"lr": 0.1}, "momentum_decay", lambda t: 0.004 + 0.01 * t),
    (optim.RAdam, {"lr": 0.1}, "betas", lambda t: (0.9 - 0.02 * t, 0.999 - 0.005 * t)),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9}, "alpha", lambda t: 0.99 - 0.05 * t),
]


def trained(kind, options, changes, wrap=lambda step: step):
    """Return the values after as many steps as changes, each made before its step, and the traces."""
    start = np.array([1.0, -2.0, 0.5], np.float32)
    w = la.variable(start)
    optimizer = kind([w], **options)

    @wrap
    def step(x):
        optimizer.step(((w * x) ** 3).sum().backward())

    for change in changes:
        for name, value in change.items():
            optimizer.param_groups[0][name] = value
        step(la.asarray([1.0, 2.0, 3.0]))
    return w.numpy(), getattr(step, "traces", None)


def by_torch(kind, options, changes):
    torch = pytest.importorskip("torch")
    w = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    optimizer = getattr(torch.optim, kind.__name__)([w], **options)
    for change in changes:
        optimizer.param_groups[0].update(change)
        optimizer.zero_grad()
        ((w * torch.tensor([1.0, 2.0, 3.0])) ** 3).sum().backward()
        optimizer.step()
    return w.detach().numpy()


@pytest.mark.parametrize(("kind", "options", "name", "value"), MOVES)
def test_a_number_that_moves_at_every_step_is_pytorchs_and_traces_once_more(kind, options, name, value):
    changes = [{}, *({name: value(t)} for t in range(1, 8))]
    expected = by_torch(kind, options, changes)
    np.testing.assert_allclose(trained(kind, options, changes)[0], expected, rtol=2e-5)
    values, traces = trained(kind, options, changes, la.compile)
    np.testing.assert_allclose(values, expected, rtol=2e-5)
    assert traces == 2


def test_one_cycle_is_traced_once():
    w = la.variable([1.0, -2.0])
    optimizer = optim.AdamW([w], lr=0.1)
    schedule = optim.OneCycleLR(optimizer, max_lr=0.2, total_steps=20)
    step = la.compile(lambda: optimizer.step((w * w).sum().backward()))
    for _ in range(19):
        step()
        schedule.step()
    assert step.traces == 1


TURNS = [
    ({"momentum": 0.9}, "momentum", [0.9, 0.8, 0.7, 0.0, 0.0, 0.6, 0.5, 0.0, 0.9, 0.4]),
    ({"weight_decay": 0.1}, "weight_decay", [0.1, 0.2, 0.0, 0.3, 0.4, 0.0, 0.1]),
    ({"momentum": 0.9}, "dampening", [0.0, 0.1, 0.2, 0.0, 0.3, 0.1]),
]


@pytest.mark.parametrize(("options", "name", "values"), TURNS)
def test_what_turns_a_part_of_the_rule_on_and_off_is_followed_too(options, name, values):
    changes = [{name: value} for value in values]
    options = {"lr": 0.01, **options}
    eager, _ = trained(optim.SGD, options, changes)
    values, _ = trained(optim.SGD, options, changes, la.compile)
    np.testing.assert_allclose(values, eager, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::lamina.RetraceWarning")
def test_numbers_that_move_beside_switches_are_never_of_an_earlier_program():
    generator = np.random.default_rng(0)
    changes = []
    for _ in range(60):
        name = str(generator.choice(["momentum", "weight_decay", "dampening", "maximize"]))
        value = bool(generator.integers(2)) if name == "maximize" else float(generator.choice([0.0, 0.1, 0.5, 0.8]))
        changes.append({name: value})
    options = {"lr": 1e-3, "momentum": 0.9}
    eager, _ = trained(optim.SGD, options, changes)
    values, _ = trained(optim.SGD, options, changes, la.compile)
    np.testing.assert_allclose(values, eager, rtol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copy_has_numbers_of_its_own(copied):
    w = la.variable([1.0])
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    optimizer.param_groups[0]["momentum"] = 0.8
    _, other = copied((w, optimizer))
    other.param_groups[0]["momentum"] = 0.1
    assert optimizer.param_groups[0].varying["momentum"].item() == 0.8
    assert other.param_groups[0].varying["momentum"].item() == 0.1


def test_a_loaded_state_brings_its_numbers():
    def made(momentum):
        w = la.variable([1.0])
        return w, optim.SGD([w], lr=0.1, momentum=momentum)

    w, optimizer = made(0.9)
    optimizer.param_groups[0]["momentum"] = 0.5
    optimizer.step((w * w).sum().backward())
    again, other = made(0.9)
    other.load_state_dict(optimizer.state_dict())
    again.assign(w)
    for each, of in ((w, optimizer), (again, other)):
        of.step((each * each).sum().backward())
    assert again.item() == w.item()
