"""L-BFGS: PyTorch's iterates, what it remembers, and that a failed step changes nothing."""

import copy
import pickle

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim

WOLFE = {"line_search_fn": "strong_wolfe"}
CASES = [
    WOLFE,
    {**WOLFE, "lr": 0.5, "max_eval": 3},
    {**WOLFE, "history_size": 2, "max_iter": 5},
    {**WOLFE, "lr": 4.0},
    {**WOLFE, "max_iter": 1},
    {**WOLFE, "tolerance_grad": 0.5},
    {**WOLFE, "tolerance_change": 1e-2},
    {"lr": 1e-3},
    {"lr": 0.2, "max_iter": 7, "history_size": 3},
    {"lr": 1.0, "max_eval": 4},
]


def rosenbrock(w):
    return (1.0 - w[0]) ** 2 + 100.0 * (w[1] - w[0] ** 2) ** 2


def start():
    return la.variable(np.array([-1.2, 1.0]), name="w")


def quadratic(w):
    return ((w - 3.0) ** 2).sum()


# --- PyTorch's iterates ---------------------------------------------------------------------------------------


def assert_steps_agree(parameters, loss, theirs, their_loss, options, steps):
    torch = pytest.importorskip("torch")
    optimizer, other = optim.LBFGS(parameters, **options), torch.optim.LBFGS(theirs, **options)

    def closure():
        other.zero_grad()
        value = their_loss()
        value.backward()
        return value

    for _ in range(steps):
        ours, wanted = optimizer.step(loss), other.step(closure)
        np.testing.assert_allclose(ours.item(), wanted.item(), rtol=1e-7, atol=1e-12)
        for mine, their in zip(parameters, theirs, strict=True):
            np.testing.assert_allclose(mine.numpy(), their.detach().numpy(), rtol=1e-8, atol=1e-10)
        counts = other.state[theirs[0]]
        assert (optimizer.state["n_iter"], optimizer.state["func_evals"]) == (counts["n_iter"], counts["func_evals"])


@pytest.mark.parametrize("options", CASES)
def test_steps_on_rosenbrock_are_those_of_pytorch(options):
    torch = pytest.importorskip("torch")
    w, v = start(), torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    assert_steps_agree([w], lambda: rosenbrock(w), [v], lambda: rosenbrock(v), options, 4)


@pytest.mark.parametrize("options", CASES)
def test_steps_of_a_network_are_those_of_pytorch(options):
    torch = pytest.importorskip("torch")
    model = nn.Sequential(nn.Linear(3, 5, dtype="float64"), nn.Tanh(), nn.Linear(5, 2, dtype="float64"))
    other = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    generator = np.random.default_rng(3)
    for mine, their in zip(model.parameters(), other.parameters(), strict=True):
        mine.assign(generator.normal(size=mine.shape))
        their.data = torch.tensor(mine.numpy())
    x, y = generator.normal(size=(20, 3)), generator.normal(size=(20, 2))
    ours, theirs = (la.asarray(x), la.asarray(y)), (torch.tensor(x), torch.tensor(y))
    assert_steps_agree(
        model.parameters(),
        lambda: nn.mse_loss(model(ours[0]), ours[1]),
        list(other.parameters()),
        lambda: torch.nn.functional.mse_loss(other(theirs[0]), theirs[1]),
        options,
        2,
    )


# --- what it reaches ------------------------------------------------------------------------------------------


def test_it_reaches_the_minimum_of_rosenbrock():
    w = start()
    optim.LBFGS([w], max_iter=100, tolerance_change=0.0, **WOLFE).step(lambda: rosenbrock(w))
    np.testing.assert_allclose(w.numpy(), [1.0, 1.0], atol=1e-6)


def test_a_quadratic_function_takes_two_iterations():
    w = la.variable(np.zeros(4))
    optimizer = optim.LBFGS([w], **WOLFE)
    assert optimizer.step(lambda: quadratic(w)).item() == 36.0
    np.testing.assert_allclose(w.numpy(), 3.0, atol=1e-9)
    assert optimizer.state["n_iter"] == 2


def test_the_line_search_steps_back_from_where_the_loss_is_no_number():
    w = la.variable(np.array([4.0]))
    optim.LBFGS([w], lr=20.0, max_iter=50, **WOLFE).step(lambda: (w - la.log(w)).sum())
    np.testing.assert_allclose(w.numpy(), 1.0, atol=1e-5)


@pytest.mark.parametrize("options", [WOLFE, {"lr": 0.05}])
def test_a_compiled_loss_takes_the_same_steps(options):
    values = np.random.default_rng(0).normal(size=(4, 3))
    w, v = la.variable(values), la.variable(values)
    compiled = la.compile(lambda: (la.sin(v) ** 2 + 0.1 * v**2).sum())
    ours, others = optim.LBFGS([w], **options), optim.LBFGS([v], **options)
    for _ in range(2):
        ours.step(lambda: (la.sin(w) ** 2 + 0.1 * w**2).sum())
        others.step(compiled)
    np.testing.assert_allclose(v.numpy(), w.numpy(), rtol=1e-9, atol=1e-12)


def test_a_parameter_that_the_loss_does_not_depend_on_stays():
    w, idle = start(), la.variable(np.ones(2))
    optim.LBFGS([w, idle], **WOLFE).step(lambda: rosenbrock(w))
    np.testing.assert_array_equal(idle.numpy(), 1.0)


def test_rows_of_a_table_have_a_gradient():
    table = nn.Embedding(5, 2, dtype="float64")
    before = table.weight.numpy()
    optimizer = optim.LBFGS(table.parameters(), tolerance_change=0.0, **WOLFE)
    optimizer.step(lambda: quadratic(table(la.asarray([1, 3, 3]))))
    np.testing.assert_allclose(table.weight.numpy()[[1, 3]], 3.0, atol=1e-8)
    np.testing.assert_array_equal(table.weight.numpy()[[0, 2, 4]], before[[0, 2, 4]])


def test_gradients_are_recorded_where_the_caller_records_none():
    w = start()
    with la.no_grad():
        optim.LBFGS([w], max_iter=100, tolerance_change=0.0, **WOLFE).step(lambda: rosenbrock(w))
    np.testing.assert_allclose(w.numpy(), [1.0, 1.0], atol=1e-6)


def test_steps_are_the_same_on_another_backend():
    pytest.importorskip("array_api_strict")
    here, there = start(), la.variable(la.asarray(np.array([-1.2, 1.0]), device="strict"))
    for w in (here, there):
        optim.LBFGS([w], **WOLFE).step(lambda w=w: rosenbrock(w))
    np.testing.assert_allclose(there.numpy(), here.numpy(), rtol=1e-12)


def test_a_schedule_sets_the_length_of_steps():
    w = la.variable(np.array([5.0]))
    optimizer = optim.LBFGS([w], lr=0.1, max_iter=1)
    schedule = optim.StepLR(optimizer, step_size=1, gamma=0.5)
    optimizer.step(lambda: quadratic(w))
    np.testing.assert_allclose(w.numpy(), 5.0 - 0.1)  # the first step is of length lr
    schedule.step()
    optimizer.step(lambda: quadratic(w))
    np.testing.assert_allclose(w.numpy(), 4.9 - 0.05 * 1.9)  # half the learning rate of Newton's step


# --- state ----------------------------------------------------------------------------------------------------


def after_some_steps():
    w = start()
    optimizer = optim.LBFGS([w], max_iter=4, history_size=3, **WOLFE)
    optimizer.step(lambda: rosenbrock(w))
    return w, optimizer


def test_a_loaded_state_goes_on_to_the_same_bits():
    w, optimizer = after_some_steps()
    v = la.variable(w.numpy())
    other = optim.LBFGS([v], lr=3.0, max_iter=4, history_size=3, **WOLFE)
    other.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        optimizer.step(lambda: rosenbrock(w))
        other.step(lambda: rosenbrock(v))
        np.testing.assert_array_equal(v.numpy(), w.numpy())


def test_state_goes_through_a_file(tmp_path):
    w, optimizer = after_some_steps()
    la.training.save_state({"optimizer": optimizer}, tmp_path / "state")
    state = optimizer.state_dict()
    optimizer.step(lambda: rosenbrock(w))
    la.training.load_state({"optimizer": optimizer}, tmp_path / "state")
    found = optimizer.state_dict()
    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(value))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_goes_on_alike(copied):
    w, optimizer = after_some_steps()
    v, other = copied((w, optimizer))
    optimizer.step(lambda: rosenbrock(w))
    other.step(lambda: rosenbrock(v))
    np.testing.assert_array_equal(v.numpy(), w.numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state.gradient": np.ones(3)}, r"state\.gradient: \[2\] of float64 in the optimiser, \[3\]"),
        ({"state.steps": np.ones((1, 2))}, "differ in length"),
        ({"state.n_iter": -1}, r"state\.n_iter: a count"),
        ({"state.other": 1}, r"unexpected: state\.other"),
        ({"group.0.max_iter": 0}, "max_iter must be at least 1"),
        ({"group.1.lr": 1.0}, r"unexpected: group\.1\.lr"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    _, optimizer = after_some_steps()
    state = optimizer.state_dict()
    with pytest.raises(la.CheckpointError, match=message):
        optimizer.load_state_dict({**state, **change})
    for name, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(state[name]))


def test_memory_holds_the_last_pairs():
    w = start()
    optimizer = optim.LBFGS([w], history_size=3, **WOLFE)
    optimizer.step(lambda: rosenbrock(w))
    assert optimizer.state["steps"].shape == optimizer.state["gradient_changes"].shape == (3, 2)
    optimizer.param_groups[0]["history_size"] = 1
    optimizer.step(lambda: rosenbrock(w))
    assert optimizer.state["steps"].shape == (1, 2)


# --- errors ---------------------------------------------------------------------------------------------------


def test_a_closure_that_fails_in_the_middle_changes_nothing():
    w, optimizer = after_some_steps()
    seen = la.variable(0, trainable=False)
    before, state = w.numpy(), optimizer.state_dict()

    def closure():
        seen.assign(seen + 1)
        if seen.item() == 3:
            raise MemoryError
        return rosenbrock(w)

    with pytest.raises(MemoryError):
        optimizer.step(closure)
    np.testing.assert_array_equal(w.numpy(), before)
    assert seen.item() == 0
    for name, value in optimizer.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(state[name]))


def test_inside_of_a_compiled_function_it_is_refused():
    w = start()
    optimizer = optim.LBFGS([w])
    with pytest.raises(la.TracingError, match=r"LBFGS\.step: a compiled function cannot call it"):
        la.compile(lambda: optimizer.step(lambda: rosenbrock(w)))()
    np.testing.assert_array_equal(w.numpy(), [-1.2, 1.0])


def test_fit_refuses_it():
    model = nn.Linear(1, 1)
    with pytest.raises(la.DataError, match="fit: LBFGS asks for the loss"):
        la.fit(model, (la.ones((4, 1)), la.ones((4, 1))), loss=nn.mse_loss, optimizer=optim.LBFGS(model.parameters()))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (lambda w: rosenbrock(w).backward(), la.DTypeError, "expected a function that computes the loss.*gradients"),
        (lambda w: None, la.DTypeError, "NoneType"),
        (lambda w: lambda: 1.0, la.DTypeError, "a tensor, got float"),
        (lambda w: lambda: w * 1.0, la.ShapeError, r"\[2\]"),
        (lambda w: lambda: quadratic(la.variable(1.0)), la.GradientError, "none of this optimiser's parameters"),
    ],
)
def test_what_is_no_closure_of_the_loss_is_refused(given, error, message):
    w = start()
    with pytest.raises(error, match=message):
        optim.LBFGS([w]).step(given(w))


def test_a_frozen_parameter_is_refused():
    w = start()
    optimizer = optim.LBFGS([w])
    w.trainable = False
    with pytest.raises(la.DTypeError, match="variable 'w' has been frozen"):
        optimizer.step(lambda: rosenbrock(w))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_iter": 0}, la.DataError, "max_iter must be at least 1"),
        ({"max_eval": 0.5}, la.DTypeError, "max_eval is a number of steps"),
        ({"history_size": 0}, la.DataError, "history_size"),
        ({"tolerance_grad": -1.0}, la.DataError, "tolerance_grad"),
        ({"line_search_fn": "armijo"}, la.DataError, '"strong_wolfe" or None'),
        ({"lr": -1.0}, la.DataError, "lr"),
    ],
)
def test_a_hyperparameter_out_of_its_range_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        optim.LBFGS([start()], **options)


def test_all_parameters_are_one_group_of_one_type():
    w, v = start(), la.variable(np.ones(2))
    with pytest.raises(la.DataError, match="one group"):
        optim.LBFGS([{"params": [w]}, {"params": [v], "lr": 0.1}])
    with pytest.raises(la.DataError, match="one group"):
        optim.LBFGS([w]).add_param_group({"params": [v]})
    with pytest.raises(la.DTypeError, match="float64 and float32"):
        optim.LBFGS([w, la.variable([1.0])])
