"""What a compiled function tells of itself is true, and asking for it changes nothing."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import lamina as la
from lamina import nn, optim
from lamina.compiler.inspection import Profile
from lamina.compiler.inspection.peak import clock, peak_flops
from lamina.compiler.runtime.processor import host
from lamina.compiler.runtime.threads import num_threads
from lamina.compiler.target import AARCH64, AVX2, AVX512, BASELINE, Target
from lamina.errors import DataError, DTypeError, SubscriptError, TracingError

BRIEF = 0.01
"""Seconds of a profile whose numbers do not matter."""


def ones(*shape: int, dtype: Any = None) -> la.Tensor:
    return la.ones(shape, dtype=dtype)


@la.compile
def layer(x: la.Tensor, w: la.Tensor, b: la.Tensor) -> la.Tensor:
    return (x @ w + b).relu()


LAYER = ones(64, 32), ones(32, 48), ones(48)


class Training:
    """A model with a compiled step, of which everything that a step could change can be compared."""

    def __init__(self) -> None:
        la.random.seed(1)
        self.model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Dropout(0.3), nn.Linear(7, 3))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.1)
        self.data = la.random.normal((8, 5)), la.random.integers((8,), 0, 3)
        self.traces = 0

        @la.compile
        def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
            self.traces += 1
            loss = nn.cross_entropy(self.model(x), y)
            self.optimizer.step(loss.backward())
            return loss

        self.step = step

    def state(self) -> list[Any]:
        generator = la.random.default_generator()
        held = [*self.model.state_dict().values(), *self.optimizer.state_dict().values()]
        held += [generator.key.value, generator.counter.value, *self.data]
        return [each.numpy().copy() for each in held if isinstance(each, la.Tensor)]


@pytest.fixture
def training() -> Training:
    return Training()


ASKED: dict[str, Callable[..., Any]] = {
    "explain": lambda step, *args: step.explain(*args),
    "llvm_ir": lambda step, *args: step.llvm_ir(*args),
    "assembly": lambda step, *args: step.assembly(*args),
    "profile": lambda step, *args: step.profile(*args, seconds=BRIEF),
}


# --- asking changes nothing ---


@pytest.mark.parametrize("called_before", [False, True])
@pytest.mark.parametrize("asked", ASKED)
def test_asking_leaves_variables_random_numbers_and_arguments_as_they_were(
    training: Training, asked: str, called_before: bool
) -> None:
    if called_before:
        training.step(*training.data)
    before = training.state()
    ASKED[asked](training.step, *training.data)
    for old, new in zip(before, training.state(), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.parametrize("asked", ASKED)
def test_results_are_the_same_after_asking(asked: str) -> None:
    def losses(asks: bool) -> list[float]:
        training = Training()
        found = []
        for _ in range(3):
            if asks:
                ASKED[asked](training.step, *training.data)
            found.append(training.step(*training.data).item())
        return found

    assert losses(True) == losses(False)


def test_asking_keeps_no_trace_for_calls(training: Training) -> None:
    training.step.explain(*training.data)
    training.step(*training.data)
    training.step(*training.data)
    assert training.traces == 2


@pytest.mark.parametrize("asked", ASKED)
def test_inside_of_a_compiled_function_asking_is_an_error(asked: str) -> None:
    @la.compile
    def outer(x: la.Tensor) -> la.Tensor:
        ASKED[asked](layer, *LAYER)
        return x

    with pytest.raises(TracingError, match=f"layer.{asked}: .* ask for it outside"):
        outer(ones(2))


@pytest.mark.parametrize("asked", ASKED)
def test_what_cannot_be_traced_says_so(asked: str) -> None:
    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        return x if x > 0 else -x

    with pytest.raises(TracingError, match="bool"):
        ASKED[asked](step, ones())


# --- explanations ---


def test_a_layer_is_explained_as_one_product_with_its_bias_and_activation() -> None:
    found = layer.explain(*LAYER)
    (kernel,) = found.kernels
    assert kernel.name == "product 64x48x32 + add, relu"
    assert (kernel.kind, kernel.shapes) == ("product", "[64, 32] @ [32, 48]")
    assert kernel.flops == 2 * 64 * 48 * 32
    assert kernel.bytes == 4 * (64 * 32 + 32 * 48 + 48 + 64 * 48)
    assert kernel.units == 64


def test_graphs_are_explained_as_traced_and_as_compiled() -> None:
    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        return (x * 1.0).T.T + x**2.0

    found = step.explain(ones(3, 4))
    assert found.before.count("permute_dims") == 2
    assert "pow" in found.before
    assert "permute_dims" not in found.after
    assert "multiply(%0, %0)" in found.after


def test_inputs_are_explained_by_arguments_and_variables(training: Training) -> None:
    found = training.step.explain(*training.data)
    assert found.inputs[:2] == ("%0 float32[8, 5] x", "%1 int64[8] y")
    assert "float32[7, 5] weight" in found.inputs[2]
    assert any("state.0.exp_avg" in each for each in found.inputs)


def test_arguments_in_trees_have_the_names_that_python_gives_them() -> None:
    @la.compile(static_argnames="scale")
    def step(batch: dict[str, la.Tensor], more: list[la.Tensor], scale: float = 1.0) -> la.Tensor:
        return batch["a"] + more[1] * scale + more[0]

    found = step.explain({"a": ones(2)}, [ones(2), ones(2)], scale=2.0)
    assert [each.split(" ", 2)[2] for each in found.inputs] == ["batch.a", "more[0]", "more[1]"]


def test_kernels_say_which_variables_they_update(training: Training) -> None:
    found = training.step.explain(*training.data)
    written = [name for kernel in found.kernels for name in kernel.updates]
    assert written.count("weight") == written.count("bias") == 2
    assert any(kernel.kind == "product" and "-> weight" in kernel.name for kernel in found.kernels)


def test_kernels_come_in_the_order_of_phases_with_a_barrier_after_each() -> None:
    @la.compile
    def step(x: la.Tensor, w: la.Tensor) -> la.Tensor:
        return (x @ w).sum() * (x @ w)

    with num_threads(2):
        found = step.explain(ones(256, 256), ones(256, 256))
    phases = [kernel.phase for kernel in found.kernels]
    assert phases == sorted(phases)
    assert found.threads == 2
    assert found.phases == found.barriers == len(set(phases)) > 1


def test_a_small_program_has_one_thread_and_no_barriers() -> None:
    found = layer.explain(ones(2, 3), ones(3, 2), ones(2))
    assert (found.threads, found.barriers) == (1, 0)


def test_the_arena_holds_what_lives_between_kernels() -> None:
    @la.compile
    def step(x: la.Tensor, w: la.Tensor) -> la.Tensor:
        return x @ w @ w

    found = step.explain(ones(64, 64), ones(64, 64))
    assert found.arena == 64 * 64 * 4
    assert found.seconds > 0


@la.compile
def factorised(a: la.Tensor) -> tuple[la.Tensor, la.Tensor]:
    return la.linalg.inv(a) @ a, la.linalg.cholesky(a)


def test_what_falls_back_to_python_is_marked() -> None:
    found = factorised.explain(la.eye(6))
    assert sorted(found.fallbacks) == ["cholesky 6x6", "inv 6x6"]
    assert str(found).count("FALLBACK") == 2
    assert "falls back to Python for" in str(found)
    assert {kernel.kind for kernel in found.kernels} >= {"fallback", "product"}


def test_what_is_native_mentions_no_fallback() -> None:
    found = layer.explain(*LAYER)
    assert found.fallbacks == ()
    assert "fall" not in str(found).lower()


def test_an_explanation_is_a_page_with_everything() -> None:
    page = str(layer.explain(*LAYER))
    assert page.startswith("layer: 1 kernel in 1 phase")
    for part in ("inputs", "graph as traced", "graph as compiled", "kernels", "product 64x48x32", "matmul, add, relu"):
        assert part in page


# --- code ---


@pytest.mark.parametrize("target", [AVX512, AVX2, BASELINE, AARCH64], ids=lambda target: target.cpu)
def test_code_is_shown_for_any_target(target: Target) -> None:
    assert f'target triple = "{target.triple}"' in layer.llvm_ir(*LAYER, target=target, optimised=True)
    words = {AVX512: "zmm", AVX2: "ymm", BASELINE: "mulps", AARCH64: "fmla"}
    assert words[target] in layer.assembly(*LAYER, target=target)


def test_code_is_shown_for_this_machine_by_default() -> None:
    assert layer.llvm_ir(*LAYER) == layer.llvm_ir(*LAYER, target=host())
    assert layer.assembly(*LAYER) == layer.assembly(*LAYER, target=host())


def test_optimised_code_has_no_stack_slots_for_variables_of_loops() -> None:
    plain, optimised = (layer.llvm_ir(*LAYER, optimised=each) for each in (False, True))
    assert plain.count("alloca") > optimised.count("alloca")


@pytest.mark.parametrize("asked", ["llvm_ir", "assembly"])
def test_a_target_that_is_an_argument_of_the_function_is_an_error_that_says_what_to_do(asked: str) -> None:
    with pytest.raises(DTypeError, match="passed by position"):
        getattr(layer, asked)(*LAYER, target=ones(3))


# --- profiles ---


def assert_accounted(found: Profile) -> None:
    assert found.seconds > 0
    assert all(each.seconds >= 0 and 0 <= each.share <= 1 for each in found.kernels)
    assert 0 <= found.waiting <= found.seconds
    # Each kernel's time is that of its slowest thread, so that together they are the time of a run, or more.
    assert sum(each.seconds for each in found.kernels) + found.waiting >= found.seconds * 0.999


def test_a_profile_has_the_kernels_of_the_explanation(training: Training) -> None:
    explained, found = training.step.explain(*training.data), training.step.profile(*training.data, seconds=BRIEF)
    assert [each.name for each in found.kernels] == [each.name for each in explained.kernels]
    assert_accounted(found)


def test_on_one_thread_the_shares_of_kernels_and_waiting_are_all_of_the_time(training: Training) -> None:
    with num_threads(1):
        found = training.step.profile(*training.data, seconds=BRIEF)
    assert found.threads == 1
    whole = sum(each.seconds for each in found.kernels) + found.waiting
    assert sum(each.share for each in found.kernels) + found.waiting / whole == pytest.approx(1.0)


def test_long_kernels_take_as_long_as_the_program_that_they_are() -> None:
    with num_threads(1):
        found = layer.profile(ones(256, 256), ones(256, 256), ones(256), seconds=0.2)
    # Wide bounds: other processes may slow one of the two down.
    assert 0.5 < sum(each.seconds for each in found.kernels) / found.seconds < 2.0


def test_a_large_product_is_measured_as_a_fraction_of_the_peak() -> None:
    with num_threads(1):
        found = layer.profile(ones(256, 256), ones(256, 256), ones(256), seconds=0.1)
    (kernel,) = found.kernels
    assert kernel.rate == pytest.approx(kernel.flops / kernel.seconds)
    assert kernel.peak == found.peak == peak_flops(32)
    assert found.products_fraction_of_peak == pytest.approx(kernel.fraction_of_peak)
    # Wide bounds: other processes may slow the product down, or have slowed the peak.
    assert kernel.fraction_of_peak is not None
    assert 0.1 < kernel.fraction_of_peak < 2.0


def test_the_fraction_inside_products_leaves_other_kernels_out() -> None:
    @la.compile
    def step(x: la.Tensor, w: la.Tensor) -> la.Tensor:
        return la.sort((x @ w).sum(axis=0)) + (x @ w @ w).max()

    with num_threads(1):
        found = step.profile(ones(64, 64), ones(64, 64), seconds=BRIEF)
    products = [each for each in found.kernels if each.flops]
    assert 0 < len(products) < len(found.kernels)
    wanted = sum(each.flops for each in products) / sum(each.seconds for each in products) / found.peak
    assert found.products_fraction_of_peak == pytest.approx(wanted)


def test_products_of_doubles_are_compared_with_the_peak_of_doubles() -> None:
    a = ones(64, 64, dtype=la.float64)
    with num_threads(1):
        (kernel,) = la.compile(la.matmul).profile(a, a, seconds=BRIEF).kernels
    assert kernel.peak == peak_flops(64)
    assert 0.25 < peak_flops(64) / peak_flops(32) < 1.0


@pytest.mark.parametrize("dtype", [la.float16, la.bfloat16, la.int32])
def test_products_of_every_type_are_profiled(dtype: Any) -> None:
    a = ones(16, 16, dtype=dtype)
    (kernel,) = la.compile(la.matmul).profile(a, a, seconds=BRIEF).kernels
    assert kernel.flops == 2 * 16**3
    assert (kernel.peak is None) == (dtype is la.int32)


def test_programs_with_fallbacks_are_profiled() -> None:
    found = factorised.profile(la.eye(6), seconds=BRIEF)
    assert_accounted(found)
    python = [each for each in found.kernels if each.kind == "fallback"]
    assert len(python) == 2
    assert all(each.seconds > 1e-6 for each in python)
    assert str(found).count("(FALLBACK)") == 2


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_programs_are_profiled_on_any_number_of_threads(threads: int) -> None:
    with num_threads(threads):
        found = layer.profile(ones(128, 128), ones(128, 128), ones(128), seconds=BRIEF)
    assert found.threads == threads
    assert_accounted(found)


def test_a_profile_goes_on_while_other_threads_call_the_function(training: Training) -> None:
    training.step(*training.data)
    ends = threading.Event()

    def calls() -> None:
        while not ends.is_set():
            training.step(*training.data)

    other = threading.Thread(target=calls)
    other.start()
    try:
        assert_accounted(training.step.profile(*training.data, seconds=BRIEF))
    finally:
        ends.set()
        other.join()


def test_a_program_without_kernels_is_explained_and_profiled() -> None:
    constant = la.compile(lambda: 3)
    assert constant.explain().kernels == ()
    found = constant.profile(seconds=BRIEF)
    assert found.kernels == ()
    assert found.products_fraction_of_peak is None
    found.plot()


def test_an_index_out_of_range_is_raised_as_by_a_call() -> None:
    taken = la.compile(lambda x, i: la.take(x, i, axis=0))
    with pytest.raises(SubscriptError):
        taken.profile(ones(3), la.asarray([7]), seconds=BRIEF)


@pytest.mark.parametrize(
    ("seconds", "error"), [(0, DataError), (-1.0, DataError), (float("nan"), DataError), (ones(2), DTypeError)]
)
def test_seconds_are_a_positive_number(seconds: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="profile: seconds must be"):
        layer.profile(*LAYER, seconds=seconds)


def test_reading_the_clock_takes_time_that_is_known() -> None:
    first = clock().now()
    assert clock().now() > first
    assert clock().inside > 0


def test_the_peak_is_measured_once() -> None:
    assert peak_flops(32) is peak_flops(32)


# --- functions of every kind ---


class Scaled(nn.Module):
    def __init__(self) -> None:
        self.scale = la.variable([1.0, 2.0, 3.0], name="scale")

    @la.compile
    def __call__(self, x: la.Tensor) -> la.Tensor:
        return x * self.scale

    @la.compile(static_argnums=2, static_argnames="power")
    def powered(self, x: la.Tensor, power: int = 2) -> la.Tensor:
        """Return the power of what is scaled."""
        return (x * self.scale) ** power


@pytest.mark.parametrize("asked", ASKED)
def test_methods_are_looked_into_with_their_object(asked: str) -> None:
    scaled = Scaled()
    for bound in (scaled.powered, scaled.__call__):
        of_class = getattr(Scaled, bound.__name__)
        mine, theirs = ASKED[asked](bound, ones(3)), ASKED[asked](of_class, scaled, ones(3))
        if isinstance(mine, Profile):
            mine, theirs = ([each.name for each in found.kernels] for found in (mine, theirs))
        assert mine == theirs


def test_compiled_methods_are_called_and_described_as_methods() -> None:
    scaled = Scaled()
    assert scaled.powered(ones(3)).tolist() == [1.0, 4.0, 9.0]
    assert scaled.powered(ones(3), power=3).tolist() == scaled.powered(ones(3), 3).tolist() == [1.0, 8.0, 27.0]
    assert scaled(ones(3)).tolist() == [1.0, 2.0, 3.0]
    assert scaled.powered.__name__ == "powered"
    assert scaled.powered.__doc__ == "Return the power of what is scaled."


@pytest.mark.parametrize("given", [{"args": (ones(3), 3)}, {"args": (ones(3),), "kwargs": {"power": 3}}])
def test_static_arguments_are_fixed_in_what_is_shown(given: dict[str, Any]) -> None:
    found = Scaled().powered.explain(*given["args"], **given.get("kwargs", {}))
    assert found.after.count("multiply") == 3
    assert found.inputs == ("%0 float32[3] x", "%1 float32[3] scale")


def test_arrays_in_any_order_in_memory_are_profiled_as_they_are() -> None:
    x = np.asfortranarray(np.arange(12.0, dtype=np.float32).reshape(3, 4))[::-1]
    before = x.copy()
    assert_accounted(la.compile(lambda x: la.exp(la.asarray(x))).profile(x, seconds=BRIEF))
    np.testing.assert_array_equal(x, before)


def test_tensors_from_outside_are_inputs_that_are_named_so() -> None:
    outside = la.random.Generator(0).normal((100,))
    add = la.compile(lambda x: x + outside)
    assert add.explain(ones(100)).inputs[1] == "%1 float32[100] from outside"
    assert_accounted(add.profile(ones(100), seconds=BRIEF))


# --- tables and pictures ---


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("asked", ["explain", "profile"])
def test_tables_in_the_terminal_show_kernels_and_numbers(asked: str, width: int) -> None:
    written = io.StringIO()
    console = Console(width=width, file=written, color_system=None)
    console.print(ASKED[asked](layer, *LAYER))
    text = written.getvalue()
    assert "product" in text
    assert text.startswith("layer: ")
    assert {"explain": "MFLOP", "profile": "GFLOP/s"}[asked] in text
    assert all(len(line) <= width for line in text.splitlines())


def test_a_printed_profile_is_aligned_and_ends_with_the_waiting() -> None:
    lines = str(layer.profile(*LAYER, seconds=BRIEF)).splitlines()
    heading, *rows = lines[2:]
    assert "waiting, and between kernels" in rows[-1]
    end = heading.index("time") + len("time")
    assert all(row[end - 1] == "s" and row[end : end + 1].strip() == "" for row in rows)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_profile_draws_a_bar_for_each_kernel_in_the_order_of_running(
    training: Training, tmp_path: Path, ending: str
) -> None:
    found = training.step.profile(*training.data, seconds=BRIEF)
    path = tmp_path / f"profile.{ending}"
    axes = found.plot(path).axes[0]
    assert path.stat().st_size > 1000
    labels = [each.get_text() for each in axes.get_yticklabels()]
    assert [label.split()[0] for label in labels] == [*map(str, range(len(found.kernels))), "waiting,"]
    assert len(axes.patches) == len(labels)


def test_a_picture_of_many_kernels_shows_the_slowest_and_says_so() -> None:
    found = layer.profile(*LAYER, seconds=BRIEF)
    many = Profile("many", found.kernels * 100, 1.0, 0.1, 1, found.peak, 1)
    figure = many.plot()
    assert len(figure.axes[0].patches) == 61
    assert "40 faster kernels are not shown" in figure.get_suptitle()


def test_a_picture_in_no_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ends in \.doc, which is no format"):
        layer.profile(*LAYER, seconds=BRIEF).plot(tmp_path / "profile.doc")
