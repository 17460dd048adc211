"""`lamina.vmap`: what it maps over, what it refuses, derivatives in and around it, random numbers and variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina import nn, optim
from lamina.errors import AssignmentError, DataError, DTypeError, GradientError, ShapeError, TracingError
from lamina_tests.closeness import assert_close

POINTS = np.array([[0.5, -1.0], [3.0, 4.0], [1.0, 1.5]], np.float32)


def points() -> la.Tensor:
    return la.asarray(POINTS)


def distance(x: la.Tensor, y: la.Tensor) -> la.Tensor:
    return ((x - y) ** 2).sum()


WAYS = pytest.mark.parametrize("way", [lambda f: f, la.compile], ids=["eager", "compiled"])

# --- axes ------------------------------------------------------------------------------------------------


@given(st.data())
@settings(deadline=None, max_examples=25)
def test_axes_of_arguments_and_results(data: Any) -> None:
    shapes = [data.draw(st.lists(st.integers(1, 3), min_size=0, max_size=3)) for _ in range(2)]
    axes = [data.draw(st.none() | st.integers(-len(shape) - 1, len(shape))) for shape in shapes]
    if axes == [None, None]:
        axes[0] = 0
    generator = np.random.default_rng(0)
    calls = [[generator.normal(size=shape) for shape in shapes] for _ in range(4)]
    arrays = [
        calls[0][at] if axis is None else np.stack([call[at] for call in calls], axis=axis)
        for at, axis in enumerate(axes)
    ]
    out = data.draw(st.integers(-len(shapes[0]) - 1, len(shapes[0])))

    def f(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        assert [x.shape, y.shape] == [tuple(shape) for shape in shapes]
        return x * y.sum() + 1.0

    found = la.vmap(f, in_axes=tuple(axes), out_axes=out)(*arrays)
    rows = [
        [arrays[at] if axis is None else call[at] for at, axis in enumerate(axes)] for call in calls
    ]  # an argument without an axis is the same in all calls
    wanted = np.stack([x * y.sum() + 1.0 for x, y in rows], axis=out)
    assert found.shape == wanted.shape
    assert_close(found, wanted)


def test_trees_of_arguments_axes_and_results() -> None:
    model = {"w": la.asarray([[1.0, 2.0], [3.0, 4.0]]), "b": la.asarray(10.0)}

    def f(p: dict[str, la.Tensor], pair: Any, unused: Any) -> Any:
        return {"y": (p["w"] * pair[0]).sum() + p["b"], "twice": [pair[1] * 2, None, 5.0]}

    mapped = la.vmap(f, in_axes=({"w": 0, "b": None}, (1, 0), None), out_axes={"y": 0, "twice": [1, None, 0]})
    found = mapped(model, (la.asarray([[1.0, 0.0], [1.0, 1.0]]), la.ones((2, 3))), "anything")
    assert_close(found["y"], [13.0, 14.0])
    assert found["twice"][0].shape == (3, 2)
    assert found["twice"][1] is None
    assert_close(found["twice"][2], [5.0, 5.0])


def test_a_result_that_is_the_same_for_all_calls_needs_no_axis() -> None:
    both = la.vmap(lambda x, y: (x + y, y * 2, y), in_axes=(0, None), out_axes=(0, None, 0))
    total, twice, repeated = both(points(), la.ones(2))
    assert_close(total, POINTS + 1)
    assert_close(twice, [2.0, 2.0])
    assert repeated.shape == (3, 2)
    with pytest.raises(ShapeError, match=r"the result\[1\] differs from call to call"):
        la.vmap(lambda x: (x, x), out_axes=(0, None))(points())


def test_arguments_by_name_are_seen_whole() -> None:
    assert_close(la.vmap(lambda x, *, y: x + y.sum())(la.asarray([1.0, 2.0]), y=la.ones(5)), [6.0, 7.0])


def test_no_calls_give_empty_results() -> None:
    empty = la.vmap(lambda x, w: (x @ w).exp(), in_axes=(0, None))(la.zeros((0, 2)), la.zeros((2, 5)))
    assert empty.shape == (0, 5)
    assert la.vmap(la.searchsorted)(la.zeros((0, 4)), la.zeros((0, 2))).shape == (0, 2)


def test_a_module_is_a_function_too() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    assert_close(la.vmap(model)(points()), model(points()))


# --- errors ----------------------------------------------------------------------------------------------


def test_lengths_that_differ_are_named() -> None:
    with pytest.raises(ShapeError, match=r"p\.w has 3 along axis 0, y has 2 along axis 1"):
        la.vmap(lambda p, y: y, in_axes=(0, 1))({"w": points()}, la.zeros((4, 2)))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((0,), "does not fit the arguments, tuple of 2"),
        ((None, None), "nothing to map over"),
        ((0, {"a": 0}), "does not fit .*Tensor"),
        ((0, 2), "axis 2 is out of range"),
        (0.5, "give integers"),
        ((True, None), "give integers"),
    ],
)
def test_axes_that_do_not_fit(axes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        la.vmap(distance, in_axes=axes)(points(), points())


def test_what_has_no_axis_is_named() -> None:
    with pytest.raises(ShapeError, match=r"scale is a float, which has no axis 0; give None"):
        la.vmap(lambda x, scale: x * scale)(points(), 2.0)
    with pytest.raises(DTypeError, match="returned a str"):
        la.vmap(lambda x: "x")(points())


def test_values_that_differ_cannot_be_asked_for() -> None:
    for f in (lambda x: x if x.sum() > 0 else -x, lambda x: float(x[0]), lambda x: x[x > 0], lambda x: x.numpy()):
        with pytest.raises(TracingError, match="vmap: "):
            la.vmap(f)(points())
    # What is the same in all calls can be.
    assert_close(la.vmap(lambda x, n: x * int(n), in_axes=(0, None))(points(), la.asarray(2)), POINTS * 2)


def test_shapes_inside_are_those_of_one_call() -> None:
    with pytest.raises(ShapeError, match=r"shapes \[2\] and \[3\]"):
        la.vmap(lambda x: x + la.ones(3))(points())


# --- derivatives -----------------------------------------------------------------------------------------


@WAYS
def test_gradients_inside_are_those_of_one_call_and_outside_their_sum(way: Any) -> None:
    w = la.asarray([2.0, -1.0])
    each = way(la.vmap(la.grad(distance, argnums=(0, 1)), in_axes=(0, None)))(points(), w)
    assert_close(each[0], 2 * (POINTS - [2.0, -1.0]))
    assert_close(each[1], -2 * (POINTS - [2.0, -1.0]))
    total = way(la.grad(lambda w: la.vmap(distance, in_axes=(0, None))(points(), w).sum()))(w)
    assert_close(total, each[1].sum(axis=0))


@given(st.integers(0, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
@settings(deadline=None, max_examples=15)
def test_the_gradient_of_a_matrix_that_all_calls_share(calls: int, rows: int, inner: int, columns: int) -> None:
    generator = np.random.default_rng(0)
    x, w = generator.normal(size=(calls, rows, inner)), generator.normal(size=(inner, columns))
    g = generator.normal(size=(calls, rows, columns))
    once = la.vmap(lambda x, w: x @ w, in_axes=(0, None))
    thrice = la.vmap(lambda x, w: x @ w + (x * 2.0) @ w, in_axes=(0, None))
    for mapped, times in ((once, 1.0), (thrice, 3.0)):
        found = la.grad(lambda w, mapped=mapped: (mapped(la.asarray(x), w) * la.asarray(g)).sum())(la.asarray(w))
        assert_close(found, times * np.einsum("bij,bik->jk", x, g))


def test_second_derivatives_by_a_matrix_that_all_calls_share() -> None:
    def penalty(run: Any) -> Any:
        return lambda w: (la.grad(lambda w: (run(w) ** 3).sum())(w) ** 2).sum()

    w = la.asarray([[0.3, -0.2], [0.1, 0.5]])
    mapped = penalty(lambda w: la.vmap(lambda x: (x @ w).tanh())(points()))
    assert_close(la.grad(mapped)(w), la.grad(penalty(lambda w: (points() @ w).tanh()))(w))


@WAYS
def test_backward_inside_gives_a_gradient_for_each_example(way: Any) -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))

    def loss(x: la.Tensor) -> la.Tensor:
        return (model(x) ** 2).sum()

    each = way(la.vmap(lambda x: loss(x).backward()))(points())
    total = way(lambda x: la.vmap(loss)(x).sum().backward())(points())
    for parameter in model.parameters():
        alone = np.stack([loss(x).backward()[parameter].numpy() for x in points()])
        assert_close(each[parameter], alone)
        assert_close(total[parameter], alone.sum(axis=0))


def test_derivatives_of_any_order_and_nesting() -> None:
    def f(x: la.Tensor, w: la.Tensor) -> la.Tensor:
        return (x * w).sin().sum() * x.prod()

    w = la.asarray([0.3, 0.7])
    hessians = la.vmap(la.hessian(f), in_axes=(0, None))(points(), w)
    for found, x in zip(hessians, points(), strict=True):
        assert_close(found, la.hessian(f)(x, w))
    mixed = la.jacobian(lambda w: la.vmap(la.grad(f), in_axes=(0, None))(points(), w))(w)
    alone = la.stack([la.jacobian(lambda w, x=x: la.grad(f)(x, w))(w) for x in points()])
    assert_close(mixed, alone)
    third = la.grad(lambda w: (la.jacobian(lambda x: la.vmap(f, in_axes=(0, None))(x, w))(points()) ** 2).sum())(w)
    expected = la.grad(
        lambda w: sum(((la.grad(f)(x, w)) ** 2).sum() for x in points())  # rows do not meet
    )(w)
    assert_close(third, expected, 1e-4)


def test_a_pullback_maps_over_cotangents() -> None:
    _, pullback = la.vjp(lambda x: la.vmap(lambda r: r.exp().cumulative_sum())(x), points())
    cotangents = la.asarray(np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32))
    (found,) = la.vmap(pullback)(cotangents)
    assert_close(found, np.stack([pullback(g)[0].numpy() for g in cotangents]))


def test_directional_derivatives() -> None:
    directions = la.asarray(np.eye(2, dtype=np.float32))
    columns = la.vmap(lambda v: la.jvp(lambda x: x.exp() * x.sum(), [points()[1]], [v])[1], out_axes=1)(directions)
    assert_close(columns, la.jacobian(lambda x: x.exp() * x.sum())(points()[1]))


def test_the_jacobian_of_a_function_that_was_compiled_before() -> None:
    f = la.compile(lambda x: (x**2).cumulative_sum())
    assert_close(la.jacobian(f)(points()[1]), [[6.0, 0.0], [6.0, 8.0]])


def test_the_gradient_of_embeddings_is_one_for_each_example() -> None:
    table = nn.Embedding(5, 2)
    indices = la.asarray([[0, 1], [1, 1], [4, 0]])
    each = la.vmap(lambda i: (table(i) ** 2).sum().backward()[table.weight])(indices)
    for found, i in zip(each, indices, strict=True):
        assert_close(found, (table(i) ** 2).sum().backward()[table.weight].dense())
    assert_close(la.vmap(lambda i: (table(i) ** 2).sum())(indices).sum().backward()[table.weight], each.sum(axis=0))


def test_a_gradient_by_what_is_mapped_over_from_outside_is_refused() -> None:
    w = la.variable(points())
    with pytest.raises(GradientError, match=r"take la\.grad by the function's own argument"):
        la.vmap(lambda x: (x**2).sum().backward())(w)
    assert_close(la.vmap(lambda x: (x**2).sum())(w).sum().backward()[w], 2 * POINTS)


def test_custom_gradients_and_checkpoints_inside() -> None:
    w = la.variable([0.5, 2.0])

    @la.custom_gradient
    def limited(x: la.Tensor, bound: la.Tensor) -> Any:
        return x * 1.0, lambda g: (g.clip(-1.0, 1.0), g.sum() * bound)

    def f(x: la.Tensor) -> la.Tensor:
        return la.checkpoint(lambda t: (limited(t * w, w[0]) ** 2).sum() + la.grad(distance)(t, w).exp().sum())(x)

    total = la.vmap(f)(points()).sum().backward()[w]
    each = la.vmap(lambda x: f(x).backward()[w])(points())
    assert_close(each, np.stack([f(x).backward()[w].numpy() for x in points()]))
    assert_close(total, each.sum(axis=0))
    assert_close(la.compile(lambda x: la.vmap(f)(x).sum().backward()[w])(points()), total)


# --- loops and choices -----------------------------------------------------------------------------------


@WAYS
def test_a_loop_inside(way: Any) -> None:
    w = la.variable([[0.5, -0.2], [0.1, 0.3]])
    x = la.asarray(np.random.default_rng(0).normal(size=(3, 6, 2)).astype(np.float32))

    def f(x: la.Tensor) -> la.Tensor:
        last, sums = la.scan(lambda h, t: ((h @ w + t).tanh(), h.sum()), la.zeros(2), x)
        return (last**2).sum() + (sums * sums).sum()

    alone = [f(row) for row in x]
    assert_close(way(la.vmap(f))(x), np.stack([y.numpy() for y in alone]))
    each = np.stack([y.backward()[w].numpy() for y in alone])
    assert_close(way(la.vmap(lambda x: f(x).backward()[w]))(x), each)
    assert_close(way(lambda x: la.vmap(f)(x).sum().backward()[w])(x), each.sum(axis=0))
    assert_close(way(la.vmap(la.grad(f)))(x), np.stack([la.grad(f)(row).numpy() for row in x]))


def test_a_loop_in_a_program_is_one_operation_of_it() -> None:
    f = la.vmap(lambda x: la.scan(lambda h, t: ((h + t).tanh(), h), la.zeros(2), x)[1])
    kernels = [len(str(la.compile(f).explain(la.ones((3, length, 2))))) for length in (10, 100)]
    assert abs(kernels[0] - kernels[1]) < 100


@WAYS
def test_loops_that_stop_at_different_lengths(way: Any) -> None:
    x = la.asarray(np.arange(18.0, dtype=np.float32).reshape(3, 6))
    f = la.vmap(lambda x, n: la.scan(lambda total, t: (total + t, total), 0.0, x, stop=n)[0])
    assert_close(way(f)(x, la.asarray([1, 6, 0])), [0.0, 51.0, 0.0])


@WAYS
def test_a_choice_inside(way: Any) -> None:
    f = la.vmap(lambda x: la.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, x))
    assert_close(way(f)(points()), np.where(POINTS.sum(1, keepdims=True) > 0, POINTS * 2, -POINTS))


def test_a_compiled_function_inside_is_a_part_of_it() -> None:
    f = la.compile(lambda x: x.exp().sum())
    assert_close(la.vmap(f)(points()), np.exp(POINTS).sum(1))
    assert_close(la.vmap(la.grad(f))(points()), np.exp(POINTS))


# --- random numbers --------------------------------------------------------------------------------------


def noisy(x: la.Tensor) -> la.Tensor:
    return x + la.random.normal((2,))


@WAYS
def test_different_random_numbers_are_those_of_one_call_after_the_other(way: Any) -> None:
    la.random.seed(3)
    found = way(la.vmap(noisy, randomness="different"))(points())
    after = la.random.uniform((1,))
    la.random.seed(3)
    assert_close(found, np.stack([noisy(x).numpy() for x in points()]))
    assert after.item() == la.random.uniform((1,)).item()


@WAYS
def test_the_same_random_numbers_are_those_of_one_call(way: Any) -> None:
    la.random.seed(3)
    found = way(la.vmap(noisy, randomness="same"))(points()) - points()
    la.random.seed(3)
    assert_close(found, np.tile(la.random.normal((2,)).numpy(), (3, 1)))


def test_random_numbers_are_refused_unless_one_says_which() -> None:
    with pytest.raises(TracingError, match="randomness='same' or 'different'"):
        la.vmap(noisy)(points())
    with pytest.raises(DataError, match="choose one of"):
        la.vmap(noisy, randomness="other")


def test_randomness_of_nested_functions() -> None:
    def drawn(outer: str, inner: str) -> np.ndarray[Any, Any]:
        row = la.vmap(lambda y: la.random.uniform((2,)) + 0 * y, randomness=inner)
        return la.vmap(lambda x: row(x), randomness=outer)(points()).numpy()

    same, different = drawn("same", "different"), drawn("different", "same")
    assert (same[0] == same[1]).all()
    assert len(np.unique(same[0])) == 4
    assert (different[:, 0] == different[:, 1]).all()
    assert len(np.unique(different[:, 0])) == 6
    assert len(np.unique(drawn("different", "different"))) == 12


# --- variables -------------------------------------------------------------------------------------------


@WAYS
def test_a_value_that_differs_is_not_assigned_to_a_variable_from_outside(way: Any) -> None:
    w = la.variable([0.0, 0.0])
    with pytest.raises(AssignmentError, match="one value for all calls"):
        way(la.vmap(lambda x: w.assign(x)))(points())
    assert_close(w, [0.0, 0.0])

    def shared(x: la.Tensor) -> la.Tensor:
        w.assign(w + 1)
        return x * w

    assert_close(way(la.vmap(shared))(points()), POINTS)
    assert_close(w, [1.0, 1.0])


def test_a_sweep_of_learning_rates() -> None:
    x, y = points(), la.asarray([[0.0], [1.0], [0.5]])

    def trained(rate: la.Tensor) -> la.Tensor:
        model = nn.Linear(2, 1)
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        optimizer.lr.assign(rate)
        for _ in range(10):
            loss = nn.mse_loss(model(x), y)
            optimizer.step(loss.backward())
        return loss

    rates = la.asarray([0.0, 0.01, 0.1], dtype="float64")
    la.random.seed(0)
    found = la.vmap(trained, randomness="same")(rates)
    for place, rate in enumerate(rates):
        la.random.seed(0)
        assert_close(found[place], trained(rate))


def test_models_made_and_trained_inside() -> None:
    x = la.asarray([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = la.asarray([[0.0], [1.0], [1.0], [0.0]])

    def trained(rate: la.Tensor) -> tuple[la.Tensor, Any]:
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        first = nn.mse_loss(model(x), y)
        state = [la.variable(p.value) for p in model.parameters()]
        for _ in range(5):
            grads = nn.mse_loss(model(x), y).backward()
            for p in model.parameters():
                p.assign(p - rate * grads[p])
        return first - nn.mse_loss(model(x), y), state

    la.random.seed(0)
    better, _ = la.vmap(trained, randomness="same")(la.asarray([0.0, 0.01, 0.1]))
    assert better[0].item() == 0.0
    assert better[1].item() > 0
    assert better[1].item() < better[2].item()

    def by_adam(_: la.Tensor) -> la.Tensor:
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        for _ in range(20):
            loss = nn.mse_loss(model(x), y)
            optimizer.step(loss.backward())
        return loss

    la.random.seed(0)
    losses = la.vmap(by_adam, randomness="different")(la.zeros(3))
    assert len(np.unique(losses.numpy())) == 3
    la.random.seed(0)
    same = la.vmap(by_adam, randomness="same")(la.zeros(3))
    la.random.seed(0)
    assert_close(same, [by_adam(la.zeros(())).item()] * 3)


@WAYS
def test_labels_are_checked_in_all_calls(way: Any) -> None:
    loss = la.vmap(lambda x, y: nn.cross_entropy(x[None], y[None]))
    logits = la.asarray(np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32))
    assert_close(
        way(loss)(logits, la.asarray([0, 3, 1])), nn.cross_entropy(logits, la.asarray([0, 3, 1]), reduction="none")
    )
    with pytest.raises(DataError, match="a label is out of range"):
        way(loss)(logits, la.asarray([0, 4, 1]))


# --- compiled functions that were called before -----------------------------------------------------------


@pytest.mark.parametrize("calls", [2, 1, 0])
def test_the_derivative_of_a_function_compiled_before_is_mapped_over_any_number_of_calls(calls: int) -> None:
    def f(x: la.Tensor) -> la.Tensor:
        return la.sin(x) * x

    def total(f: Any, x: la.Tensor, cotangents: la.Tensor) -> la.Tensor:
        _, pullback = la.vjp(f, x)
        return (la.vmap(lambda cotangent: pullback(cotangent)[0])(cotangents) ** 2).sum()

    given = la.asarray([1.0, 2.0, 3.0]), la.ones((calls, 3))
    derivative = la.value_and_grad(total, argnums=(1, 2))
    value, found = derivative(la.compile(f), *given)
    expected_value, expected = derivative(f, *given)
    assert_close(value, expected_value)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert_close(one, other)


def test_constants_and_traced_tensors_of_one_mapped_function_meet() -> None:
    def directional(x: la.Tensor) -> la.Tensor:
        return la.jvp(la.vmap(lambda row: row * row), (x,), (la.ones((2, 3)),))[1]

    x = la.ones((2, 3))
    assert_close(la.compile(directional)(x), directional(x))
