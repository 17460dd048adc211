"""Moving between devices, narrow types, silence, threads."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.backends.array_api import ArrayAPIBackend
from lamina.backends.numpy_backend import NumPyBackend
from lamina.backends.registry import get_backend
from lamina.dtypes import DTYPES
from lamina.errors import BackendError, DataError, DTypeError
from lamina.tensor import Tensor

pytest.importorskip("array_api_strict")

# --- devices ----------------------------------------------------------------------------------------------

MIXED: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "matmul": lambda x, y: x @ y,
    "where": lambda x, y: la.where(x > 0, x, y),
    "concat": lambda x, y: la.concat([x, y]),
    "take": lambda x, y: la.take(x, y.astype(la.int64), axis=0),
}


@pytest.mark.parametrize("name", MIXED)
def test_operands_on_different_devices_are_refused(name: str) -> None:
    x, y = la.ones((2, 2)), la.ones((2, 2), device="strict")
    with pytest.raises(BackendError, match=r"operands are on different devices, cpu and strict; move one with x\.to"):
        MIXED[name](x, y)


def test_to_copies_between_devices_without_a_gradient() -> None:
    w = la.variable([1.0, 2.0])
    moved = w.to("strict")
    assert moved.device == "strict"
    assert moved.tolist() == [1.0, 2.0]
    assert moved.dtype is la.float32
    assert not moved.tracked
    assert moved.to("cpu").device == "cpu"


def test_to_the_device_where_it_is_stays_tracked() -> None:
    w = la.variable([1.0, 2.0])
    assert w.to("cpu").sum().backward()[w].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_values_of_every_type_survive_a_move(dtype: la.DType, shape: tuple[int, ...]) -> None:
    x = la.ones(shape, dtype=dtype)
    if dtype not in get_backend("strict").dtypes:
        with pytest.raises(DTypeError, match=f"{dtype.name}: the strict backend has no such type; it has bool, "):
            x.to("strict")
        return
    back = x.to("strict").to("cpu")
    assert back.dtype is dtype
    assert back.shape == shape
    assert (back == x).all().item()


def test_numpy_gives_memory_of_its_own(device: str) -> None:
    x = la.asarray([1.0, 2.0], device=device)
    array = x.numpy()
    array[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_a_source_changed_later_does_not_change_the_tensor(device: str) -> None:
    source = np.array([1.0, 2.0])
    x = la.asarray(source, device=device)
    source[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


def test_views_of_the_host_are_not_writable_through_the_backend(device: str) -> None:
    x = la.asarray([[1.0, 2.0]], device=device)
    for view in (x.T, x.reshape(2), x[:, ::-1], la.broadcast_to(x, (2, 2))):
        view.numpy()[...] = 7.0
    assert x.tolist() == [[1.0, 2.0]]


def test_training_works_the_same_on_every_device(device: str) -> None:
    generator = np.random.default_rng(0)
    x, y = la.asarray(generator.normal(size=(20, 3)), device=device), la.asarray(np.ones((20, 1)), device=device)
    w = la.variable(np.full((3, 1), 0.1), device=device)
    for _ in range(5):
        loss = ((x @ w).tanh() - y) ** 2
        w.assign(w - 0.1 * loss.mean().backward()[w])
    assert w.device == device
    np.testing.assert_allclose(w.numpy().ravel(), EXPECTED_AFTER_FIVE_STEPS, rtol=1e-12)


def _five_steps_in_numpy() -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(20, 3))
    w = np.full((3, 1), 0.1)
    for _ in range(5):
        h = np.tanh(x @ w)
        w = w - 0.1 * (x.T @ (2.0 * (h - 1.0) * (1.0 - h * h))) / 20
    return w.ravel()


EXPECTED_AFTER_FIVE_STEPS = _five_steps_in_numpy()


# --- narrow types -----------------------------------------------------------------------------------------

NARROW: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "exp": lambda x, y: la.exp(x),
    "tanh": lambda x, y: la.tanh(x * y),
    "erf": lambda x, y: la.erf(x),
    "sigmoid": lambda x, y: la.sigmoid(y),
    "relu": lambda x, y: la.relu(x),
    "maximum": lambda x, y: la.maximum(x, y),
}


@pytest.mark.parametrize("dtype", [la.float16, la.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", NARROW)
def test_narrow_types_give_the_float32_result_rounded(name: str, dtype: la.DType) -> None:
    generator = np.random.default_rng(1)
    x, y = (la.asarray(generator.uniform(0.1, 3.0, 50), dtype=dtype) for _ in range(2))
    found = NARROW[name](x, y)
    assert found.dtype is dtype
    exact = NARROW[name](x.astype(la.float32), y.astype(la.float32)).astype(dtype)
    spacing = la.finfo(dtype).eps
    # The product inside tanh is rounded as well, so up to two units of the last place.
    np.testing.assert_allclose(
        found.astype(la.float64).numpy(), exact.astype(la.float64).numpy(), rtol=2 * spacing, atol=spacing
    )


@pytest.mark.parametrize("dtype", [la.float16, la.bfloat16], ids=["float16", "bfloat16"])
def test_narrow_sums_and_products_accumulate_in_float32(dtype: la.DType) -> None:
    ones = la.ones(4096, dtype=dtype)
    assert ones.sum().item() == 4096.0
    assert (ones.reshape(1, -1) @ ones.reshape(-1, 1)).item() == 4096.0
    assert la.cumulative_sum(ones)[-1].item() == 4096.0
    assert ones.mean().item() == 1.0


@pytest.mark.parametrize("dtype", [la.float16, la.bfloat16], ids=["float16", "bfloat16"])
def test_sorting_narrow_types_puts_nan_last_and_first_when_descending(dtype: la.DType) -> None:
    x = la.asarray([1.0, float("nan"), -2.0, float("inf")], dtype=dtype)
    assert la.argsort(x).tolist() == [2, 0, 3, 1]
    assert la.argsort(x, descending=True).tolist() == [1, 3, 0, 2]
    np.testing.assert_array_equal(la.sort(x).astype(la.float32).numpy(), [-2.0, 1.0, np.inf, np.nan])
    assert la.argmax(x).item() == 1


def test_equal_elements_keep_their_order_in_both_directions(device: str) -> None:
    x = la.asarray([1.0, 0.0, 1.0, float("nan"), float("nan"), 0.0], device=device)
    assert la.argsort(x).tolist() == [1, 5, 0, 2, 3, 4]
    assert la.argsort(x, descending=True).tolist() == [3, 4, 0, 2, 1, 5]


# --- integers ---------------------------------------------------------------------------------------------


def test_an_integer_divided_by_zero_is_zero(device: str) -> None:
    x, zero = la.asarray([5, -5, 0], device=device), la.asarray(0, device=device)
    assert (x // zero).tolist() == [0, 0, 0]
    assert (x % zero).tolist() == [0, 0, 0]


def test_integers_wrap_around(device: str) -> None:
    low = la.asarray([-128], dtype=la.int8, device=device)
    assert (low // -1).tolist() == (-low).tolist() == abs(low).tolist() == [-128]
    assert (low - 1).tolist() == [127]


def test_a_negative_power_of_an_integer_says_what_to_do(device: str) -> None:
    with pytest.raises(DataError, match="pow: a negative power of an integer is no integer; cast the base"):
        la.asarray([2, 3], device=device) ** la.asarray([1, -1], device=device)


@pytest.mark.parametrize("call", [lambda x, i: la.take(x, i), lambda x, i: la.take_along_axis(x, i)])
@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_is_an_error_on_every_device(device: str, call: Any, index: int) -> None:
    x = la.asarray([1.0, 2.0, 3.0], device=device)
    with pytest.raises(IndexError, match=r"out of range|outside"):
        call(x, la.asarray([0, index], device=device))


@pytest.mark.parametrize("index", [3, -4])
def test_scattering_out_of_range_is_an_error_on_every_device(device: str, index: int) -> None:
    x, at = la.asarray([1.0, 2.0], device=device), la.asarray([0, index], device=device)
    with pytest.raises(IndexError):
        la.scatter_add(x, at, size=3)
    with pytest.raises(IndexError):
        la.scatter_add_along_axis(x, at, size=3)


# --- silence ----------------------------------------------------------------------------------------------


def test_infinities_and_nan_come_without_warnings(device: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = la.asarray([0.0, 1.0, -1.0, 1e38], device=device)
        for result in (1.0 / x, x / x, la.log(x), la.sqrt(x), la.exp(x), x * 1e10, la.asin(x), x % 0.0, x // 0.0):
            assert result.shape == (4,)
        assert (la.asarray(1, device=device) // 0).item() == 0
        assert la.asarray(1e300, dtype=la.float64, device=device).astype(la.float32).item() == float("inf")
        (1.0 / la.variable([0.0], device=device)).sum().backward()


def test_numpys_error_state_of_the_user_is_left_alone() -> None:
    with np.errstate(all="raise"):
        before = np.geterr()
        assert (la.asarray([1.0]) / 0.0).item() == float("inf")
        assert np.geterr() == before
        with pytest.raises(FloatingPointError):
            np.array([1.0]) / 0.0
    state = np.geterr()
    la.log(la.asarray([0.0]))
    assert np.geterr() == state


def test_other_threads_are_silent_too() -> None:
    def task(number: int) -> float:
        with warnings.catch_warnings():
            return (la.asarray([float(number)]) / 0.0).sum().item()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(task, range(1, 9))) == {float("inf")}


# --- threads ----------------------------------------------------------------------------------------------


def test_operations_from_many_threads_at_once(device: str) -> None:
    def task(seed: int) -> bool:
        values = np.random.default_rng(seed).normal(size=(5, 4))
        x = la.asarray(values, device=device)
        for _ in range(10):
            found = (la.exp(x - x.max(axis=1, keepdims=True)) @ x.T * float(seed)).sum(axis=0).numpy()
            expected = (np.exp(values - values.max(axis=1, keepdims=True)) @ values.T * seed).sum(axis=0)
            if not np.allclose(found, expected, rtol=1e-12):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(task, range(40)))


def test_a_backend_is_made_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.backends import registry

    made = []
    factories = {**registry._factories, "slow": lambda: made.append(1) or ArrayAPIBackend(np, "slow")}
    monkeypatch.setattr(registry, "_factories", factories)
    monkeypatch.setattr(registry, "_made", dict(registry._made))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: id(get_backend("slow")), range(64)))) == 1
    assert made == [1]


# --- what a backend may do --------------------------------------------------------------------------------


class MadeOfLamina(NumPyBackend):
    """Computes one operation by others of Lamina."""

    def tanh(self, x: Any, /) -> Any:
        value = Tensor(x, self)
        up, down = la.exp(value), la.exp(-value)
        return ((up - down) / (up + down))._data

    def sinh(self, x: Any, /) -> Any:
        return la.take(Tensor(x, self), la.asarray([99]))._data


def test_a_backend_may_be_made_of_laminas_own_operations() -> None:
    backend = MadeOfLamina()
    x = Tensor(np.array([0.0, 0.5]), backend)
    np.testing.assert_allclose(la.tanh(x).numpy(), np.tanh([0.0, 0.5]), rtol=1e-15)


def test_what_fails_inside_such_a_backend_is_explained() -> None:
    backend = MadeOfLamina()
    with pytest.raises(BackendError, match="different devices"):
        la.sinh(Tensor(np.array([0.0, 0.5]), backend))


class OwnMatmul(ArrayAPIBackend):
    def matmul(self, a: Any, b: Any, /) -> Any:
        return np.einsum("ij,jk->ik", a, b) * 1.0

    def exp(self, x: Any, /) -> Any:
        return np.full_like(x, 42.0)


def test_a_subclass_may_replace_an_operation_of_the_standard() -> None:
    x = Tensor(np.zeros((2, 2)), OwnMatmul(np, "own"))
    assert la.exp(x).tolist() == [[42.0, 42.0]] * 2


def test_zero_times_infinity_is_nan_in_every_product() -> None:
    for rows, columns in ((1, 1), (1, 2), (2, 1), (3, 3)):
        zeros, infinite = la.zeros((rows, 1)), la.full((1, columns), float("inf"))
        assert la.isnan(zeros @ infinite).all().item()
        assert la.isnan(infinite.T @ zeros.T).all().item()


def test_a_failure_of_a_backend_names_operation_device_and_operands() -> None:
    class Failing(NumPyBackend):
        def exp(self, x: Any, /) -> Any:
            raise OSError("device lost")

    with pytest.raises(BackendError, match=r"exp: the cpu backend failed on float64\[2\]: device lost"):
        la.exp(Tensor(np.zeros(2), Failing()))


def test_positions_and_repeats_are_found_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distant(NumPyBackend):
        def to_numpy(self, array: Any) -> Any:
            assert np.asarray(array).size == 1, "an array crossed to the host"
            return super().to_numpy(array)

    backend = Distant()
    x = la.Tensor(np.asarray([3.0, 0.0, -1.0], np.float32), backend)
    assert x[x != 0]._data.tolist() == [3.0, -1.0]
    assert la.repeat(x, la.Tensor(np.asarray([2, 0, 1]), backend))._data.tolist() == [3.0, 3.0, -1.0]


def test_the_default_device_comes_back_whatever_its_name() -> None:
    before = get_backend()
    with pytest.raises(RuntimeError, match="inside"), la.default_device("strict"):
        raise RuntimeError("inside")
    assert get_backend() is before


@pytest.mark.parametrize("made", ["CPU", "la.compile(lambda x: x.astype(la.bfloat16))(la.ones(3) - 2.0)"])
def test_arrays_of_bfloat16_need_not_be_made_by_the_backend(made: str) -> None:
    code = f"""
import ml_dtypes, numpy as np, lamina as la
from lamina.backends.registry import CPU
array = -np.ones(3, ml_dtypes.bfloat16)
made = {made}
if made is CPU:
    assert made.relu(array).tolist() == [0.0, 0.0, 0.0]
    made = la.Tensor(array, made)
assert made.dtype is la.bfloat16
assert (made + made).astype(la.float32).tolist() == [-2.0, -2.0, -2.0]
assert made.relu().sum().item() == 0.0
"""
    # Another process, in which nothing has asked for the type.
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
