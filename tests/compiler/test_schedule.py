"""What is fused, what is not, and where threads meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.compiler.building import lowered
from lamina.compiler.codegen.schedule import Schedule
from lamina.compiler.inspection import KernelReport, reports
from lamina.compiler.runtime.threads import num_threads
from lamina.compiler.schedule.costs import traffic
from lamina.compiler.schedule.kernels import MatrixProduct
from lamina.compiler.target import AVX512
from lamina.compiler.tracing.trace import trace
from lamina.primitives.primitive import Spec


def schedule_of(function: Callable[..., object], *arguments: la.Tensor) -> Schedule:
    """Return the schedule of a function for arguments of these shapes and types."""

    def traced(tracer: object) -> object:
        given = [tracer.argument(place, Spec(x.shape, x.dtype), False) for place, x in enumerate(arguments)]  # type: ignore[attr-defined]
        return function(*given)

    return lowered(trace(traced, True).graph, AVX512).schedule


def kernels_of(function: Callable[..., object], *arguments: la.Tensor) -> list[KernelReport]:
    return reports(schedule_of(function, *arguments))


def network_step(sizes: tuple[int, ...], loss: Callable[..., la.Tensor]) -> Callable[..., la.Tensor]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = optim.Adam(model.parameters())

    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        found = loss(model(x), y)
        optimizer.step(found.backward())
        return found

    return step


def test_elementwise_operations_are_one_kernel() -> None:
    (kernel,) = kernels_of(lambda x, y: (x * y + 1.0).relu() / (x - y).exp(), la.zeros((8, 5)), la.zeros((8, 5)))
    assert kernel.kind == "loops"


def test_a_long_chain_is_cut_into_kernels_of_bounded_length() -> None:
    def chain(x: la.Tensor) -> la.Tensor:
        y = x
        for _ in range(200):
            y = la.sin(y * 1.01) + x
        return y.sum()

    for function in (chain, la.grad(chain)):
        kernels = kernels_of(function, la.zeros((8,)))
        counts = [int(count) for each in kernels for count in re.findall(r"(\d+) (?:sin|cos)", each.operations)]
        assert sum(counts) >= 200
        assert max(counts) < 40


def test_bias_and_activation_are_the_epilogue_of_their_product() -> None:
    layer = nn.Linear(16, 32)
    (kernel,) = kernels_of(lambda x: layer(x).relu(), la.zeros((64, 16)))
    assert kernel.kind == "product"
    assert "add" in kernel.operations
    assert "relu" in kernel.operations


def test_views_move_nothing() -> None:
    def views(x: la.Tensor) -> la.Tensor:
        return la.flip(x.T[1:7:2], axis=0).reshape(1, 3, 5) * 2.0

    (kernel,) = kernels_of(views, la.zeros((5, 9)))
    assert kernel.kind == "loops"


def test_transposed_operands_of_a_product_are_read_where_they_are() -> None:
    kernels = kernels_of(lambda a, b: (a.T @ b.T).T, la.zeros((8, 5)), la.zeros((6, 8)))
    assert [kernel.kind for kernel in kernels] == ["product"]


def test_softmax_reads_its_rows_three_times_and_the_threads_do_not_meet() -> None:
    kernels = kernels_of(lambda x: nn.softmax(x, axis=-1), la.zeros((64, 100)))
    assert [kernel.kind for kernel in kernels] == ["reduction", "reduction", "loops"]
    assert {kernel.phase for kernel in kernels} == {0}


def test_a_pooling_layer_reads_its_input_once_for_the_maximum_and_its_place() -> None:
    def pooled(x: la.Tensor, g: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
        y, pullback = la.vjp(lambda x: nn.max_pool2d(x.relu(), 2), x)
        return y, pullback(g)[0]

    kernels = kernels_of(pooled, la.zeros((8, 4, 28, 28)), la.zeros((8, 4, 14, 14)))
    assert [kernel.kind for kernel in kernels] == ["reduction", "loops", "loops"]
    assert "less" in kernels[1].operations, "the activation's derivative is in the same pass as the pooling layer's"


def test_a_bias_stays_in_the_product_whose_result_is_split_into_heads() -> None:
    layer = nn.Linear(16, 32)

    def heads(x: la.Tensor) -> la.Tensor:
        return la.permute_dims(layer(x).reshape(8, 12, 4, 8), (0, 2, 1, 3)) * 2.0

    kernels = kernels_of(heads, la.zeros((8, 12, 16)))
    assert "add" in next(kernel for kernel in kernels if kernel.kind == "product").operations


@pytest.mark.parametrize("heads", [4, 12])
def test_a_product_stores_its_result_as_it_is_read_with_heads_and_places_exchanged(heads: int) -> None:
    def merged(scores: la.Tensor, values: la.Tensor, weight: la.Tensor) -> la.Tensor:
        mixed = la.permute_dims((scores @ values) * 2.0, (0, 2, 1, 3))
        return mixed.reshape(8, 12, heads * 16) @ weight

    generator = np.random.default_rng(0)
    shapes = (8, heads, 12, 12), (8, heads, 12, 16), (heads * 16, 20)
    given = [la.asarray(generator.integers(-3, 4, shape).astype(np.float32)) for shape in shapes]
    first, second, *_ = kernels_of(merged, *given)
    assert (first.kind, second.kind) == ("product", "product")
    assert "permute_dims" in first.operations
    np.testing.assert_array_equal(la.compile(merged)(*given).numpy(), merged(*given).numpy())


def test_what_is_added_to_again_and_again_is_stored_by_each_product_that_adds_to_it() -> None:
    blocks = [(nn.LayerNorm(32), nn.Linear(32, 32)) for _ in range(4)]

    def stream(x: la.Tensor) -> la.Tensor:
        for norm, layer in blocks:
            x = x + layer(norm(x))
        return x

    kernels = kernels_of(stream, la.zeros((8, 16, 32)))
    products = [kernel for kernel in kernels if kernel.kind == "product"]
    assert all(kernel.operations == "matmul, 2 add" for kernel in products)
    sums = [kernel.bytes for kernel in kernels if "sum" in kernel.operations]
    assert sums[2:4] == sums[4:6] == sums[6:8], "later layers read no more"


def test_gradients_of_weights_are_computed_while_what_they_are_made_of_is_near() -> None:
    x = la.zeros((1024, 256))
    schedule = schedule_of(network_step((256,) * 24, nn.mse_loss), x, x)
    ordered = schedule.ordered
    for place, kernel in enumerate(ordered.kernels):
        if not isinstance(kernel, MatrixProduct) or not any(each.value in kernel.computed for each in ordered.in_place):
            continue
        bases = {each.base for each in ordered.reads[kernel]}
        last = max(at for at, each in enumerate(ordered.kernels[:place]) if bases & set(each.computed))
        assert sum(traffic(each, schedule.fused) for each in ordered.kernels[last + 1 : place]) < 16 * 2**20


def test_what_is_cheap_is_computed_again_rather_than_stored() -> None:
    schedule = schedule_of(lambda x: ((x + 1.0).sum(axis=1), (x + 1.0).max(axis=0)), la.zeros((64, 64)))
    assert schedule.memory.arena == 0


def test_what_many_elements_are_made_of_is_computed_once_where_it_is_not_cheap() -> None:
    norm = nn.BatchNorm2d(16)

    def function(x: la.Tensor, w: la.Tensor) -> la.Tensor:
        return la.grad(lambda x: (nn.conv2d(norm(x).relu(), w) ** 2).sum())(x)

    found = kernels_of(function, la.zeros((8, 16, 12, 12)), la.zeros((16, 16, 3, 3)))
    assert [each.kind for each in found if "sqrt" in each.operations] == ["reduction", "reduction"]


def test_optimizer_updates_are_fused_into_the_products_of_their_gradients() -> None:
    kernels = kernels_of(network_step((32, 64, 64, 1), nn.mse_loss), la.zeros((64, 32)), la.zeros((64, 1)))
    products = [kernel for kernel in kernels if kernel.kind == "product"]
    assert sum("sqrt" in kernel.operations for kernel in products) == 3
    assert not any(
        kernel.kind == "loops" and "sqrt" in kernel.operations and "," in kernel.shapes for kernel in kernels
    )


def test_a_derivative_is_stored_in_place_of_all_that_it_is_made_of() -> None:
    model = nn.MLP(32, [512], 32, activation="gelu")
    optimizer = optim.Adam(model.parameters())

    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        return loss

    schedule = schedule_of(step, la.zeros((64, 32)), la.zeros((64, 32)))
    products = [kernel for kernel in reports(schedule) if kernel.kind == "product"]
    (forward,) = [kernel for kernel in products if "erf" in kernel.operations]
    assert "exp" in forward.operations
    # What the layer gives, its derivative, and the gradient.
    assert schedule.memory.arena < 4 * 64 * 512 * 4


def test_values_of_whole_pages_begin_at_different_places_of_a_page_and_share_memory_as_before() -> None:
    layers = nn.Sequential(*(nn.Linear(64, 64) for _ in range(6)))
    weights = [layer.weight for layer in layers.modules() if isinstance(layer, nn.Linear)]

    def gradients(x: la.Tensor) -> list[la.Tensor]:
        found = (layers(x).tanh() ** 2).sum().backward()
        return [found[each] for each in weights]

    memory = schedule_of(gradients, la.zeros((256, 64))).memory
    # 256 times 64 numbers are 16 pages to the byte.
    places = [
        place.number for value, place in memory.places.items() if place.kind == "arena" and value.size == 256 * 64
    ]
    assert len(places) >= 6
    assert len({place % 4096 for place in places}) == len(places)
    assert all(place % 64 == 0 for place in places)
    assert memory.arena < (len(places) + 1) * 256 * 64 * 4


def test_updates_need_not_wait_for_sums_at_indices_that_were_looked_up_before() -> None:
    table, model = la.variable(np.ones((8, 32), np.float32)), nn.MLP(32, [32, 32], 4)
    optimizer = optim.Adam([table, *model.parameters()])

    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = nn.mse_loss(model(la.take(table, x, axis=0)), y)
        optimizer.step(loss.backward())
        return loss

    kernels = kernels_of(step, la.zeros((64,), dtype=la.int64), la.zeros((64, 4)))
    (sums,) = [kernel for kernel in kernels if "scatter_add" in kernel.operations]
    assert min(kernel.phase for kernel in kernels if "sqrt" in kernel.operations) < sums.phase


def test_the_threads_meet_once_in_a_training_step_of_a_small_network() -> None:
    step = network_step((32, 64, 64, 1), nn.mse_loss)
    schedule = schedule_of(step, la.zeros((64, 32)), la.zeros((64, 1)))
    assert max(schedule.ordered.phases.values()) <= 2


@pytest.mark.parametrize(("batch", "rows_read"), [(32, True), (512, False)])
def test_rows_of_a_weight_are_updated_by_the_thread_that_reads_them_in_the_next_step(
    batch: int, rows_read: bool
) -> None:
    """Few samples are multiplied by all threads with rows of the weight each; many are shared out themselves."""
    step = network_step((512, 256, 1), nn.mse_loss)
    ordered = schedule_of(step, la.zeros((batch, 512)), la.zeros((batch, 1))).ordered
    shares = {kernel.dims: ordered.shares[kernel] for kernel in ordered.kernels if isinstance(kernel, MatrixProduct)}
    assert (shares[batch, 256].loop == 1) == rows_read
    assert (shares[256, 512].loop == 0) == rows_read


def attended(x: la.Tensor) -> la.Tensor:
    return nn.softmax(x @ x.mT, axis=-1) @ x


def test_kernels_take_turns_and_what_passes_between_them_needs_memory_for_a_turn_only() -> None:
    schedule = schedule_of(attended, la.zeros((16, 4, 64, 32)))
    (turns,) = schedule.turns
    assert len(turns.kernels) == 5
    assert turns.units == 1
    assert schedule.memory.arena == 0
    assert schedule.memory.passing < 4 * 4 * 64 * 64 * 4


def test_kernels_whose_values_are_in_cache_anyway_take_no_turns() -> None:
    schedule = schedule_of(attended, la.zeros((16, 1, 16, 8)))
    assert all(turns.units == 0 for turns in schedule.turns)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_turns_change_no_result(threads: int) -> None:
    x = la.random.Generator(0).normal((11, 4, 48, 32))
    with num_threads(threads):
        loss, gradient = la.compile(la.value_and_grad(lambda x: (attended(x) ** 2).sum()))(x)
    wanted, of_eager = la.value_and_grad(lambda x: (attended(x) ** 2).sum())(x)
    np.testing.assert_allclose(loss.numpy(), wanted.numpy(), rtol=1e-5)
    np.testing.assert_allclose(gradient.numpy(), of_eager.numpy(), rtol=1e-3, atol=1e-3)


def test_values_that_do_not_live_at_the_same_time_share_memory() -> None:
    def chain(x: la.Tensor, w: la.Tensor) -> la.Tensor:
        for _ in range(10):
            x = (x @ w).relu()
        return x

    schedule = schedule_of(chain, la.zeros((8, 8)), la.zeros((8, 8)))
    assert schedule.memory.arena <= 2 * 8 * 8 * 4


def test_a_variable_read_after_its_update_is_computed_does_not_change_early() -> None:
    w = la.variable(np.arange(4.0, dtype=np.float32))

    @la.compile
    def rotate() -> la.Tensor:
        old = w.value
        w.assign(la.flip(w.value, axis=0) + 1.0)
        return old * 1.0 + w.value.sum()

    result = rotate()
    assert np.allclose(result.numpy(), np.arange(4.0) + 10.0)
    assert np.allclose(w.numpy(), [4.0, 3.0, 2.0, 1.0])


@pytest.mark.parametrize(("length", "kernels"), [(1, 1), (100, 1), (700, 1), (5_000, 7)])
def test_expressions_are_one_kernel_up_to_the_length_that_llvm_is_good_at(length: int, kernels: int) -> None:
    def chain(x: la.Tensor) -> la.Tensor:
        for number in range(length):
            x = x * 1.0001 + float(number % 7)
        return x

    assert len(kernels_of(chain, la.zeros((3,)))) == kernels
