"""Every optimiser takes the steps that PyTorch's takes."""

import numpy as np
import pytest

import lamina as la
from lamina import optim

torch = pytest.importorskip("torch")

STEPS = 20

# Options beyond PyTorch's defaults, so that every branch of every rule is taken.
CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True}),
    ("Adam", {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.0)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adagrad", {"maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.9, 0.5), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.1, "maximize": True}),
]
MATRIX_CASES = [
    ("Muon", {}),
    ("Muon", {"lr": 0.1, "weight_decay": 0.3, "momentum": 0.8, "nesterov": False}),
    ("Muon", {"lr": 0.1, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)}),
    ("Muon", {"adjust_lr_fn": "original", "eps": 5.0}),
]
SHAPES = [(3, 4), (4,), (), (2, 1, 3)]
MATRICES = [(3, 4), (5, 2), (3, 3), (6, 1)]
ALL = [(*case, SHAPES) for case in CASES] + [(*case, MATRICES) for case in MATRIX_CASES]


@pytest.fixture(autouse=True)
def _pytorch_in_float64(monkeypatch):
    """PyTorch keeps step counts and products in its default type, and rounds Muon's iteration to bfloat16."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    yield
    torch.set_default_dtype(before)


def loss_of(parameters, sin):
    """A smooth loss with several minima, the same in both libraries."""
    total = 0.0
    for place, p in enumerate(parameters):
        total = total + (sin(p * 3.0 + place) + (p - 0.3 * place) ** 2).sum()
    return total


def starts(shapes, dtype):
    generator = np.random.default_rng(7)
    return [np.asarray(generator.normal(size=shape), dtype) for shape in shapes]


def run_lamina(name, options, values, steps=STEPS):
    parameters = [la.variable(value) for value in values]
    optimizer = getattr(optim, name)(parameters, **options)
    for _ in range(steps):
        optimizer.step(loss_of(parameters, la.sin).backward())
    return optimizer, parameters


def run_torch(name, options, values, steps=STEPS):
    parameters = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(parameters, torch.sin).backward()
        optimizer.step()
    return optimizer, parameters


@pytest.mark.parametrize(("name", "options", "shapes"), ALL)
def test_twenty_steps_in_float64_agree_to_a_millionth(name, options, shapes):
    values = starts(shapes, np.float64)
    _, ours = run_lamina(name, options, values)
    _, theirs = run_torch(name, options, values)
    for mine, other, value in zip(ours, theirs, values, strict=True):
        assert not np.array_equal(mine.numpy(), value)
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("name", "options", "shapes"), ALL)
def test_twenty_steps_in_float32_agree_to_its_accuracy(name, options, shapes):
    values = starts(shapes, np.float32)
    _, ours = run_lamina(name, options, values)
    _, theirs = run_torch(name, options, values)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype is la.float32
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "options", "shapes"), ALL)
def test_the_state_has_pytorchs_names_and_values(name, options, shapes):
    values = starts(shapes, np.float64)
    ours, parameters = run_lamina(name, options, values)
    theirs, others = run_torch(name, options, values)
    for mine, other in zip(parameters, others, strict=True):
        for key, variable in ours.state[mine].items():
            # PyTorch's SGD does not count its steps.
            if (name, key) != ("SGD", "step"):
                expected = theirs.state[other][key].detach().numpy()
                np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_parameter_without_gradients_for_a_while_is_skipped(name, options):
    values = starts([(3,), (2, 2)], np.float64)
    ours = [la.variable(value) for value in values]
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    mine, other = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for used in (1, 1, 2, 2, 1, 2):
        mine.step(loss_of(ours[:used], la.sin).backward())
        other.zero_grad()
        loss_of(theirs[:used], torch.sin).backward()
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-12)


def test_groups_use_their_own_hyperparameters():
    values = starts([(3,), (2, 2)], np.float64)
    ours = [la.variable(value) for value in values]
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    own = {"lr": 0.3, "betas": (0.5, 0.6), "weight_decay": 0.2}
    mine = optim.Adam([{"params": [ours[0]]}, {"params": [ours[1]], **own}], lr=0.01)
    other = torch.optim.Adam([{"params": [theirs[0]]}, {"params": [theirs[1]], **own}], lr=0.01)
    for _ in range(STEPS):
        mine.step(loss_of(ours, la.sin).backward())
        other.zero_grad()
        loss_of(theirs, torch.sin).backward()
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-6, atol=1e-12)


def test_parameters_of_two_types_in_one_group_keep_theirs():
    values = [starts([(3,)], np.float64)[0], starts([(3,)], np.float32)[0]]
    _, both = run_lamina("Adam", {"lr": 0.1}, values)
    _, wide = run_lamina("Adam", {"lr": 0.1}, values[:1])
    assert [p.dtype for p in both] == [la.float64, la.float32]
    np.testing.assert_array_equal(both[0].numpy(), wide[0].numpy())


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES + MATRIX_CASES}))
def test_defaults_are_pytorchs(name):
    shapes = MATRICES if name == "Muon" else SHAPES
    ours, _ = run_lamina(name, {}, starts(shapes, np.float64), 0)
    theirs, _ = run_torch(name, {}, starts(shapes, np.float64), 0)
    expected = theirs.param_groups[0]
    # Muon and AdamW decay apart from the gradient by their nature; PyTorch's Muon has no word for it.
    for key, value in ours.param_groups[0].hyperparameters.items():
        if key in expected:
            assert value == expected[key], key
    assert ours.lr.item() == expected["lr"]
