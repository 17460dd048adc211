"""Drawn data sets follow their law and their seed."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import make_circles, make_moons

from lamina.data import Dataset, generators
from lamina.errors import DataError

GENERATORS: dict[str, Callable[..., Dataset]] = {
    name: getattr(generators, name) for name in ("xor", "spirals", "moons", "circles", "approximation")
}


@pytest.mark.parametrize("name", GENERATORS)
def test_same_seed_gives_the_same_points_and_another_seed_others(name: str) -> None:
    first, again, other = (GENERATORS[name](60, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)
    assert (first.inputs.shape, first.inputs.dtype, first.targets.dtype) == ((60, 2), np.float32, np.int64)
    assert first.classes is not None
    assert set(first.targets.tolist()) == set(range(len(first.classes)))
    assert first.description


@pytest.mark.parametrize("name", GENERATORS)
def test_arguments_that_make_no_points_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=f"{name}: rows=1"):
        GENERATORS[name](1)
    with pytest.raises(DataError, match=f"{name}: seed=-1"):
        GENERATORS[name](10, seed=-1)


def test_moons_and_circles_are_scikit_learns() -> None:
    for data, (points, classes) in (
        (generators.moons(40, noise=0.2, seed=5), make_moons(40, noise=0.2, random_state=5)),
        (
            generators.circles(40, noise=0.1, factor=0.3, seed=5),
            make_circles(40, noise=0.1, factor=0.3, random_state=5),
        ),
    ):
        np.testing.assert_array_equal(data.inputs, points.astype(np.float32))
        np.testing.assert_array_equal(data.targets, classes)


def test_spirals_lie_on_their_arms() -> None:
    data = generators.spirals(99, arms=3, turns=0.5, noise=0.0)
    radius = np.hypot(*data.inputs.T)
    angle = np.arctan2(data.inputs[:, 1], data.inputs[:, 0])
    expected = 2 * np.pi * (0.5 * radius + data.targets / 3)
    np.testing.assert_allclose(np.cos(angle - expected), 1.0, atol=1e-5)


def test_points_of_the_approximation_lie_on_the_side_that_is_told() -> None:
    X, Y = generators.approximation(200)
    distance = X[:, 1] - generators.approximation_curve(X[:, 0])
    assert ((distance > 0) == (Y == 1)).all()
    assert 0.39 < np.abs(distance).min() < np.abs(distance).max() < 4.01
