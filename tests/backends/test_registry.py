"""Which devices there are, how more are added, and what is said when one cannot be used."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.backends import registry
from lamina.backends.array_api import ArrayAPIBackend
from lamina.backends.numpy_backend import NumPyBackend
from lamina.errors import BackendError
from lamina.testing import check_backend, check_primitive


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test registers in a copy."""
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    monkeypatch.setattr(registry, "_made", dict(registry._made))


def test_the_default_device_is_the_processor() -> None:
    assert la.zeros(2).device == "cpu"
    assert la.devices()[:3] == ["cpu", "cuda", "strict"]


def test_an_unknown_device_names_those_there_are() -> None:
    for make in (
        lambda: la.zeros(2, device="tpu"),
        lambda: la.zeros(2).to("tpu"),
        lambda: la.set_default_device("tpu"),
    ):
        with pytest.raises(BackendError, match="'tpu' is not known; the devices are cpu, cuda, strict"):
            make()
    with pytest.raises(BackendError, match="3 is not known"):
        la.zeros(2, device=3)  # type: ignore[arg-type]


def test_a_taken_name_is_refused() -> None:
    with pytest.raises(BackendError, match="'cpu' is taken"):
        registry.register("cpu", NumPyBackend)


def test_a_failed_registration_changes_nothing() -> None:
    with pytest.raises(BackendError):
        registry.register("cpu", lambda: None)  # type: ignore[arg-type, return-value]
    assert registry.get_backend("cpu") is registry.CPU


def test_a_registered_backend_is_made_once_and_only_when_asked_for() -> None:
    made = []

    def factory() -> Any:
        made.append(1)
        return ArrayAPIBackend(np, "mine")

    registry.register("mine", factory)
    assert "mine" in la.devices()
    assert made == []
    x = la.asarray([1.0, 2.0], device="mine")
    y = la.asarray([3.0], device="mine")
    assert (x * y).device == "mine"
    assert made == [1]
    assert la.devices().count("mine") == 1


def test_a_users_own_backend_passes_the_conformance_suite() -> None:
    registry.register("mine", lambda: ArrayAPIBackend(np, "mine"))
    check_backend("mine", examples=1)
    for name in ("matmul", "scatter_add", "erf", "pad", "random_bits", "take"):
        check_primitive("mine", name, examples=10)


def test_a_factory_that_fails_can_be_asked_again() -> None:
    answers = [BackendError("no driver"), None]

    def factory() -> Any:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return ArrayAPIBackend(np, "late")

    registry.register("late", factory)
    with pytest.raises(BackendError, match="no driver"):
        la.zeros(2, device="late")
    assert la.zeros(2, device="late").device == "late"


# --- entry points -----------------------------------------------------------------------------------------


def make_plugin() -> ArrayAPIBackend:
    """What an installed package's entry point names."""
    return ArrayAPIBackend(np, "plugin")


def _entry_points(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "a_plugin", module)
    points = [EntryPoint(name, value, registry.ENTRY_POINT_GROUP) for name, value in values.items()]
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: points if group == "lamina.backends" else []
    )
    monkeypatch.setattr(registry, "_plugins_found", False)


def test_an_installed_package_adds_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    _entry_points(monkeypatch, plugin="a_plugin:make_plugin")
    assert "plugin" in la.devices()
    assert la.ones(2, device="plugin").sum().item() == 2.0


def test_an_installed_package_cannot_take_over_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    _entry_points(monkeypatch, cpu="a_plugin:make_plugin")
    la.devices()
    assert la.zeros(2, device="cpu")._backend is registry.CPU


def test_a_plugin_that_cannot_be_loaded_says_which_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    _entry_points(monkeypatch, broken="a_plugin:nothing_here", missing="no_such_module:make")
    with pytest.raises(BackendError, match=r"broken: .*'a_plugin:nothing_here'.* cannot be loaded"):
        la.zeros(2, device="broken")
    with pytest.raises(BackendError, match="no_such_module"):
        la.zeros(2, device="missing")
    assert "cpu" in registry.usable_devices()
    assert "broken" not in registry.usable_devices()


# --- devices that need more than Python -------------------------------------------------------------------


def test_a_gpu_that_is_not_there_is_a_clear_error() -> None:
    if "cuda" in registry.usable_devices():
        pytest.skip("this machine has a GPU that CuPy can use")
    with pytest.raises(BackendError, match=r'^cuda: .*device="cpu"'):
        la.zeros(2, device="cuda")
    with pytest.raises(BackendError, match=r"^cuda: "):
        la.variable([1.0]).to("cuda")


def test_cupy_without_a_gpu_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType, SimpleNamespace

    def no_driver() -> int:
        raise RuntimeError("cudaErrorInsufficientDriver")

    for count, match in ((no_driver, "finds no usable GPU .cudaErrorInsufficientDriver"), (lambda: 0, "has no GPU")):
        cupy = ModuleType("cupy")
        cupy.cuda = SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count))  # type: ignore[attr-defined]
        compat = ModuleType("array_api_compat")
        compat.cupy = cupy  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setitem(sys.modules, "array_api_compat", compat)
        monkeypatch.setitem(sys.modules, "array_api_compat.cupy", cupy)
        with pytest.raises(BackendError, match=match):
            la.zeros(2, device="cuda")


def test_strict_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_made", {"cpu": registry.CPU})
    monkeypatch.setitem(sys.modules, "array_api_strict", None)
    with pytest.raises(BackendError, match="array-api-strict; pip install it"):
        la.zeros(2, device="strict")


# --- the default device -----------------------------------------------------------------------------------


def test_the_default_device_is_changed_inside_a_block_and_restored() -> None:
    pytest.importorskip("array_api_strict")
    with la.default_device("strict"):
        assert la.zeros(2).device == "strict"
        assert la.variable([1.0]).device == "strict"
    assert la.zeros(2).device == "cpu"
    with pytest.raises(RuntimeError), la.default_device("strict"):
        raise RuntimeError
    assert la.zeros(2).device == "cpu"


def test_an_unknown_default_device_changes_nothing() -> None:
    with pytest.raises(BackendError), la.default_device("tpu"):
        pass
    assert la.zeros(2).device == "cpu"
