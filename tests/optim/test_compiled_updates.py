"""The update as one program: the same values, and every promise of `Optimizer.step`."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import optim
from lamina.errors import DTypeError, GradientError, ShapeError
from lamina.optim import compiled_update

KINDS = [
    optim.SGD,
    lambda p: optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=0.1),
    optim.Adam,
    lambda p: optim.AdamW(p, maximize=True),
    optim.AMSGrad,
    optim.Adamax,
    optim.NAdam,
    optim.RAdam,
    lambda p: optim.RMSprop(p, momentum=0.9, centered=True),
    optim.Adagrad,
    optim.Adadelta,
    optim.Lion,
    optim.LAMB,
    optim.Muon,
]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Compile after three steps."""
    monkeypatch.setattr(compiled_update, "PAYS", 3.0)


def parameters(dtype="float32"):
    generator = np.random.default_rng(0)
    return [la.variable(la.asarray(generator.normal(size=shape), dtype=dtype)) for shape in [(5, 3), (3, 3)]]


def loss(params, of=None):
    total = sum(((p**3).sum() for p in params if of is None or p is of), la.asarray(0.0).astype(params[0].dtype))
    # A product with a transposed matrix leaves a gradient that lies across memory.
    return total if of is params[1] else total + (la.ones((2, 3), dtype=params[0].dtype) @ params[0].T).sum()


def compiled(optimizer):
    """Tell whether an optimiser has come to use a program."""
    return optimizer._compiled_update._function is not None


def numbers(optimizer):
    return {name: value.numpy() for name, value in optimizer.state_dict().items() if isinstance(value, la.Tensor)}


def run(make, steps, compile_after, monkeypatch, dtype="float32", each=lambda step, optimizer: None):
    monkeypatch.setattr(compiled_update, "PAYS", compile_after)
    params = parameters(dtype)
    optimizer = make(params)
    for step in range(steps):
        each(step, optimizer)
        optimizer.step(loss(params).backward())
    return optimizer, [p.numpy().astype(np.float64) for p in params], numbers(optimizer)


def assert_close(found, expected, rtol=1e-5):
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6)
    assert found[2].keys() == expected[2].keys()
    for name, value in found[2].items():
        wanted = expected[2][name].astype(np.float64)
        np.testing.assert_allclose(value.astype(np.float64), wanted, rtol=rtol, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("make", KINDS)
def test_updates_are_the_same_before_and_after_they_are_compiled(make, monkeypatch):
    found, expected = run(make, 9, 4.0, monkeypatch), run(make, 9, 1e9, monkeypatch)
    assert compiled(found[0])
    assert not compiled(expected[0])
    assert_close(found, expected)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float16", 2e-3), ("bfloat16", 2e-2)])
def test_parameters_of_every_type_are_updated_by_a_program(dtype, rtol, monkeypatch):
    make = lambda p: optim.Adam(p, lr=0.01)  # noqa: E731
    found, expected = run(make, 8, 3.0, monkeypatch, dtype), run(make, 8, 1e9, monkeypatch, dtype)
    assert compiled(found[0])
    assert_close(found, expected, rtol)


def change(step, optimizer):
    group = optimizer.param_groups[0]
    group["lr"] = 0.1 / (step + 1)
    if step == 5:
        group["weight_decay"] = 0.3
    if step == 7:
        group["betas"] = (0.5, 0.9)


def test_new_hyperparameters_take_effect_with_the_next_step(monkeypatch):
    found, expected = (run(optim.Adam, 10, pays, monkeypatch, each=change) for pays in (3.0, 1e9))
    assert compiled(found[0])
    assert_close(found, expected)


def test_a_schedule_needs_no_further_program():
    params = parameters()
    adam = optim.Adam(params)
    schedule = optim.ExponentialLR(adam, gamma=0.9)
    for _ in range(10):
        adam.step(loss(params).backward())
        schedule.step()
    assert adam._compiled_update._function.traces == 1


def test_parameters_without_a_gradient_stay_as_they_are(monkeypatch):
    def alternately(pays):
        monkeypatch.setattr(compiled_update, "PAYS", pays)
        params = parameters()
        adam = optim.Adam(params, lr=0.1)
        for step in range(12):
            second = params[1].numpy()
            adam.step(loss(params, of=params[0] if step % 3 else None).backward())
            assert (step % 3 == 0) == bool((params[1].numpy() != second).any())
        return adam, [p.numpy() for p in params], numbers(adam)

    found, expected = alternately(3.0), alternately(1e9)
    assert compiled(found[0])
    assert found[0]._compiled_update._function.traces <= 4
    assert_close(found, expected)


def test_ever_new_sets_of_gradients_are_not_compiled_without_end(monkeypatch):
    params = [la.variable(float(number)) for number in range(8)]
    adam = optim.Adam(params, lr=0.1)
    for step in range(40):
        chosen = [p for place, p in enumerate(params) if (step + 1) >> (place % 5) & 1 or place == step % 8]
        adam.step(sum((p * p for p in chosen), la.asarray(0.0)).backward())
    update = adam._compiled_update
    assert update._function is None or update._function.traces <= 7


def steps(params, optimizer, count):
    for _ in range(count):
        optimizer.step(loss(params).backward())


def test_a_wrong_gradient_is_an_error_and_changes_nothing():
    params = parameters()
    adam = optim.Adam(params)
    steps(params, adam, 6)
    grads = loss(params).backward()
    before = [p.numpy() for p in params], numbers(adam)
    with pytest.raises(ShapeError, match=r"shape \[5, 3\]"):
        adam.step(grads.map(lambda g: g[:1]))
    with pytest.raises(DTypeError, match="its gradient float64"):
        adam.step(grads.map(lambda g: g.astype("float64")))
    with pytest.raises(GradientError, match="none of this optimiser's parameters"):
        adam.step(loss(parameters()).backward())
    for a, b in zip([p.numpy() for p in params], before[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert all((value == before[1][name]).all() for name, value in numbers(adam).items())
    steps(params, adam, 1)
    assert compiled(adam)


def test_values_that_are_held_do_not_change():
    params = parameters()
    adam = optim.Adam(params)
    steps(params, adam, 5)
    held, state = params[0].value, adam.state_dict()
    before = held.numpy(), {name: value.numpy() for name, value in state.items() if isinstance(value, la.Tensor)}
    steps(params, adam, 2)
    np.testing.assert_array_equal(held.numpy(), before[0])
    for name, value in before[1].items():
        np.testing.assert_array_equal(state[name].numpy(), value)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_goes_on_as_the_original(copied):
    params = parameters()
    adam = optim.Adam(params)
    steps(params, adam, 5)
    others, other = copied((params, adam))
    steps(params, adam, 5)
    steps(others, other, 5)
    assert compiled(adam)
    assert compiled(other)
    for a, b in zip(params, others, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_a_loaded_state_goes_on_as_the_saved_one():
    params = parameters()
    adam = optim.Adam(params)
    steps(params, adam, 5)
    saved, weights = adam.state_dict(), [p.value for p in params]
    steps(params, adam, 3)
    expected = [p.numpy() for p in params]
    adam.load_state_dict(saved)
    for p, value in zip(params, weights, strict=True):
        p.assign(value)
    steps(params, adam, 3)
    for p, value in zip(params, expected, strict=True):
        np.testing.assert_array_equal(p.numpy(), value)


def test_a_group_that_is_added_is_updated_too():
    params = parameters()
    sgd = optim.SGD(params[:1], lr=0.1)
    steps(params, sgd, 5)
    sgd.add_param_group({"params": params[1:], "lr": 0.2})
    before = params[1].numpy()
    gradient = loss(params).backward()
    sgd.step(gradient)
    np.testing.assert_allclose(params[1].numpy(), before - 0.2 * gradient[params[1]].numpy(), rtol=1e-6)
    assert compiled(sgd)


# --- rules of one's own ---


class Descent(optim.Optimizer):
    def update(self, k, p, g, state):
        return (p - k.lr * g,)


class Branching(optim.Optimizer):
    def update(self, k, p, g, state):
        return (p - k.lr * g if (g > 0).any() else p,)


class Counting(optim.Optimizer):
    calls = 0

    def update(self, k, p, g, state):
        self.calls += 1
        return (p - k.lr * g / self.calls,)


@pytest.mark.parametrize(("kind", "is_compiled"), [(Descent, True), (Branching, False), (Counting, False)])
def test_a_rule_of_ones_own_is_compiled_where_that_keeps_its_meaning(kind, is_compiled, monkeypatch):
    make = lambda p: kind(p, lr=0.01)  # noqa: E731
    found, expected = run(make, 8, 3.0, monkeypatch), run(make, 8, 1e9, monkeypatch)
    assert compiled(found[0]) is is_compiled
    assert_close(found, expected)
    if kind is Counting:
        assert found[0].calls == 16


def test_inside_a_compiled_step_the_update_is_part_of_it():
    params = parameters()
    adam = optim.Adam(params)
    steps(params, adam, 5)
    step = la.compile(lambda: adam.step(loss(params).backward()))
    others = copy.deepcopy((params, adam))
    for _ in range(3):
        step()
    steps(*others, 3)
    for a, b in zip(params, others[0], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_on_another_device_nothing_is_compiled():
    pytest.importorskip("array_api_strict")
    params = [la.variable(la.asarray([1.0, 2.0], device="strict"))]
    sgd = optim.SGD(params, lr=0.1)
    for _ in range(6):
        sgd.step((params[0] * params[0]).sum().backward())
    assert not compiled(sgd)
    np.testing.assert_allclose(params[0].to("cpu").numpy(), np.asarray([1.0, 2.0]) * 0.8**6, rtol=1e-5)
