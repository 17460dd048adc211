"""What a compiled function computes is what the function computes; what it changes is what the function changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import lamina as la
from lamina import nn, optim

pytestmark = pytest.mark.usefixtures("executables")

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    name: getattr(optim, name)
    for name in optim.__all__
    if isinstance(getattr(optim, name), type)
    and issubclass(getattr(optim, name), optim.Optimizer)
    and name != "Optimizer"
}


def data(seed: int = 1, rows: int = 8) -> tuple[la.Tensor, la.Tensor]:
    generator = la.random.Generator(seed)
    return generator.normal((rows, 3)), generator.normal((rows, 2))


def assert_same(found: Any, wanted: Any) -> None:
    assert found.dtype is wanted.dtype
    assert found.shape == wanted.shape
    np.testing.assert_allclose(
        found.astype(la.float64).numpy(), wanted.astype(la.float64).numpy(), rtol=2e-5, atol=1e-6
    )


def training(
    make_optimizer: Callable[..., optim.Optimizer], compiled: bool, *layers: nn.Module, **options: Any
) -> tuple[nn.Module, optim.Optimizer, Any]:
    la.random.seed(3)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), *layers, nn.Linear(5, 2))
    matrices = [each for each in model.parameters() if each.ndim == 2]
    optimizer = make_optimizer(matrices if make_optimizer is optim.Muon else model.parameters(), **options)

    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        return loss

    return model, optimizer, la.compile(step) if compiled else step


def agree(first: tuple[nn.Module, optim.Optimizer, Any], second: tuple[nn.Module, optim.Optimizer, Any]) -> None:
    for name, value in first[0].state_dict().items():
        assert_same(second[0].state_dict()[name], value)
    states = second[1].state_dict()
    for name, value in first[1].state_dict().items():
        if isinstance(value, la.Tensor):
            assert_same(states[name], value)


# --- training steps ---


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_compiled_training_step_does_what_the_eager_one_does(name: str) -> None:
    eager, compiled = (training(OPTIMIZERS[name], each) for each in (False, True))
    for _ in range(4):
        assert_same(compiled[2](*data()), eager[2](*data()))
    agree(eager, compiled)


def test_weight_decay_clipping_and_a_changing_rate_agree_with_eager() -> None:
    def run(compiled: bool) -> tuple[nn.Module, optim.Optimizer, list[float]]:
        la.random.seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2)

        def step(x: la.Tensor, y: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
            loss = nn.mse_loss(model(x), y)
            grads, norm = optim.clip_grad_norm(loss.backward(), 0.5)
            optimizer.step(grads)
            return loss, norm

        run_step = la.compile(step) if compiled else step
        seen = []
        for _ in range(6):
            loss, norm = run_step(*data())
            seen += [loss.item(), norm.item()]
            schedule.step()
        return model, optimizer, seen

    eager, compiled = run(False), run(True)
    assert compiled[2] == pytest.approx(eager[2], rel=1e-5)
    agree(eager, compiled)


def test_dropout_draws_the_numbers_that_it_draws_eagerly() -> None:
    def run(compiled: bool) -> list[float]:
        made = training(optim.SGD, compiled, nn.Dropout(0.5), lr=0.1)
        la.random.seed(5)
        losses = [made[2](*data()).item() for _ in range(4)]
        return [*losses, *la.random.uniform(2).tolist()]

    eager, compiled = run(False), run(True)
    assert compiled == pytest.approx(eager, rel=1e-5)
    assert len(set(compiled)) == len(compiled)


@pytest.mark.parametrize("draw", ["uniform", "normal", "bernoulli", "integers", "permutation"])
def test_random_numbers_advance_at_every_call_as_they_do_eagerly(draw: str) -> None:
    generators = la.random.Generator(3), la.random.Generator(3)
    arguments: dict[str, tuple[Any, ...]] = {
        "uniform": ((5,),), "normal": ((5,),), "bernoulli": ((5,), 0.5), "integers": ((5,), 0, 100), "permutation": (5,)
    }  # fmt: skip

    @la.compile
    def compiled() -> la.Tensor:
        return getattr(generators[0], draw)(*arguments[draw])

    # Logarithms, sines and cosines make normal numbers, and those of programs differ from NumPy's in the last place.
    rounding = 1e-6 if draw == "normal" else 0.0
    for _ in range(3):
        wanted = getattr(generators[1], draw)(*arguments[draw])
        np.testing.assert_allclose(compiled().numpy(), wanted.numpy(), rtol=rounding, atol=0.0)


def test_a_generator_chosen_for_a_while_is_the_one_drawn_from() -> None:
    draw = la.compile(lambda: la.random.uniform(2))
    draw()
    with la.random.use_generator(la.random.Generator(7)):
        inside = draw().tolist()
    assert inside == la.random.Generator(7).uniform(2).tolist()


def test_classification_with_labels_agrees_with_eager() -> None:
    model = nn.Linear(3, 4)
    labels = la.asarray([0, 3, 2, 1, 1, 0, 3, 2])
    loss = la.compile(lambda x, y: nn.cross_entropy(model(x), y))
    assert_same(loss(data()[0], labels), nn.cross_entropy(model(data()[0]), labels))


# --- variables ---


def test_a_variable_is_read_at_every_call() -> None:
    w = la.variable([1.0, 2.0])
    double = la.compile(lambda: w * 2)
    assert double().tolist() == [2.0, 4.0]
    w.assign([5.0, 6.0])
    assert double().tolist() == [10.0, 12.0]


def test_reading_after_assigning_gives_what_was_assigned() -> None:
    w = la.variable(1.0)

    @la.compile
    def twice() -> tuple[la.Tensor, la.Tensor]:
        before = w.value
        w.assign(w + 1)
        w.assign(w * 10)
        return before, w.value

    before, after = twice()
    assert (before.item(), after.item(), w.item()) == (1.0, 20.0, 20.0)
    assert twice()[0].item() == 20.0


def test_variables_that_exchange_their_values_do_so() -> None:
    a, b = la.variable([1.0, 2.0]), la.variable([3.0, 4.0])

    @la.compile
    def exchange() -> None:
        first = a.value
        a.assign(b.value)
        b.assign(first)

    for _ in range(3):
        assert exchange() is None
    assert (a.tolist(), b.tolist()) == ([3.0, 4.0], [1.0, 2.0])


def test_a_value_held_from_before_a_step_stays() -> None:
    w = la.variable([1.0, 2.0])

    @la.compile
    def step() -> la.Tensor:
        w.assign(w + 1)
        return w.value

    step()
    held, seen, view = w.value, w.value.numpy(), w.value.reshape(2, 1)
    returned = step()
    step()
    assert held.tolist() == seen.tolist() == [2.0, 3.0]
    assert view.tolist() == [[2.0], [3.0]]
    assert returned.tolist() == [3.0, 4.0]
    assert w.tolist() == [4.0, 5.0]


def test_what_another_library_shares_of_a_variable_stays() -> None:
    w = la.variable([1.0, 2.0])
    step = la.compile(lambda: w.assign(w + 1))
    step()
    shared = np.from_dlpack(w.value, copy=None)
    step()
    assert shared.tolist() == [2.0, 3.0]


def test_updates_happen_in_place_when_nobody_else_holds_the_memory() -> None:
    w = la.variable(np.zeros(1000, np.float32))
    step = la.compile(lambda: w.assign(w + 1))
    step()
    place = w._data.ctypes.data
    step()
    assert w._data.ctypes.data == place


def test_variables_that_share_memory_and_part_are_both_right() -> None:
    first = la.variable([1.0, 2.0])
    second = la.variable(first.value)

    @la.compile
    def step() -> la.Tensor:
        first.assign(first + 1)
        return second * 1

    assert step().tolist() == [1.0, 2.0]
    assert step().tolist() == [1.0, 2.0]
    assert first.tolist() == [3.0, 4.0]


def test_variables_that_come_to_share_memory_are_updated_apart() -> None:
    first, second = la.variable([1.0]), la.variable([2.0])

    @la.compile
    def step() -> None:
        first.assign(first + 1)
        second.assign(second * 3)

    step()
    second.assign(first.value)
    step()
    assert (first.item(), second.item()) == (3.0, 6.0)


def test_a_variable_whose_memory_is_not_its_own_is_updated_in_new_memory() -> None:
    held = la.asarray(np.arange(6.0, dtype=np.float32).reshape(2, 3))
    w = la.variable(np.zeros((3, 2), np.float32))
    w.assign(held.T)
    step = la.compile(lambda: w.assign(w + 1))
    step()
    assert held.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert w.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]


def test_a_variable_made_inside_is_as_it_is_eagerly() -> None:
    def gradient(x: la.Tensor) -> la.Tensor:
        w = la.variable([1.0, 2.0])
        w.assign(w * 3)
        return (w * w * x).sum().backward()[w]

    assert_same(la.compile(gradient)(la.asarray([1.0, 2.0])), gradient(la.asarray([1.0, 2.0])))


def test_a_variable_moved_in_type_of_memory_is_traced_again() -> None:
    w = la.variable([1.0, 2.0])
    f = la.compile(lambda: w * 2)
    f()
    w._hold(la.asarray([1.0, 2.0, 3.0], dtype=la.float64))
    assert f().dtype is la.float64


# --- arguments and results ---


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass(frozen=True)
class Batch:
    x: Any
    scale: float = 2.0


def test_trees_go_in_and_come_out() -> None:
    @la.compile
    def f(batch: Batch, others: dict[str, Any], pair: Pair) -> dict[str, Any]:
        return {
            "batch": Batch(batch.x * batch.scale, 3.0),
            "list": [others["a"] + pair.first, None, "text"],
            "pair": Pair(pair.second, 4),
        }

    one = la.asarray([1.0])
    found = f(Batch(one), {"a": one * 2}, Pair(one * 3, one * 4))
    assert found["batch"].x.item() == 2.0
    assert found["batch"].scale == 3.0
    assert found["list"][0].item() == 5.0
    assert found["list"][1:] == [None, "text"]
    assert isinstance(found["pair"], Pair)
    assert found["pair"].first.item() == 4.0
    assert found["pair"].second == 4


def test_numpy_arrays_are_arguments_as_tensors_are() -> None:
    f = la.compile(lambda x: x + 1)
    assert f(np.arange(3.0)).tolist() == [1.0, 2.0, 3.0]
    assert f(np.arange(6.0)[::2]).tolist() == [1.0, 3.0, 5.0]
    assert f(np.arange(3.0)).dtype is la.float64
    assert f(np.arange(3, dtype=">i4")).tolist() == [1, 2, 3]


def test_tensors_whose_memory_is_no_block_are_arguments() -> None:
    x = la.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    f = la.compile(lambda x: x * 2)
    assert f(x.T).tolist() == [[2.0, 8.0], [4.0, 10.0], [6.0, 12.0]]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "uint8", "bool"])
def test_scalars_that_eager_code_computed_are_arguments_variables_and_outside_values(dtype: str) -> None:
    one = la.ones((3,), dtype=dtype)
    computed = one[0] & one[1] if dtype == "bool" else one[0] * one[1]  # NumPy gives a scalar for these, no array
    read, updated = (la.variable(la.zeros((), dtype=dtype), trainable=False) for _ in range(2))

    @la.compile
    def together(x: la.Tensor) -> la.Tensor:
        updated.assign(updated == x if dtype == "bool" else updated + x)
        return la.stack([x, read, computed, updated])

    for argument in (la.ones((), dtype=dtype), computed, computed):
        read.assign(computed)
        updated.assign(computed)
        found = together(argument).astype("float32").tolist()
        assert found == [1, 1, 1, 1 if dtype == "bool" else 2]


def test_an_argument_returned_untouched_is_no_view_of_the_caller_s_array() -> None:
    array = np.ones(3)
    returned = la.compile(lambda x: x)
    tensor = returned(array)
    array[:] = 5.0
    assert tensor.tolist() == [1.0, 1.0, 1.0]


def test_the_same_value_twice_and_a_variable_itself_can_be_returned() -> None:
    w = la.variable([1.0, 2.0])

    @la.compile
    def f(x: la.Tensor) -> Any:
        y = x + w
        w.assign(y)
        return y, y, w, 3

    first, second, variable, number = f(la.asarray([1.0, 1.0]))
    assert first.tolist() == second.tolist() == w.tolist() == [2.0, 3.0]
    assert variable is w
    assert number == 3


def test_gradients_can_be_returned_and_used_outside() -> None:
    model, optimizer, _ = training(optim.SGD, False, lr=0.1)
    other, _, step = training(optim.SGD, False, lr=0.1)
    gradients = la.compile(lambda x, y: nn.mse_loss(model(x), y).backward())
    optimizer.step(gradients(*data()))
    step(*data())
    for name, value in other.state_dict().items():
        assert_same(model.state_dict()[name], value)


def test_static_arguments_are_python_values_inside() -> None:
    @la.compile
    def power(x: la.Tensor, n: int) -> la.Tensor:
        for _ in range(n - 1):
            x = x * x
        return x

    x = la.asarray([2.0])
    assert [power(x, n).item() for n in (1, 2, 3)] == [2.0, 4.0, 16.0]

    chosen = la.compile(lambda x, mode="up": x + 1 if mode == "up" else x - 1, static_argnames="mode")
    assert chosen(x).item() == 3.0
    assert chosen(x, mode="down").item() == 1.0


def test_a_static_array_can_decide_what_is_computed() -> None:
    chosen = la.compile(lambda x, rows: x[rows.nonzero()[0].tolist()[0]], static_argnums=1)
    assert chosen(la.asarray([1.0, 2.0, 3.0]), np.array([0, 0, 1])).item() == 3.0


def test_a_method_is_compiled_for_its_object() -> None:
    class Counter:
        def __init__(self, by: float) -> None:
            self.total, self.by = la.variable(0.0), by

        @la.compile
        def add(self, x: la.Tensor) -> la.Tensor:
            self.total.assign(self.total + x * self.by)
            return self.total.value

    one, two = Counter(1.0), Counter(2.0)
    x = la.asarray(3.0)
    assert [one.add(x).item(), two.add(x).item(), one.add(x).item()] == [3.0, 6.0, 6.0]


def test_a_model_can_be_an_argument_or_be_compiled_itself() -> None:
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    x, _ = data()
    apply = la.compile(lambda model, x: model(x))
    assert_same(apply(first, x), first(x))
    assert_same(apply(second, x), second(x))
    assert_same(la.compile(first)(x), first(x))


def test_a_compiled_function_in_another_is_part_of_it() -> None:
    calls = []

    @la.compile
    def inner(x: la.Tensor) -> la.Tensor:
        calls.append(1)
        return x * 2

    outer = la.compile(lambda x: inner(x) + 1)
    assert outer(la.asarray(3.0)).item() == 7.0
    assert outer(la.asarray(4.0)).item() == 9.0
    assert len(calls) == 1


def test_large_tensors_from_outside_are_held_and_small_ones_written_out() -> None:
    table, offset = la.random.normal((200, 2)), la.asarray([1.0, 2.0])
    f = la.compile(lambda i: table[i] + offset)
    assert_same(f(la.asarray([3, 5])), table[la.asarray([3, 5])] + offset)


def test_decompositions_are_traced() -> None:
    x = la.random.normal((3, 3))
    a = x @ x.T + la.eye(3)
    f = la.compile(lambda a: (la.linalg.cholesky(a), *la.linalg.eigh(a), la.linalg.slogdet(a).logabsdet))
    for found, wanted in zip(
        f(a), [la.linalg.cholesky(a), *la.linalg.eigh(a), la.linalg.slogdet(a).logabsdet], strict=True
    ):
        assert_same(found, wanted)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int32", "uint8", "bool"])
def test_every_kind_of_type_is_traced(dtype: str) -> None:
    x = la.asarray(np.array([[0, 1, 2], [3, 4, 5]])).astype(dtype)
    f = la.compile(lambda x: la.where(x == x, x, x).T)
    found = f(x)
    assert found.dtype is x.dtype
    assert found.tolist() == x.T.tolist()


# --- failure and threads ---


@pytest.mark.parametrize("axis", [None, 0, (1, 2)])
@pytest.mark.parametrize("reduce", [la.max, la.min])
def test_the_largest_of_truth_values_is_one(reduce: Any, axis: Any) -> None:
    x = la.asarray(np.random.default_rng(0).random((3, 2, 5)) < 0.5)
    for keepdims in (False, True):
        wanted = reduce(x, axis=axis, keepdims=keepdims)
        found = la.compile(lambda x, keepdims=keepdims: reduce(x, axis=axis, keepdims=keepdims))(x)
        assert found.dtype is la.bool
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_an_exception_in_the_function_passes_through_and_changes_nothing() -> None:
    w = la.variable(1.0)

    @la.compile
    def f(x: la.Tensor, fail: bool) -> la.Tensor:
        w.assign(w + x)
        if fail:
            raise KeyError("mine")
        return w.value

    with pytest.raises(KeyError, match="mine"):
        f(la.asarray(1.0), True)
    assert w.item() == 1.0
    assert (w + 1).item() == 2.0
    assert f(la.asarray(1.0), False).item() == 2.0


def test_wrong_shapes_are_the_error_that_they_are_eagerly() -> None:
    w = la.variable([[1.0, 2.0]])
    with pytest.raises(la.ShapeError, match="matmul"):
        la.compile(lambda x: w @ x)(la.zeros((3, 3)))
    with pytest.raises(la.ShapeError, match="assign"):
        la.compile(lambda x: w.assign(x))(la.zeros((3, 3)))
    with pytest.raises(la.DTypeError, match="assign"):
        la.compile(lambda x: w.assign(x))(la.zeros((1, 2), dtype=la.float64))


def test_several_threads_call_one_function() -> None:
    w = la.variable(np.zeros(100, np.float32))
    step = la.compile(lambda x: w.assign(w + x))
    one = la.ones(100)
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(50):
                step(one)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert w.tolist() == [200.0] * 100


def test_other_threads_compute_eagerly_while_one_traces() -> None:
    w = la.variable(1.0)
    inside, done = threading.Event(), threading.Event()

    @la.compile
    def f() -> la.Tensor:
        w.assign(w + 1)
        inside.set()
        done.wait(10)
        return w * 1

    thread = threading.Thread(target=f)
    thread.start()
    inside.wait(10)
    seen = w.item(), (w * 2).item()
    done.set()
    thread.join()
    assert seen == (1.0, 2.0)
    assert w.item() == 2.0


SUBSCRIPTS: dict[str, Callable[[la.Tensor, la.Tensor], la.Tensor]] = {
    "first": lambda x, i: x[i],
    "last": lambda x, i: x[..., i],
    "among slices": lambda x, i: x[1:4, i, None, ::-1],
    "twice": lambda x, i: x[i, :, i],
    "beside a number": lambda x, i: x[-1, i],
    "beside indices": lambda x, i: x[la.asarray([0, 1, 1]), i],
}


@pytest.mark.parametrize("name", SUBSCRIPTS)
@pytest.mark.parametrize("index", [0, 2, -3])
def test_a_traced_number_is_a_subscript(name: str, index: int) -> None:
    x, i = la.random.Generator(0).normal((5, 3, 4)), la.asarray(index, dtype=la.int32)
    read = SUBSCRIPTS[name]
    assert_same(la.compile(read)(x, i), read(x, i))
    gradient = la.grad(lambda x, i: (read(x, i) ** 2).sum())
    assert_same(la.compile(gradient)(x, i), gradient(x, i))


def test_a_step_takes_its_rows_by_a_counter() -> None:
    rows, at = la.asarray([[1.0, 2.0], [3.0, 4.0]]), la.variable(la.asarray(0), trainable=False)

    @la.compile
    def step(rows: la.Tensor) -> la.Tensor:
        row = rows[at]
        at.assign(at + 1)
        return row

    assert_same(step(rows), rows[0])
    assert_same(step(rows), rows[1])
    with pytest.raises(IndexError):
        step(rows)
    assert at.item() == 2


def test_traced_keys_replace_elements_and_name_each_once() -> None:
    x, values = la.zeros((4, 3)), la.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    replace = la.compile(lambda x, key, values: x.replaced(key, values))
    assert_same(replace(x, la.asarray([3, 1]), values), x.replaced(la.asarray([3, 1]), values))
    assert_same(replace(x, la.asarray(-1), values[0]), x.replaced(-1, values[0]))
    with pytest.raises(la.ShapeError, match="names an element twice"):
        replace(x, la.asarray([1, -3]), values)


@given(mutually_broadcastable_shapes(signature="(m,k),(k,n)->(m,n)", max_dims=3, max_side=4), st.booleans())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_products_of_batches_that_broadcast(shapes: Any, computed: bool) -> None:
    generator = la.random.Generator(0)
    a, b = (generator.normal(shape) for shape in shapes.input_shapes)

    def product(a: la.Tensor, b: la.Tensor) -> la.Tensor:
        return (a * 2.0 if computed else a) @ b

    assert_same(la.compile(product)(a, b), product(a, b))
    gradient = la.grad(lambda a, b: (product(a, b) ** 2).sum(), (0, 1))
    for found, wanted in zip(la.compile(gradient)(a, b), gradient(a, b), strict=True):
        assert_same(found, wanted)


@pytest.mark.parametrize(
    "shapes", [((2, 1, 40, 50), (3, 50, 60)), ((3, 40, 50), (2, 1, 50, 60)), ((2, 1, 1, 50), (3, 50, 1))]
)
def test_products_of_large_batches_that_broadcast(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (la.random.Generator(0).normal(shape) for shape in shapes)
    product = la.compile(lambda a, b: a.tanh() @ b.tanh())
    np.testing.assert_allclose(product(a, b).numpy(), (a.tanh() @ b.tanh()).numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("terms", [64, 96, 97])
def test_memory_that_is_asked_for_while_a_product_is_summed_changes_no_result(terms: int) -> None:
    generator = np.random.default_rng(0)
    a, b, c = (
        generator.standard_normal(shape).astype(np.float32) for shape in ((389, terms), (terms, 403), (389, 403))
    )
    found = la.compile(lambda x, y, z: x @ y * z)(*map(la.asarray, (a, b, c)))
    wanted = (a.astype(np.float64) @ b) * c
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-4)
