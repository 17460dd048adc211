"""Data sets drawn from a law: the same numbers for the same seed, everywhere.

Examples
--------
>>> from lamina.data import generators
>>> generators.spirals(seed=1)
Dataset('spirals', inputs=[300, 2], targets=3 classes)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.data.dataset import Dataset
from lamina.errors import DataError

Floats = npt.NDArray[np.float64]


def xor(rows: int = 200, *, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Return points around the corners of a square: class 1 where exactly one coordinate is 1.

    No line divides the classes, so a network needs a hidden layer. With 4 rows and no noise it is the truth table.

    Parameters
    ----------
    rows : int, default 200
    noise : float, default 0.1
        The standard deviation of the points around their corner.
    seed : int, default 0

    Returns
    -------
    Dataset
        ``inputs`` are float32 of shape [rows, 2]; ``targets`` are int64 of shape [rows].

    Examples
    --------
    >>> from lamina.data import generators
    >>> X, Y = generators.xor(4, noise=0.0)
    >>> X.tolist(), Y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])

    References
    ----------
    M. Minsky, S. Papert, "Perceptrons", 1969.
    """
    random = _random("xor", rows, noise, seed)
    corners = np.arange(rows) % 4
    first, second = corners // 2, corners % 2
    points = np.stack([first, second], axis=1) + noise * random.standard_normal((rows, 2))
    return _classes("xor", points, first ^ second, ("0", "1"), "Corners of a square; 1 where the coordinates differ.")


def spirals(rows: int = 300, *, arms: int = 3, turns: float = 0.75, noise: float = 0.02, seed: int = 0) -> Dataset:
    """Return points on spirals that wind around each other, one class an arm.

    An arm's point at t from 0 to 1 lies at radius t and at the angle 2 pi (turns t + arm / arms).

    Parameters
    ----------
    rows : int, default 300
        Dealt out to the arms in turn.
    arms : int, default 3
    turns : float, default 0.75
        How far an arm winds around the middle.
    noise : float, default 0.02
        The standard deviation of the points around their arm, whose length outward is 1.
    seed : int, default 0

    Examples
    --------
    >>> from lamina.data import generators
    >>> generators.spirals(90, arms=2).classes
    ('0', '1')

    References
    ----------
    K. Lang, M. Witbrock, "Learning to tell two spirals apart", Connectionist Models Summer School, 1988.
    """
    random = _random("spirals", rows, noise, seed)
    if not 2 <= arms <= rows:
        raise DataError(f"spirals: arms={arms}; there are at least 2, and not more than rows ({rows})")
    arm = np.arange(rows) % arms
    t = np.sqrt(random.uniform(0.01, 1.0, rows))
    angle = 2.0 * np.pi * (turns * t + arm / arms)
    points = np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1) + noise * random.standard_normal((rows, 2))
    return _classes("spirals", points, arm, tuple(map(str, range(arms))), f"{arms} spirals, a class each.")


def moons(rows: int = 200, *, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Return points on two half circles that reach into each other, by scikit-learn's ``make_moons``.

    Parameters
    ----------
    rows : int, default 200
    noise : float, default 0.1
        The standard deviation of the points around their half circle, whose radius is 1.
    seed : int, default 0

    Examples
    --------
    >>> from lamina.data import generators
    >>> generators.moons()
    Dataset('moons', inputs=[200, 2], targets=2 classes)
    """
    from sklearn.datasets import make_moons

    _random("moons", rows, noise, seed)
    points, classes = make_moons(rows, noise=noise, random_state=seed % 2**32)
    return _classes("moons", points, classes, ("upper", "lower"), "Two half circles that reach into each other.")


def circles(rows: int = 200, *, factor: float = 0.5, noise: float = 0.05, seed: int = 0) -> Dataset:
    """Return points on a circle and on a smaller one inside of it, by scikit-learn's ``make_circles``.

    Parameters
    ----------
    rows : int, default 200
    factor : float, default 0.5
        The radius of the inner circle; that of the outer one is 1.
    noise : float, default 0.05
        The standard deviation of the points around their circle.
    seed : int, default 0

    Examples
    --------
    >>> from lamina.data import generators
    >>> generators.circles(noise=0.0).classes
    ('outer', 'inner')
    """
    from sklearn.datasets import make_circles

    _random("circles", rows, noise, seed)
    if not 0.0 <= factor < 1.0:
        raise DataError(f"circles: factor={factor}; it lies between 0 and 1")
    points, classes = make_circles(rows, noise=noise, factor=factor, random_state=seed % 2**32)
    return _classes("circles", points, classes, ("outer", "inner"), "A circle inside of another.")


def approximation_curve(x: Any) -> Any:
    """Return a(x) = (x² + x³ + x⁴ + x⁶) / x⁵ of an array or a tensor of numbers other than 0.

    Examples
    --------
    >>> from lamina.data import generators
    >>> generators.approximation_curve(2.0)
    2.875
    """
    return (x**2 + x**3 + x**4 + x**6) / x**5


def approximation(rows: int = 31, *, seed: int = 0) -> Dataset:
    """Return points of the plane, half of them above the curve a(x) = (x² + x³ + x⁴ + x⁶) / x⁵.

    x lies between 0.6 and 4, the points between 0.4 and 4 above or below the curve. A network that tells them apart
    approximates a curve that it is never shown.

    Parameters
    ----------
    rows : int, default 31
    seed : int, default 0

    Returns
    -------
    Dataset
        ``inputs`` are float32 of shape [rows, 2]; ``targets`` are int64 of shape [rows], 1 above the curve.

    Examples
    --------
    >>> from lamina.data import generators
    >>> X, Y = generators.approximation()
    >>> ((X[:, 1] > generators.approximation_curve(X[:, 0])) == (Y == 1)).all()
    np.True_

    References
    ----------
    K. Hornik, M. Stinchcombe, H. White, "Multilayer feedforward networks are universal approximators", Neural
    Networks 2, 1989.
    """
    random = _random("approximation", rows, 0.0, seed)
    above = np.arange(rows) % 2
    x = random.uniform(0.6, 4.0, rows)
    y = approximation_curve(x) + (2 * above - 1) * random.uniform(0.4, 4.0, rows)
    about = "Points above and below the curve (x^2 + x^3 + x^4 + x^6) / x^5."
    return _classes("approximation", np.stack([x, y], axis=1), above, ("below", "above"), about)


def _random(name: str, rows: int, noise: float, seed: int) -> np.random.Generator:
    if rows < 2:
        raise DataError(f"{name}: rows={rows}; at least 2 are needed")
    if not noise >= 0.0:
        raise DataError(f"{name}: noise={noise}; it is a standard deviation, from 0")
    if seed < 0:
        raise DataError(f"{name}: seed={seed}; it counts from 0")
    return np.random.Generator(np.random.Philox(seed))


def _classes(name: str, points: Floats, classes: npt.NDArray[Any], names: tuple[str, ...], about: str) -> Dataset:
    return Dataset(points.astype(np.float32), classes.astype(np.int64), ("x", "y"), names, name, about)
