"""What every optimiser promises: groups, state, errors, and that a failed step changes nothing."""

import copy
import json
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import optim
from lamina.watched import REVISION

KINDS = [
    optim.SGD,
    optim.Adam,
    optim.AdamW,
    optim.AMSGrad,
    optim.Adamax,
    optim.NAdam,
    optim.RAdam,
    optim.RMSprop,
    optim.Adagrad,
    optim.Adadelta,
    optim.Lion,
    optim.LAMB,
    optim.Muon,
]
WITH_STATE = [
    *KINDS[1:],
    lambda p: optim.SGD(p, momentum=0.9, dampening=0.1),
    lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
]


def parameters(seed=0, device=None):
    generator = np.random.default_rng(seed)
    values = [generator.normal(size=shape).astype(np.float32) for shape in [(3, 2), (2, 2)]]
    return [la.variable(la.asarray(value, device=device), name=f"w{place}") for place, value in enumerate(values)]


def gradients(params, scale=1.0):
    total = (params[0] ** 3).sum() * scale
    for p in params[1:]:
        total = total + (p**3).sum() * scale
    return total.backward()


def everything(optimizer):
    """Every number an optimiser or its parameters hold."""
    tensors = [p for group in optimizer.param_groups for p in group["params"]]
    tensors += [group["lr"] for group in optimizer.param_groups]
    tensors += [variable for state in optimizer.state.values() for variable in state.values()]
    return [tensor.numpy() for tensor in tensors]


def assert_same(before, after):
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


# --- steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_STATE)
def test_a_gradient_of_another_shape_changes_nothing(kind):
    params = parameters()
    optimizer = kind(params)
    optimizer.step(gradients(params))
    before = everything(optimizer)
    grads = gradients(params)
    wrong = grads.map(lambda g: g if g.shape == (3, 2) else la.ones((1, 2)))
    with pytest.raises(la.ShapeError, match=r"w1.*\[2, 2\].*\[1, 2\]"):
        optimizer.step(wrong)
    assert_same(before, everything(optimizer))


@pytest.mark.parametrize("kind", WITH_STATE)
def test_an_error_in_the_last_update_changes_nothing(kind, monkeypatch):
    params = parameters()
    optimizer = kind(params)
    optimizer.step(gradients(params))
    before = everything(optimizer)
    update, calls = optimizer.update, []

    def failing(*args):
        calls.append(args)
        if len(calls) == 2:
            raise MemoryError
        return update(*args)

    monkeypatch.setattr(optimizer, "update", failing)
    with pytest.raises(MemoryError):
        optimizer.step(gradients(params))
    assert_same(before, everything(optimizer))


def test_a_gradient_of_another_type_is_refused():
    params = parameters()
    optimizer = optim.Adam(params)
    with pytest.raises(la.DTypeError, match=r"w0.*float32.*float64"):
        optimizer.step(gradients(params).map(lambda g: g.astype(la.float64)))


@pytest.mark.parametrize("given", [None, {}, la.ones(2), [la.ones(2)]])
def test_what_is_no_gradients_is_refused(given):
    optimizer = optim.SGD(parameters())
    with pytest.raises(la.DTypeError, match=r"SGD\.step: expected the Gradients"):
        optimizer.step(given)


def test_gradients_of_another_model_are_refused():
    optimizer = optim.Adam(parameters())
    with pytest.raises(la.GradientError, match="none of this optimiser's parameters"):
        optimizer.step(gradients(parameters(1)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_step_is_tracked(kind):
    params = parameters()
    optimizer = kind(params)
    optimizer.step(gradients(params))
    assert not any(variable.tracked for state in optimizer.state.values() for variable in state.values())
    assert all(p.tracked for p in params)


@pytest.mark.parametrize("kind", WITH_STATE)
def test_a_step_looks_at_no_value(kind, monkeypatch):
    """So that a compiled step can record it: what happens depends on names, shapes and hyperparameters only."""
    params = parameters()
    before = [p.numpy() for p in params]
    optimizer = kind(params)
    grads = gradients(params)

    def refused(*_):
        raise AssertionError("looked at a value")

    with monkeypatch.context() as patch:
        for name in ("numpy", "item", "tolist", "__bool__", "__float__", "__int__"):
            patch.setattr(la.Tensor, name, refused)
        clipped, _ = optim.clip_grad_norm(grads, 1.0)
        optimizer.step(optim.clip_grad_value(clipped, 0.5))
    assert all((p.numpy() != old).any() for p, old in zip(params, before, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_the_same_on_another_backend(kind):
    pytest.importorskip("array_api_strict")
    here, there = parameters(), parameters(device="strict")
    first, second = kind(here), kind(there)
    for _ in range(3):
        first.step(gradients(here))
        second.step(gradients(there))
    for a, b in zip(here, there, strict=True):
        assert b.device == "strict"
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_state_follows_parameters_to_another_device():
    pytest.importorskip("array_api_strict")
    params, stay = parameters(), parameters()
    optimizer, reference = optim.Adam(params, lr=0.1), optim.Adam(stay, lr=0.1)
    rate = optimizer.lr
    for step in range(4):
        if step == 2:
            for p in params:
                p._hold(p.to("strict"))
        optimizer.step(gradients(params))
        reference.step(gradients(stay))
    assert {variable.device for state in optimizer.state.values() for variable in state.values()} == {"strict"}
    assert optimizer.lr is rate
    for a, b in zip(params, stay, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.Lion])
def test_narrow_types_keep_their_type(kind, name):
    w = la.variable(la.asarray([1.0, -2.0]).astype(name))
    kind([w], lr=0.5).step((w * w).sum().backward())
    assert w.dtype.name == name
    assert np.isfinite(w.astype(la.float32).numpy()).all()


def test_a_learning_rate_of_zero_changes_no_parameter():
    for kind in KINDS:
        params = parameters()
        before = [p.numpy() for p in params]
        optimizer = kind(params, lr=0.0)
        optimizer.step(gradients(params, 0.0))
        assert_same(before, [p.numpy() for p in params])


# --- the learning rate and other hyperparameters --------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda optimizer: optimizer.lr.assign(0.25),
        lambda optimizer: optimizer.param_groups[0].__setitem__("lr", 0.25),
    ],
)
def test_a_new_learning_rate_takes_effect_with_the_next_step(change):
    w = la.variable([1.0])
    optimizer = optim.SGD([w], lr=1.0)
    rate = optimizer.lr
    change(optimizer)
    optimizer.step(w.sum().backward())
    assert w.item() == 0.75
    assert optimizer.lr is rate


def test_a_new_hyperparameter_takes_effect_with_the_next_step():
    changed, fresh = parameters(), parameters()
    optimizer = optim.Adam(changed, lr=0.1)
    optimizer.param_groups[0]["betas"] = (0.5, 0.6)
    optimizer.param_groups[0]["weight_decay"] = 0.5
    reference = optim.Adam(fresh, lr=0.1, betas=(0.5, 0.6), weight_decay=0.5)
    optimizer.step(gradients(changed))
    reference.step(gradients(fresh))
    assert_same([p.numpy() for p in changed], [p.numpy() for p in fresh])


def test_a_new_hyperparameter_keeps_the_state():
    params = parameters()
    optimizer = optim.Adam(params)
    optimizer.step(gradients(params))
    held = optimizer.state[params[0]]
    optimizer.param_groups[0]["amsgrad"] = True
    now = optimizer.state[params[0]]
    assert all(now[name] is variable for name, variable in held.items())
    assert "max_exp_avg_sq" in now


def test_momentum_may_begin_later():
    w = la.variable([1.0])
    optimizer = optim.SGD([w], lr=1.0)
    optimizer.param_groups[0]["momentum"] = 0.5
    for _ in range(2):
        optimizer.step(w.sum().backward())
    assert w.item() == 1.0 - 1.0 - 1.5


def test_the_learning_rate_is_a_variable_in_float64():
    rate = optim.Adam(parameters(), lr=0.1).lr
    assert isinstance(rate, la.Variable)
    assert (rate.shape, rate.dtype, rate.trainable, rate.item()) == ((), la.float64, False, 0.1)


def test_a_refused_hyperparameter_leaves_the_group_as_it_was():
    group = optim.SGD(parameters(), momentum=0.9, nesterov=True).param_groups[0]
    with pytest.raises(la.DataError, match="nesterov"):
        group["momentum"] = 0.0
    with pytest.raises(la.DataError, match="lr must be zero or positive"):
        group["lr"] = -1.0
    assert group["momentum"] == 0.9
    assert group["lr"].item() == 1e-3


def test_the_parameters_of_a_group_are_fixed():
    with pytest.raises(la.AssignmentError, match="add_param_group"):
        optim.SGD(parameters()).param_groups[0]["params"] = []


def test_a_group_can_be_added():
    params = parameters()
    optimizer = optim.SGD(params[:1], lr=1.0)
    optimizer.add_param_group({"params": params[1:], "lr": 0.5})
    before = [p.numpy() for p in params]
    grads = gradients(params)
    optimizer.step(grads)
    np.testing.assert_allclose(params[0].numpy(), before[0] - grads[params[0]].numpy(), rtol=1e-6)
    np.testing.assert_allclose(params[1].numpy(), before[1] - 0.5 * grads[params[1]].numpy(), rtol=1e-6)


def test_repr_shows_hyperparameters_and_rates():
    assert repr(optim.SGD(parameters(), lr=0.5, momentum=0.9)).startswith(
        "SGD(\n  (0): 2 parameters, lr=0.5, weight_decay=0.0"
    )


W, FROZEN = la.variable([1.0], name="w"), la.variable([1.0], name="frozen", trainable=False)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.Adam([]), la.DataError, "the list of parameters is empty"),
        (lambda: optim.Adam([{"params": []}]), la.DataError, "a parameter group is empty"),
        (lambda: optim.Adam(W), la.DTypeError, "expected a list of variables or of dicts, got one Variable"),
        (lambda: optim.Adam(3), la.DTypeError, "got int"),
        (lambda: optim.Adam([la.ones(2)]), la.DTypeError, "made with la.variable, got a Tensor"),
        (lambda: optim.Adam([FROZEN]), la.DTypeError, "'frozen' is not trainable"),
        (lambda: optim.Adam([{"lr": 1.0}]), la.DTypeError, 'a dict with "params"'),
        (lambda: optim.Adam([{"params": [W]}, W]), la.DTypeError, 'a dict with "params"'),
        (lambda: optim.Adam([W, W]), la.DataError, "'w' appears twice"),
        (lambda: optim.Adam([{"params": [W]}, {"params": [W]}]), la.DataError, "'w' appears twice"),
        (lambda: optim.Adam([W], lr=-0.1), la.DataError, "lr must be zero or positive, got -0.1"),
        (lambda: optim.Adam([W], lr=float("nan")), la.DataError, "lr must be finite"),
        (lambda: optim.Adam([W], lr="fast"), la.DTypeError, "lr is a Python number, got str"),
        (lambda: optim.Adam([W], lr=la.variable(0.1)), la.DTypeError, "a variable as lr"),
        (lambda: optim.Adam([W], betas=(0.9, 1.0)), la.DataError, r"betas\[1\] must be at least 0 and less than 1"),
        (lambda: optim.Adam([W], betas=(-0.1, 0.9)), la.DataError, r"betas\[0\]"),
        (lambda: optim.Adam([W], betas=0.9), la.DTypeError, "betas is a pair of numbers"),
        (lambda: optim.Adam([W], eps=-1.0), la.DataError, "eps"),
        (lambda: optim.Adam([W], weight_decay=-1.0), la.DataError, "weight_decay"),
        (lambda: optim.Adam([W], amsgrad=1), la.DTypeError, "amsgrad is True or False"),
        (lambda: optim.Adam([{"params": [W], "momentum": 0.9}]), la.DataError, "momentum is no hyperparameter here"),
        (lambda: optim.SGD([W], momentum=-1.0), la.DataError, "momentum"),
        (lambda: optim.SGD([W], nesterov=True), la.DataError, "nesterov=True needs momentum above 0"),
        (lambda: optim.RMSprop([W], alpha=1.5), la.DataError, "alpha must be from 0 to 1"),
        (lambda: optim.Adadelta([W], rho=-0.5), la.DataError, "rho must be from 0 to 1"),
        (lambda: optim.Muon([W]), la.ShapeError, r"'w' has shape \[1\].*AdamW"),
        (lambda: optim.Muon([la.ones((2, 2))]), la.DTypeError, "la.variable"),
        (lambda: optim.Muon(parameters(), ns_steps=0), la.DataError, "ns_steps"),
        (lambda: optim.Muon(parameters(), ns_coefficients=(1.0,)), la.DTypeError, "three numbers"),
        (lambda: optim.Muon(parameters(), adjust_lr_fn="best"), la.DataError, "match_rms_adamw"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_refused_group_is_not_added():
    optimizer = optim.Adam(parameters())
    for group in ({"params": [W], "lr": -1.0}, {"params": [W], "eps": -1.0}, {"params": [W, W]}):
        with pytest.raises(la.DataError):
            optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1


# --- state ----------------------------------------------------------------------------------------------------


def through_files(state):
    """What a state dict is after its tensors went through arrays and the rest through JSON."""
    arrays = {name: value.numpy() for name, value in state.items() if isinstance(value, la.Tensor)}
    rest = json.loads(json.dumps({name: value for name, value in state.items() if name not in arrays}))
    return {**arrays, **rest}


@pytest.mark.parametrize("kind", [*KINDS, *WITH_STATE[-2:]])
def test_training_goes_on_identically_from_a_saved_state(kind):
    params = parameters()
    optimizer = kind(params)
    for _ in range(3):
        optimizer.step(gradients(params))
    optimizer.param_groups[0]["lr"] = 0.3
    optimizer.param_groups[0]["weight_decay"] = 0.05
    again = [la.variable(p.numpy()) for p in params]
    resumed = kind(again)
    resumed.load_state_dict(through_files(optimizer.state_dict()))
    for _ in range(3):
        optimizer.step(gradients(params))
        resumed.step(gradients(again))
    assert_same(everything(optimizer), everything(resumed))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_parameters_and_optimiser_goes_on_identically_by_itself(kind, copied):
    params = parameters()
    optimizer = kind(params, lr=0.05)
    optimizer.step(gradients(params))
    others, other = copied((params, optimizer))
    other.step(gradients(others))
    other.lr.assign(1.0)
    optimizer.step(gradients(params))
    assert [p.tolist() for p in others] == [p.tolist() for p in params]
    assert optimizer.lr.item() == 0.05


@pytest.mark.parametrize("kind", [*KINDS, *WITH_STATE[-2:]])
def test_a_state_with_the_same_hyperparameters_leaves_compiled_steps_as_they_are(kind):
    params = parameters()
    optimizer = kind(params)
    before = REVISION.number
    optimizer.load_state_dict(through_files(optimizer.state_dict()))
    assert REVISION.number == before
    optimizer.load_state_dict({**optimizer.state_dict(), "group.0.weight_decay": 0.5})
    assert REVISION.number != before


def test_the_state_has_flat_names():
    params = parameters()
    state = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}]).state_dict()
    assert state["group.1.lr"].item() == 0.5
    assert state["group.1.params"] == [1]
    assert state["group.0.betas"] == (0.9, 0.999)
    assert {name for name in state if name.startswith("state.1.")} == {
        "state.1.step",
        "state.1.exp_avg",
        "state.1.exp_avg_sq",
    }


def test_a_saved_state_does_not_change_with_later_steps():
    params = parameters()
    optimizer = optim.Adam(params)
    state = optimizer.state_dict()
    optimizer.step(gradients(params))
    assert state["state.0.step"].item() == 0.0


def test_after_loading_parameters_with_equal_counts_share_their_factors(monkeypatch):
    params = parameters()
    optimizer = optim.Adam(params)
    optimizer.step(gradients(params))
    optimizer.load_state_dict(through_files(optimizer.state_dict()))
    factors, calls = optimizer.factors, []
    monkeypatch.setattr(optimizer, "factors", lambda *args: calls.append(1) or factors(*args))
    optimizer.step(gradients(params))
    assert len(calls) == 1


def faulty(**changes):
    """The state of an Adam with some entries replaced; None leaves one out."""
    state = {**optim.Adam(parameters()).state_dict(), **changes}
    return {name.replace("__", "."): value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state.0.exp_avg": None}, "missing: state.0.exp_avg"),
        ({"group.0.lr": None}, "missing: group.0.lr"),
        ({"group.0.eps": None}, "missing: group.0.eps"),
        ({"state.9.exp_avg": la.ones(2)}, "unexpected: state.9.exp_avg"),
        ({"state.0.exp_avg": la.ones(2)}, r"shape: state.0.exp_avg is \[3, 2\] in the optimiser, \[2\] here"),
        ({"state.0.exp_avg": np.ones((3, 2))}, "type: state.0.exp_avg is float32 in the optimiser, float64 here"),
        ({"state.0.exp_avg": "many"}, "unusable: state.0.exp_avg"),
        ({"group.0.betas": [0.9, 2.0]}, "value: group.0.betas"),
        ({"group.0.params": [0]}, r"group.0.params: \[0, 1\] in the optimiser, \[0\] here"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    params = parameters()
    optimizer = optim.Adam(params, lr=0.5)
    optimizer.step(gradients(params))
    before = everything(optimizer)
    with pytest.raises(la.CheckpointError, match=message):
        optimizer.load_state_dict(faulty(**change))
    assert_same(before, everything(optimizer))
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_all_that_does_not_fit_is_listed():
    state = faulty(**{"state.0.exp_avg": None, "state.1.exp_avg_sq": None, "extra": 1})
    with pytest.raises(la.CheckpointError) as caught:
        optim.Adam(parameters()).load_state_dict(state)
    for line in ("missing: state.0.exp_avg\n", "missing: state.1.exp_avg_sq\n", "unexpected: extra"):
        assert line in str(caught.value)


# --- training -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lr"),
    list(zip(KINDS, [0.05, 0.1, 0.1, 0.1, 0.2, 0.1, 0.2, 0.05, 0.5, 30.0, 0.05, 0.05, 0.05], strict=True)),
)
def test_every_optimiser_finds_the_minimum_of_a_bowl(kind, lr):
    w = la.variable(np.array([[2.0, -1.0], [0.5, 1.5]]))
    target = la.asarray(np.array([[0.5, 0.5], [-1.0, 1.0]]))
    optimizer = kind([w], lr=lr, weight_decay=0.0)
    schedule = optim.lr_scheduler.PolynomialLR(optimizer, total_iters=300)
    for _ in range(300):
        optimizer.step(((w - target) ** 2).sum().backward())
        schedule.step()
    assert np.abs(w.numpy() - target.numpy()).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_a_zero_gradient_leaves_a_float16_parameter_finite(kind):
    w = la.variable(la.asarray([[1.0, -2.0]], dtype="float16"))
    optimizer = kind([w], weight_decay=0.0) if kind is optim.LAMB else kind([w])
    for _ in range(2):
        optimizer.step((w * 0.0).sum().backward())
        assert np.isfinite(w.numpy()).all()


def test_a_float16_eps_that_can_be_held_is_kept_as_it_is():
    steps = []
    for dtype in ("float16", "float64"):
        w = la.variable(la.asarray([0.0], dtype=dtype))
        optim.Adam([w], lr=0.5, eps=0.25).step((w * 0.5).sum().backward())
        steps.append(w.item())
    assert steps[0] == pytest.approx(steps[1], rel=0.05)


@pytest.mark.parametrize("dtype", [la.float32, la.float64], ids=["float32", "float64"])
def test_centered_rmsprop_takes_a_gradient_that_hardly_varies(dtype: la.DType) -> None:
    w = la.variable(la.linspace(0.1, 3.0, 100, dtype=dtype))
    optimizer = optim.RMSprop([w], lr=1e-9, alpha=0.5, centered=True)
    slope = la.linspace(0.1, 3.0, 100, dtype=dtype)
    for _ in range(80):
        optimizer.step((w * slope).sum().backward())
    assert bool(la.all(la.isfinite(w)))


# --- rules that somebody else writes ---


class OneSlot(optim.Optimizer):
    def slots(self, group):
        return {"velocity": 0.0}


class ForgetsTheSlot(OneSlot):
    def update(self, k, p, g, state):
        return p - k.lr * g


class GivesTooLittle(OneSlot):
    def update(self, k, p, g, state):
        return (p - k.lr * g,)


class HasNoSlot(optim.Optimizer):
    def update(self, k, p, g, state):
        return p - k.lr * g, g


class ReadsWhatIsNotThere(optim.Optimizer):
    def update(self, k, p, g, state):
        return (p - k.momentum * g,)


class HasNoCheck(optim.Optimizer):
    def __init__(self, params, lr, momentum):
        super().__init__(params, lr, momentum=momentum)


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (ForgetsTheSlot, la.ShapeError, r"update: expected a tuple of 2, the parameter and velocity.*; got one tensor"),
        (GivesTooLittle, la.ShapeError, r"update: expected a tuple of 2, the parameter and velocity.*; got 1 values"),
        (HasNoSlot, la.ShapeError, r"update: expected a tuple of 1, the parameter alone: \(p,\); got 2 values"),
        (
            ReadsWhatIsNotThere,
            AttributeError,
            r"k.momentum: .* name no such number; here there are one, weight_decay, lr",
        ),
    ],
)
def test_a_rule_that_is_wrong_says_what_it_must_be_and_changes_nothing(rule, error, message):
    params = parameters()
    optimizer = rule(params, lr=0.1)
    before = everything(optimizer)
    with pytest.raises(error, match=message):
        optimizer.step(gradients(params))
    assert_same(before, everything(optimizer))


def test_a_hyperparameter_without_a_check_is_asked_for_one():
    with pytest.raises(la.DataError, match=r"HasNoCheck\.checks does not say what momentum may be"):
        HasNoCheck(parameters(), lr=0.1, momentum=0.9)
