"""The short way through a call: taken when all is as before, and missed when anything is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.compiler.calling import object_layout
from lamina.compiler.calling.hot_path import MISSED

pytestmark = pytest.mark.usefixtures("by_pointers")


@pytest.fixture(autouse=True)
def machine_with_a_guard() -> None:
    if object_layout.offsets() is None:
        pytest.skip("this interpreter keeps its objects elsewhere")


def taken(function: Any) -> int:
    """Return how many calls went the short way."""
    return sum(each.program.execute.runs for each in function._traces.values())


def stepping() -> tuple[la.Variable, Any]:
    w = la.variable([1.0, 2.0])

    @la.compile
    def step(x: la.Tensor) -> la.Tensor:
        w.assign(w + x)
        return w * 1

    return w, step


def test_it_is_taken_as_soon_as_a_call_has_been_seen() -> None:
    w, step = stepping()
    for count in range(1, 6):
        assert step(la.ones(2)).tolist() == w.tolist() == [1.0 + count, 2.0 + count]
    # The first call found the trace, and let go of the memory that the trace had met.
    assert taken(step) >= 3


def test_a_training_step_with_all_its_variables_goes_the_short_way() -> None:
    model = nn.MLP(3, [4, 4], 2)
    optimizer = optim.Adam(model.parameters())

    @la.compile
    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        loss = nn.mse_loss(model(x), y)
        optimizer.step(loss.backward())
        return loss

    losses = [step(la.ones((5, 3)), la.ones((5, 2))).item() for _ in range(6)]
    assert losses == sorted(losses, reverse=True)
    assert taken(step) >= 4


@pytest.mark.parametrize(
    "disturb",
    [
        lambda w, kept: kept.append(w.value),
        lambda w, kept: kept.append(w.value.reshape(2, 1)),
        lambda w, kept: kept.append(np.from_dlpack(w.value)),
        lambda w, kept: kept.append(w._data),
        lambda w, kept: kept.append(w * 1),
    ],
)
def test_memory_that_somebody_holds_is_not_written_to(disturb: Callable[[la.Variable, list[Any]], None]) -> None:
    w, step = stepping()
    for _ in range(3):
        step(la.ones(2))
    kept: list[Any] = []
    disturb(w, kept)
    step(la.ones(2))
    step(la.ones(2))
    assert np.asarray(kept[0]).reshape(-1).tolist() == [4.0, 5.0]
    assert w.tolist() == [6.0, 7.0]


def test_values_assigned_in_between_are_seen() -> None:
    w, step = stepping()
    for _ in range(3):
        step(la.ones(2))
    w.assign([10.0, 20.0])
    assert step(la.ones(2)).tolist() == [11.0, 21.0]
    w.assign(la.asarray([[1.0, 2.0], [3.0, 4.0]]).T[0])
    assert step(la.ones(2)).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    "other",
    [
        la.ones((2, 1)),
        la.ones(2, dtype=la.float64),
        la.asarray([[1.0, 5.0], [1.0, 5.0]]).T[0],
        la.variable([1.0, 1.0]).value,
        la.variable([1.0, 1.0]),
        np.ones(2, np.float32),
        1.0,
    ],
)
def test_other_arguments_go_the_way_that_is_theirs(other: Any) -> None:
    f = la.compile(lambda x: x * 2 + 1)
    for _ in range(3):
        f(la.ones(2))
    before = taken(f)
    found = f(other)
    wanted = other * 2 + 1
    assert np.asarray(found).tolist() == np.asarray(wanted).tolist()
    assert f(la.ones(2)).tolist() == [3.0, 3.0]
    assert taken(f) >= before


def test_an_object_that_is_no_array_must_be_the_same() -> None:
    f = la.compile(lambda x, n: x * n)
    for n in (2.5, 2.5, 3.5, 2.5, 3.5):
        assert f(la.ones(1), n).item() == n


def test_settings_and_names_are_looked_at() -> None:
    dropout = nn.Dropout(1.0)
    scale = 2.0
    f = la.compile(lambda x: dropout(x) * scale)
    for _ in range(3):
        assert f(la.ones(1)).item() == 0.0
    dropout.eval()
    assert f(la.ones(1)).item() == 2.0
    scale = 3.0
    assert f(la.ones(1)).item() == 3.0
    dropout = nn.Dropout(1.0)
    assert f(la.ones(1)).item() == 0.0


def test_shapes_that_alternate_all_go_the_short_way() -> None:
    f = la.compile(lambda x: x.sum())
    for _ in range(4):
        for rows in (2, 3, 4):
            assert f(la.ones(rows)).item() == rows
    assert taken(f) == 9


def test_recording_belongs_to_it() -> None:
    w = la.variable([1.0, 2.0])
    f = la.compile(lambda x: w * x)
    for _ in range(3):
        assert f(la.ones(2)).tracked
        with la.no_grad():
            assert not f(la.ones(2)).tracked
    y = f(la.ones(2))
    assert y.sum().backward()[w].tolist() == [1.0, 1.0]
    assert taken(f) >= 4


def test_calls_keep_nothing_of_their_arguments() -> None:
    _, step = stepping()
    x = la.ones(2)
    step(x)
    before = sys.getrefcount(x), sys.getrefcount(x._data)
    for _ in range(10):
        step(x)
    assert (sys.getrefcount(x), sys.getrefcount(x._data)) == before


def test_without_it_calls_go_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_layout, "offsets", lambda: None)
    w, step = stepping()
    for _ in range(3):
        step(la.ones(2))
    assert w.tolist() == [4.0, 5.0]
    assert taken(step) == 0


def test_a_failed_call_changes_nothing() -> None:
    w, step = stepping()
    for _ in range(3):
        step(la.ones(2))
    (specialisation,) = step._traces.values()

    def fail(*_: Any) -> None:
        raise MemoryError

    specialisation.program.execute._run = fail
    with pytest.raises(MemoryError):
        step(la.ones(2))
    assert w.tolist() == [4.0, 5.0]
    assert (w + 1).tolist() == [5.0, 6.0]


def test_missing_is_told_from_every_result() -> None:
    f = la.compile(lambda x: None)
    assert [f(la.ones(1)) for _ in range(3)] == [None] * 3
    assert f._hot[0][0].call((la.ones(2),)) is MISSED
