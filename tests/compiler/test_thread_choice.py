"""Short programs use as many threads as they do best with; time is an argument here, and none is measured."""

from __future__ import annotations

import pytest

from lamina.compiler.runtime import thread_choice
from lamina.compiler.runtime.thread_choice import ThreadChoice


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def threads_used(monkeypatch: pytest.MonkeyPatch, together: int, alone: int, runs: int) -> list[int]:
    """Return the threads of each run, where a run takes so long with three threads, and so long with one."""
    clock = Clock()
    monkeypatch.setattr(thread_choice, "perf_counter_ns", clock)
    chosen = ThreadChoice(3, short=True)
    used = []
    for _ in range(runs):
        threads = chosen.begin(3)
        clock.now += alone if threads == 1 else together
        chosen.end(1)
        used.append(threads)
    return used


def test_all_threads_are_used_where_they_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(threads_used(monkeypatch, together=10, alone=25, runs=200)[8:]) == {3}


def test_one_thread_is_used_where_waiting_for_others_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(threads_used(monkeypatch, together=50, alone=25, runs=200)[8:]) == {1}


def test_a_draw_goes_to_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(threads_used(monkeypatch, together=25, alone=25, runs=200)[8:]) == {3}


def test_both_ways_are_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    used = threads_used(monkeypatch, together=50, alone=25, runs=2000)
    assert 3 in used[200:]
