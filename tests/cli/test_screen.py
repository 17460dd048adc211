"""What the commands show fits into the terminal, whatever its width."""

import io

import pytest
from rich.console import Console

from lamina.cli import screen
from lamina.training.units import Unit

SCORES = {
    "training": (1437, {"loss": 0.123456, "accuracy": 0.9, "balanced_accuracy": 0.875}),
    "validation": (360, {"loss": 0.25, "accuracy": 0.8, "balanced_accuracy": 0.75}),
}


def shown(monkeypatch: pytest.MonkeyPatch, width: int) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system=None, width=width, highlight=False)
    monkeypatch.setattr(screen, "output", lambda: console)
    screen.show_scores(screen.Screen(), SCORES, "", Unit("images"))
    return text.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_number_is_broken_in_two(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = shown(monkeypatch, width)
    for number in ("1,437", "0.1235", "90.00 %", "87.50 %", "360", "0.25", "80.00 %", "75.00 %"):
        assert number in text
    for word in ("training", "validation", "images", "accuracy"):
        assert word in text


def test_a_wide_terminal_shows_a_table_and_a_narrow_one_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "│ training" in shown(monkeypatch, 80)
    lines = [line.rstrip() for line in shown(monkeypatch, 40).splitlines()]
    assert lines[:3] == ["part training", "  images             1,437", "  loss               0.1235"]
    assert max(map(len, lines)) <= 40
