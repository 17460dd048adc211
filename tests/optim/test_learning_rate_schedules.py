"""Schedules agree with PyTorch's, and with their formulas where they say so."""

import json
import math

import numpy as np
import pytest

import lamina as la
from lamina import optim
from lamina.optim import lr_scheduler as ours

STEPS = 50


def make_ours(momentum=0.9):
    return optim.SGD([{"params": [la.variable([1.0])]}, {"params": [la.variable([1.0])], "lr": 0.02}], 0.5, momentum)


def make_theirs(momentum=0.9):
    torch = pytest.importorskip("torch")
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))]},
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.02},
    ]
    return torch.optim.SGD(groups, 0.5, momentum)


CASES = [
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 7}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 20}),
    ("StepLR", {"step_size": 7}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [3, 10, 10, 31]}),
    ("MultiStepLR", {"milestones": [31, 3], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 30, "power": 2.5}),
    ("CosineAnnealingLR", {"T_max": 50}),
    ("CosineAnnealingLR", {"T_max": 13, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 9}),
    ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 2, "eta_min": 0.001}),
    ("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 3}),
    ("OneCycleLR", {"max_lr": 0.8, "total_steps": 50}),
    ("OneCycleLR", {"max_lr": [0.8, 0.1], "epochs": 10, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.8, "total_steps": 60, "three_phase": True, "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 0.8, "total_steps": 50, "pct_start": 0.25, "div_factor": 3.0, "final_div_factor": 7.0}),
    ("OneCycleLR", {"max_lr": 0.8, "total_steps": 50, "base_momentum": 0.5, "max_momentum": 0.6}),
    ("LambdaLR", {"lr_lambda": lambda step: 1.0 / (1.0 + step)}),
    ("LambdaLR", {"lr_lambda": [lambda step: 0.9**step, lambda step: 1.0 + step]}),
]


def rates(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_fifty_steps_are_pytorchs(name, options):
    torch = pytest.importorskip("torch")
    mine, other = make_ours(), make_theirs()
    schedule = getattr(ours, name)(mine, **options)
    expected = getattr(torch.optim.lr_scheduler, name)(other, **options)
    for step in range(STEPS):
        np.testing.assert_allclose(rates(mine), rates(other), rtol=1e-9, atol=1e-12, err_msg=f"step {step}")
        np.testing.assert_allclose(schedule.get_last_lr(), rates(mine), rtol=0)
        assert mine.param_groups[0]["momentum"] == pytest.approx(other.param_groups[0]["momentum"], rel=1e-12)
        if step < STEPS - 1:
            schedule.step()
            other.step()
            expected.step()


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_one_cycle_moves_the_first_beta_of_adam(optimizer):
    torch = pytest.importorskip("torch")
    mine = getattr(optim, optimizer)([la.variable([1.0])])
    other = getattr(torch.optim, optimizer)([torch.nn.Parameter(torch.ones(1))])
    schedule = ours.OneCycleLR(mine, max_lr=0.1, total_steps=20)
    expected = torch.optim.lr_scheduler.OneCycleLR(other, max_lr=0.1, total_steps=20)
    for _ in range(19):
        np.testing.assert_allclose(mine.param_groups[0]["betas"], other.param_groups[0]["betas"], rtol=1e-12)
        schedule.step()
        other.step()
        expected.step()


SEQUENCES = [
    ([("LinearLR", {"total_iters": 10}), ("CosineAnnealingLR", {"T_max": 40})], [10]),
    ([("ConstantLR", {"total_iters": 20}), ("ExponentialLR", {"gamma": 0.9})], [20]),
    ([("ConstantLR", {}), ("StepLR", {"step_size": 4}), ("PolynomialLR", {"total_iters": 25})], [5, 21]),
    ([("LinearLR", {"total_iters": 4}), ("CosineAnnealingWarmRestarts", {"T_0": 6, "T_mult": 2})], [4]),
]


def built(module, optimizer, parts):
    return [getattr(module, name)(optimizer, **options) for name, options in parts]


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*")
@pytest.mark.parametrize(("parts", "milestones"), SEQUENCES)
def test_sequences_are_pytorchs(parts, milestones):
    theirs = pytest.importorskip("torch").optim.lr_scheduler
    mine, other = make_ours(), make_theirs()
    schedule = ours.SequentialLR(mine, built(ours, mine, parts), milestones)
    expected = theirs.SequentialLR(other, built(theirs, other, parts), milestones)
    for step in range(STEPS):
        np.testing.assert_allclose(rates(mine), rates(other), rtol=1e-9, atol=1e-12, err_msg=f"step {step}")
        schedule.step()
        other.step()
        expected.step()


CHAINS = [
    [("ConstantLR", {"factor": 0.1, "total_iters": 4}), ("ExponentialLR", {"gamma": 0.9})],
    [("LinearLR", {"total_iters": 8}), ("StepLR", {"step_size": 9}), ("MultiStepLR", {"milestones": [5, 17]})],
    [("LinearLR", {"total_iters": 8}), ("CosineAnnealingLR", {"T_max": 60})],
]


@pytest.mark.parametrize("parts", CHAINS)
def test_chains_are_pytorchs(parts):
    theirs = pytest.importorskip("torch").optim.lr_scheduler
    mine, other = make_ours(), make_theirs()
    schedule = ours.ChainedScheduler(built(ours, mine, parts))
    expected = theirs.ChainedScheduler(built(theirs, other, parts))
    for step in range(STEPS):
        np.testing.assert_allclose(rates(mine), rates(other), rtol=1e-9, atol=1e-12, err_msg=f"step {step}")
        schedule.step()
        other.step()
        expected.step()


def test_a_chain_inside_a_sequence_works():
    optimizer = make_ours()
    chain = ours.ChainedScheduler([ours.ConstantLR(optimizer, 0.5, 2), ours.ExponentialLR(optimizer, 0.5)])
    schedule = ours.SequentialLR(optimizer, [ours.ConstantLR(optimizer, 0.1, 100), chain], [2])
    seen = []
    for _ in range(6):
        seen.append(schedule.get_last_lr()[0])
        schedule.step()
    np.testing.assert_allclose(seen, [0.05, 0.05, 0.25, 0.125, 0.125, 0.0625])


PLATEAUS = [
    {},
    {"factor": 0.5, "patience": 2},
    {"factor": 0.5, "patience": 1, "cooldown": 3},
    {"factor": 0.3, "patience": 0, "min_lr": 0.01},
    {"factor": 0.3, "patience": 0, "min_lr": [0.1, 0.001]},
    {"factor": 0.5, "patience": 1, "mode": "max"},
    {"factor": 0.5, "patience": 1, "threshold": 0.2},
    {"factor": 0.5, "patience": 1, "threshold": 0.2, "threshold_mode": "abs"},
    {"factor": 0.5, "patience": 1, "mode": "max", "threshold": 0.2, "threshold_mode": "abs"},
    {"factor": 0.1, "patience": 0, "eps": 0.01},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus_are_pytorchs(options):
    theirs = pytest.importorskip("torch").optim.lr_scheduler
    mine, other = make_ours(), make_theirs()
    schedule, expected = ours.ReduceLROnPlateau(mine, **options), theirs.ReduceLROnPlateau(other, **options)
    generator = np.random.default_rng(5)
    losses = [*(2.0 / (1 + np.arange(20)) + generator.normal(size=20) * 0.2), math.nan, *generator.normal(size=29)]
    for loss in losses:
        schedule.step(la.asarray(float(loss), dtype=la.float64))
        expected.step(float(loss))
        np.testing.assert_allclose(rates(mine), rates(other), rtol=1e-12)
        assert schedule.num_bad_epochs == expected.num_bad_epochs


# --- beyond PyTorch -----------------------------------------------------------------------------------------------


def test_a_schedule_assigns_the_variable_the_optimiser_uses():
    w = la.variable([1.0])
    optimizer = optim.SGD([w], lr=1.0)
    rate = optimizer.lr
    schedule = ours.StepLR(optimizer, step_size=1, gamma=0.5)
    schedule.step()
    optimizer.step(w.sum().backward())
    assert w.item() == 0.5
    assert optimizer.lr is rate


def test_a_warm_up_may_begin_at_zero():
    optimizer = make_ours()
    schedule = ours.LinearLR(optimizer, start_factor=0.0, total_iters=2)
    assert schedule.get_last_lr() == [0.0, 0.0]
    schedule.step()
    assert schedule.get_last_lr() == [0.25, 0.01]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_schedule_goes_on_from_its_saved_state(name, options):
    optimizer, other = make_ours(), make_ours()
    schedule = getattr(ours, name)(optimizer, **options)
    for _ in range(8):
        schedule.step()
    other.load_state_dict(optimizer.state_dict())
    resumed = getattr(ours, name)(other, **options)
    resumed.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    for _ in range(20):
        assert resumed.get_last_lr() == schedule.get_last_lr() == rates(other)
        schedule.step()
        resumed.step()


def test_a_plateau_goes_on_from_its_saved_state():
    first, second = make_ours(), make_ours()
    schedule, resumed = ours.ReduceLROnPlateau(first, patience=3), ours.ReduceLROnPlateau(second, patience=3)
    for loss in (3.0, 2.0, 2.0, 2.0):
        schedule.step(loss)
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(2):
        schedule.step(2.0)
        resumed.step(2.0)
    assert rates(first) == rates(second) == [0.05, 0.002]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"last_epoch": 1},
        {"last_epoch": -1, "base_lrs": [1.0, 1.0]},
        {"last_epoch": 1, "base_lrs": [1.0]},
        {"last_epoch": 1, "base_lrs": ["a", "b"]},
        {"last_epoch": 1, "base_lrs": [1.0, 1.0], "gamma": 2},
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state):
    optimizer = make_ours()
    schedule = ours.ExponentialLR(optimizer, 0.5)
    schedule.step()
    with pytest.raises(la.CheckpointError, match="load_state_dict"):
        schedule.load_state_dict(state)
    assert schedule.last_epoch == 1
    assert rates(optimizer) == [0.25, 0.01]


def test_a_plateau_state_that_does_not_fit_changes_nothing():
    schedule = ours.ReduceLROnPlateau(make_ours())
    before = schedule.state_dict()
    for state in ({}, {**before, "best": "low"}, {**before, "extra": 1}, {**before, "last_epoch": 1.5}):
        with pytest.raises(la.CheckpointError, match="ReduceLROnPlateau"):
            schedule.load_state_dict(state)
    assert schedule.state_dict() == before


@pytest.mark.parametrize("anneal_strategy", ["cos", "linear"])
def test_the_step_after_the_last_of_a_cycle_keeps_its_rate(anneal_strategy):
    """A loop that ends with ``schedule.step()`` asks for it; PyTorch goes beyond the end, to negative rates."""
    optimizer = make_ours()
    schedule = ours.OneCycleLR(optimizer, max_lr=1.0, total_steps=10, anneal_strategy=anneal_strategy)
    for _ in range(9):
        schedule.step()
    before = rates(optimizer)
    schedule.step()
    assert rates(optimizer) == before == pytest.approx([1.0 / 25.0 / 1e4] * 2)


def test_a_step_past_the_end_of_a_cycle_changes_nothing():
    optimizer = make_ours()
    schedule = ours.OneCycleLR(optimizer, max_lr=1.0, total_steps=3)
    for _ in range(3):
        schedule.step()
    before = rates(optimizer)
    with pytest.raises(la.DataError, match="the cycle has 3 steps, got step 4"):
        schedule.step()
    assert (schedule.last_epoch, rates(optimizer)) == (3, before)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: ours.StepLR(o.param_groups, 3), la.DTypeError, "StepLR: expected an optimiser first"),
        (lambda o: ours.StepLR(o, 0), la.DataError, "step_size must be at least 1"),
        (lambda o: ours.StepLR(o, 2.5), la.DTypeError, "step_size is a number of steps"),
        (lambda o: ours.ExponentialLR(o, -1.0), la.DataError, "gamma"),
        (lambda o: ours.ConstantLR(o, 1.5), la.DataError, "factor must be from 0 to 1"),
        (lambda o: ours.LinearLR(o, -0.5), la.DataError, "start_factor"),
        (lambda o: ours.MultiStepLR(o, [1, 2.5]), la.DTypeError, "milestone"),
        (lambda o: ours.LambdaLR(o, [abs]), la.DataError, "lr_lambda has 1 entries"),
        (lambda o: ours.LambdaLR(o, 3.0), la.DataError, "lr_lambda is a function"),
        (lambda o: ours.LambdaLR(o, lambda step: -1.0), la.DataError, "learning rate must be zero or positive"),
        (lambda o: ours.OneCycleLR(o, 1.0), la.DataError, "give total_steps"),
        (lambda o: ours.OneCycleLR(o, 1.0, 10, anneal_strategy="up"), la.DataError, "anneal_strategy"),
        (lambda o: ours.OneCycleLR(o, 1.0, 10, div_factor=0.0), la.DataError, "div_factor must be positive"),
        (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), la.DataError, "factor"),
        (lambda o: ours.ReduceLROnPlateau(o, mode="best"), la.DataError, "mode"),
        (lambda o: ours.ReduceLROnPlateau(o).step("low"), la.DTypeError, "the measured number"),
        (lambda o: ours.SequentialLR(o, [], []), la.DataError, "empty"),
        (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 1)], [3]), la.DataError, "need 0 rising milestones"),
        (lambda o: ours.SequentialLR(make_ours(), [ours.StepLR(o, 1)], []), la.DataError, "another optimiser"),
        (lambda o: ours.ChainedScheduler([ours.ReduceLROnPlateau(o)]), la.DTypeError, "follows the step count"),
        (lambda o: ours.ChainedScheduler([]), la.DataError, "empty"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(make, error, message):
    optimizer = make_ours()
    before = rates(optimizer)
    with pytest.raises(error, match=message):
        make(optimizer)
    if "another" not in message and "rising" not in message:
        assert rates(optimizer) == before


def test_an_optimiser_without_momentum_needs_a_cycle_without():
    optimizer = optim.Adagrad([la.variable([1.0])])
    with pytest.raises(la.DataError, match="cycle_momentum=False"):
        ours.OneCycleLR(optimizer, 1.0, 10)
    assert ours.OneCycleLR(optimizer, 1.0, 10, cycle_momentum=False).get_last_lr() == pytest.approx([0.04])


def test_a_group_added_later_is_noticed():
    optimizer = optim.SGD([la.variable([1.0])])
    schedule = ours.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [la.variable([1.0])]})
    with pytest.raises(la.DataError, match="made for 1 parameter groups, the optimiser has 2"):
        schedule.step()
    assert schedule.last_epoch == 0
