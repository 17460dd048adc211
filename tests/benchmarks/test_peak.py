"""The tiles that measure the peak are right products, on every processor whose code this one runs."""

from __future__ import annotations

import pytest

from benchmarks.peak import Bench, Tile, tiles
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AARCH64, Target


@pytest.mark.parametrize("tile", tiles(host()), ids=str)
def test_tiles_are_right_here(tile: Tile) -> None:
    assert Bench(tile, host()).rate(0.0) > 0.0


def test_arithmetic_of_a_tile() -> None:
    assert Tile(6, 2, 8).flops == 2 * 6 * 16 * 128


@pytest.mark.parametrize("target", [AARCH64], ids=lambda target: target.triple)
def test_tiles_fit_the_registers(target: Target) -> None:
    for tile in tiles(target):
        assert tile.rows * tile.vectors + tile.vectors + 1 <= target.registers
