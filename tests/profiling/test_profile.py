"""`la.profile` counts and times what its own thread does, by operation and by layer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lamina as la
from lamina import nn, optim
from lamina.backends.thread_state import STATE
from lamina.compiler.decorator import CompiledFunction
from lamina.errors import CheckpointError, DataError, ShapeError, TracingError
from lamina.profiling import OperationRow, Profile
from lamina.profiling.instrumentation import _exchanged


@pytest.fixture(autouse=True)
def nothing_watches_afterwards() -> Iterator[None]:
    before = vars(CompiledFunction)["__call__"], vars(nn.Linear)["__call__"], vars(optim.Optimizer)["step"]
    yield
    assert STATE.watch is None
    assert STATE.run is STATE.silent
    assert not _exchanged
    # Calls of compiled functions may go through machine code from the first profile on, and stay what they were.
    assert getattr(vars(CompiledFunction)["__call__"], "_unwatched", None) is None
    assert (vars(nn.Linear)["__call__"], vars(optim.Optimizer)["step"]) == before[1:]


def rows(p: Profile) -> dict[tuple[str, str], OperationRow]:
    return {(each.name, each.phase): each for each in p.operations}


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, 1))


# --- operations ---


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
def test_products_are_counted_with_their_bytes_and_arithmetic(n: int, k: int, m: int, calls: int) -> None:
    a, b = la.ones((n, k)), la.ones((k, m))
    with la.profile() as p:
        for _ in range(calls):
            a @ b
    found = rows(p)
    if not calls:
        assert not found
        return
    product = found["matmul", "forward"]
    assert product.calls == calls
    assert product.flops == calls * 2 * n * k * m
    assert product.bytes == calls * 4 * (n * k + k * m + n * m)


def test_what_is_a_view_moves_no_bytes() -> None:
    x = la.ones((3, 4))
    with la.profile() as p:
        assert x.T.shape == (4, 3)
        assert x.reshape(12).shape == (12,)
    assert [each.bytes for each in p.operations] == [0, 0]


def test_arithmetic_is_not_claimed_where_it_is_not_known() -> None:
    with la.profile() as p:
        la.exp(la.ones(3))
        la.argmax(la.ones(3))
    assert all(each.flops == 0 for each in p.operations)


def test_derivatives_are_another_pass_than_what_they_are_of() -> None:
    w = la.variable([1.0, 2.0])
    with la.profile() as p:
        loss = (w * w).sum()
        loss.backward()
    found = rows(p)
    assert found["multiply", "forward"].calls == 1
    assert found["sum", "forward"].calls == 1
    assert {phase for _, phase in found} == {"forward", "backward"}
    assert any(name.startswith("multiply") for name, phase in found if phase == "backward")


def test_what_an_optimiser_does_is_its_own_pass() -> None:
    w = la.variable([1.0, 2.0])
    optimizer = optim.SGD([w], lr=0.1)
    grads = (w * w).sum().backward()
    with la.profile() as p:
        optimizer.step(grads)
    assert {each.phase for each in p.operations} == {"update"}
    assert [(each.name, each.calls) for each in p.layers if each.update] == [("SGD", 1)]


def test_times_add_up_to_no_more_than_the_whole() -> None:
    net = model()
    with la.profile() as p:
        net(la.ones((8, 4))).sum().backward()
    assert all(each.seconds > 0 for each in p.operations)
    assert sum(each.seconds for each in p.operations) + p.between == pytest.approx(p.seconds)
    top = next(each for each in p.layers if each.depth == 0)
    inside = [each for each in p.layers if each.depth == 1]
    assert sum(each.forward for each in inside) <= top.forward
    assert sum(each.backward for each in inside) == pytest.approx(top.backward)


def test_results_and_gradients_are_the_same_bits_as_without() -> None:
    net, x = model(), la.random.normal((8, 4))

    def run() -> list[Any]:
        loss = (net(x) ** 2).mean()
        grads = loss.backward()
        return [loss.numpy(), *(grads[each].numpy() for each in net.parameters())]

    plain = run()
    with la.profile():
        profiled = run()
    for one, other in zip(plain, profiled, strict=True):
        np.testing.assert_array_equal(one, other)


def test_second_derivatives_are_profiled_too() -> None:
    with la.profile() as p:
        second = la.grad(la.grad(lambda x: x**3))(la.asarray(2.0))
    assert second.item() == 12.0
    assert any(each.phase == "backward" for each in p.operations)


def test_every_device_is_counted_alike(device: str) -> None:
    x = la.ones((2, 3), device=device)
    with la.profile() as p:
        x + x
    assert rows(p)["add", "forward"].bytes == 3 * 24


# --- layers ---


def test_layers_are_a_tree_named_as_in_the_model() -> None:
    net = model()
    with la.profile() as p:
        for _ in range(3):
            net(la.ones((2, 4)))
    assert [(each.depth, each.name, each.kind, each.calls) for each in p.layers] == [
        (0, "Sequential", "Sequential", 3),
        (1, "0", "Linear", 3),
        (1, "1", "ReLU", 3),
        (1, "2", "Sequential", 3),
        (2, "0", "Linear", 3),
        (2, "1", "Tanh", 3),
        (1, "3", "Linear", 3),
        (0, "outside of layers", "", 0),
    ]


def test_backward_work_belongs_to_the_layer_that_recorded_it() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    with la.profile() as p:
        net(la.ones((2, 4))).sum().backward()
    by_kind = {each.kind: each for each in p.layers}
    assert by_kind["Linear"].backward > 0
    assert by_kind["Tanh"].backward > 0
    # The derivative of a product is two products; of x, which is not tracked, none is wanted.
    forward = 2 * 2 * 4 * 4
    assert by_kind["Linear"].flops == forward + 2 * 4 + forward + 2 * 4


def test_flops_of_a_layer_include_those_inside() -> None:
    net = model()
    with la.profile() as p:
        net(la.ones((2, 4)))
    outer = next(each for each in p.layers if each.kind == "Sequential")
    assert outer.flops == sum(each.flops for each in p.layers if each.depth == 1)


def test_a_call_of_the_base_class_is_the_same_call() -> None:
    class Scaled(nn.Linear):
        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * 2.0

    layer = Scaled(2, 2)
    with la.profile() as p:
        layer(la.ones((1, 2)))
    assert [(each.name, each.calls) for each in p.layers[:-1]] == [("Scaled", 1)]


def test_a_class_made_inside_is_seen_too() -> None:
    with la.profile() as p:

        class Late(nn.Module):
            def __call__(self, x: Any) -> Any:
                return x + 1.0

        Late()(la.ones(2))
    assert p.layers[0].name == "Late"


def test_two_layers_of_a_class_outside_of_any_model_are_told_apart() -> None:
    one, two = nn.ReLU(), nn.ReLU()
    with la.profile() as p:
        one(la.ones(2))
        two(la.ones(2))
        one(la.ones(2))
    assert [(each.name, each.calls) for each in p.layers[:-1]] == [("ReLU", 2), ("ReLU#2", 1)]


def test_layers_that_are_made_anew_for_each_call_are_one_row() -> None:
    with la.profile() as p:
        for _ in range(20):
            nn.ReLU()(la.ones(2))
            nn.Tanh()(la.ones(2))
    assert [(each.name, each.calls) for each in p.layers[:-1]] == [("ReLU", 20), ("Tanh", 20)]


# --- compiled functions ---


def test_a_compiled_function_is_one_row_and_its_first_call_another() -> None:
    net = model()

    @la.compile
    def predict(x: Any) -> Any:
        return net(x)

    with la.profile() as p:
        for _ in range(5):
            predict(la.ones((8, 4)))
    found = rows(p)
    assert {name for name, _ in found} == {"predict"}
    assert found["predict", "compiling"].calls == 1
    assert found["predict", "compiled"].calls == 4
    # Input, output, and what is read: three weights and biases.
    weights = sum(each.size for each in net.parameters())
    assert found["predict", "compiled"].bytes == 4 * 4 * (8 * 4 + 8 * 1 + weights)
    assert found["predict", "compiled"].flops >= 4 * 2 * 8 * (4 * 8 + 8 * 8 + 8)
    assert len(p.layers) == 1


def test_runs_of_repeat_are_counted_one_by_one() -> None:
    w = la.variable(1.0)

    @la.compile
    def halve() -> Any:
        w.assign(w / 2)
        return w.value

    halve()
    with la.profile() as p:
        halve.repeat(6)
    assert sum(each.calls for each in p.operations if each.name == "halve") == 6
    assert w.value.item() == 2.0**-7


def test_the_derivative_of_a_compiled_function_is_a_row() -> None:
    net = model()
    predict = la.compile(lambda x: net(x))
    with la.profile() as p:
        grads = predict(la.ones((8, 4))).sum().backward()
    assert len(grads) == len(net.parameters())
    assert rows(p)["<lambda>", "backward"].calls == 1


def test_a_compiled_training_step_is_not_traced_again_for_being_profiled() -> None:
    net = model()
    optimizer = optim.Adam(net.parameters(), lr=0.01)

    @la.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.mse_loss(net(x), y)
        optimizer.step(loss.backward())
        return loss

    x, y = la.ones((8, 4)), la.ones((8, 1))
    for _ in range(3):
        step(x, y)
    with la.profile():
        step(x, y)
        net.eval()
        net.train()
        step(x, y)
    step(x, y)
    assert step.traces == 1


def test_settings_changed_inside_are_traced_once_and_found_again_outside() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    predict = la.compile(lambda x: net(x))
    x = la.ones((2, 4))
    predict(x)
    with la.profile():
        net.eval()
        predict(x)
    net.train()
    predict(x)
    net.eval()
    predict(x)
    assert predict.traces == 2


def test_layers_of_the_users_own_keep_their_globals_watched() -> None:
    space: dict[str, Any] = {"nn": nn, "SCALE": 2.0, "__name__": "theirs"}
    exec("class Mine(nn.Module):\n    def __call__(self, x):\n        return x * SCALE\n", space)
    layer = space["Mine"]()
    with la.profile():
        scaled = la.compile(lambda x: layer(x))
        assert scaled(la.asarray(1.0)).item() == 2.0
        space["SCALE"] = 3.0
        assert scaled(la.asarray(1.0)).item() == 3.0
    space["SCALE"] = 4.0
    assert scaled(la.asarray(1.0)).item() == 4.0


def test_kernels_of_compiled_functions_are_measured_on_request() -> None:
    w = la.variable(la.ones((16, 16)))

    @la.compile
    def grow(x: Any) -> Any:
        w.assign(w + 1.0)
        return x @ w

    with la.profile(kernels=True) as p:
        grow(la.ones((4, 16)))
    assert w.numpy()[0, 0] == 2.0
    assert [each.kind for each in p.kernels["grow"].kernels if each.flops] == ["product"]
    assert "product 4x16x16" in str(p)


def test_a_training_by_fit_shows_its_steps() -> None:
    net = nn.MLP(2, 4, 1)
    data = np.ones((64, 2), np.float32), np.ones((64, 1), np.float32)
    with la.profile() as p:
        la.fit(net, data, loss=nn.mse_loss, epochs=2, batch_size=16, progress=False, seed=0)
    assert p.operations
    assert p.seconds > sum(each.seconds for each in p.operations)


# --- nesting, threads and errors ---


def test_a_profile_inside_another_counts_its_own_part_of_it() -> None:
    x = la.ones(3)
    with la.profile() as outer:
        x + x
        with la.profile() as inner:
            x + x
        x + x
    assert rows(outer)["add", "forward"].calls == 3
    assert rows(inner)["add", "forward"].calls == 1


def test_a_profile_begun_inside_a_layer_may_end_there() -> None:
    inner = la.profile()

    class Layer(nn.Module):
        def __call__(self, x: Any) -> Any:
            with inner:
                return nn.ReLU()(x)

    with la.profile() as outer:
        Layer()(la.ones(2))
    assert [each.kind for each in inner.layers[:-1]] == ["ReLU"]
    assert [each.kind for each in outer.layers[:-1]] == ["Layer", "ReLU"]


def test_a_profile_entered_again_goes_on_adding_up() -> None:
    p, x = la.profile(), la.ones(3)
    for _ in range(3):
        with p:
            x + x
        x * x
    assert [(each.name, each.calls) for each in p.operations] == [("add", 3)]


def test_a_profile_that_is_running_is_not_entered_again() -> None:
    with la.profile() as p, pytest.raises(DataError, match="has been entered already"), p:
        pass


def test_other_threads_are_not_in_it() -> None:
    ready, done = threading.Barrier(2), threading.Barrier(2)
    found: dict[str, Profile] = {}

    def work(name: str, operation: Any) -> None:
        with la.profile() as found[name]:
            ready.wait(10)
            for _ in range(50):
                nn.ReLU()(operation(la.ones(3)))
            done.wait(10)

    threads = [threading.Thread(target=work, args=("add", lambda x: x + x)),
               threading.Thread(target=work, args=("multiply", lambda x: x * x))]  # fmt: skip
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for name, p in found.items():
        assert {row.name: row.calls for row in p.operations} == {name: 50, "relu": 50}


def test_a_thread_that_does_not_profile_goes_on_as_ever_meanwhile() -> None:
    results: list[float] = []
    with la.profile() as p:
        other = threading.Thread(target=lambda: results.append(nn.ReLU()(la.ones(3) * 2).sum().item()))
        other.start()
        other.join()
    assert results == [6.0]
    assert not p.operations


def test_a_profile_is_left_in_its_own_thread() -> None:
    p = la.profile()
    errors: list[Exception] = []

    def leave() -> None:
        try:
            p.__exit__(None, None, None)
        except DataError as error:
            errors.append(error)

    with p:
        other = threading.Thread(target=leave)
        other.start()
        other.join()
    assert "in the same thread" in str(errors[0])


def test_an_error_passes_through_as_it_is() -> None:
    with pytest.raises(ShapeError) as plain:
        la.ones(3) + la.ones(4)
    with la.profile() as p, pytest.raises(ShapeError) as profiled:
        nn.Sequential(nn.Linear(3, 3))(la.ones((2, 3))) + la.ones(4)
    assert str(profiled.value) == str(plain.value).replace("[3]", "[2, 3]")
    seen: BaseException | None = profiled.value
    while seen is not None:
        assert type(seen).__name__ != "Deferred"
        seen = seen.__context__
    assert p.layers[0].calls == 1


def test_an_error_in_a_layer_or_a_sweep_leaves_nothing_behind() -> None:
    class Broken(nn.Module):
        def __call__(self, x: Any) -> Any:
            raise ValueError("broken")

    net = nn.Sequential(nn.ReLU(), Broken())
    p = la.profile()
    with pytest.raises(ValueError, match="broken"), p:
        net(la.ones(2))
    with p:
        la.variable(la.ones(2)).sum().backward()
    assert [(each.kind, each.calls) for each in p.layers[:-1]] == [("Sequential", 1), ("ReLU", 1), ("Broken", 1)]
    assert str(p)


def test_inside_of_a_compiled_function_there_is_nothing_to_profile() -> None:
    @la.compile
    def step(x: Any) -> Any:
        with la.profile():
            return x + x

    with pytest.raises(TracingError, match=r"la\.profile: this is inside of a compiled function"):
        step(la.ones(2))


# --- as tables, pictures and files ---


def trained(path: Path | None = None) -> Profile:
    net = model()
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    predict = la.compile(lambda x: net(x))
    with la.profile() as p:
        for _ in range(2):
            loss = nn.mse_loss(net(la.ones((8, 4))), la.ones((8, 1)))
            optimizer.step(loss.backward())
        predict(la.ones((8, 4)))
    return p


def test_the_table_has_a_row_for_each_layer_operation_and_what_is_between() -> None:
    p = trained()
    text = str(p)
    for words in ("Sequential", "  2 Sequential", "    0 Linear", "Adam", "outside of layers", "<lambda>",
                  "matmul", "backward", "update", "compiling", "between operations"):  # fmt: skip
        assert words in text
    assert repr(p).startswith("<profile of ")


def test_the_table_is_drawn_for_a_terminal() -> None:
    from rich.console import Console

    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(trained())
    text = capture.get()
    assert "matmul" in text
    assert max(map(len, text.splitlines())) <= 100


def test_an_empty_profile_prints_and_draws() -> None:
    with la.profile() as p:
        pass
    assert "0 operations" in str(p)
    assert p.plot().axes


def test_the_picture_has_layers_and_operations(tmp_path: Path) -> None:
    figure = trained().plot(tmp_path / "profile.svg")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["time by layer", "time by operation"]
    assert (tmp_path / "profile.svg").stat().st_size > 1000
    with pytest.raises(DataError, match=r"ends in \.xyz, which is no format"):
        trained().plot(tmp_path / "profile.xyz")


def test_the_chrome_trace_is_whole_and_its_events_lie_inside_one_another(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    p = trained()
    p.chrome_trace(path)
    found = json.loads(path.read_text())
    assert {"name": "process_name", "ph": "M", "args": {"name": "lamina"}}.items() <= found["traceEvents"][0].items()
    events = [each for each in found["traceEvents"] if each["ph"] == "X"]
    assert all({"name", "cat", "ts", "dur", "pid", "tid", "args"} <= each.keys() for each in events)
    assert all(each["ts"] >= 0 and each["dur"] >= 0 for each in events)
    assert sum(each["cat"] in ("forward", "backward", "update") and each["name"] == "matmul" for each in events) == sum(
        each.calls for each in p.operations if each.name == "matmul"
    )
    assert {"Sequential.2.0 Linear", "<lambda>"} <= {each["name"] for each in events}
    open_until: list[int] = []
    for each in events:
        start, end = round(1000 * each["ts"]), round(1000 * (each["ts"] + each["dur"]))
        while open_until and open_until[-1] <= start:
            open_until.pop()
        assert not open_until or end <= open_until[-1]
        open_until.append(end)


def test_a_trace_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        trained().chrome_trace(tmp_path / "nowhere" / "trace.json")


def test_events_beyond_the_most_are_added_up_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lamina.profiling.recorder.MOST_EVENTS", 3)
    with la.profile() as p:
        for _ in range(10):
            la.ones(2) + 1.0
    assert rows(p)["add", "forward"].calls == 10
    p.chrome_trace(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text())["otherData"] == {"events left out": 7}
