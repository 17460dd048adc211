"""What the tests of every area share."""

from __future__ import annotations

import os

# Before NumPy is loaded: the tests run side by side, and libraries that each use all cores would wait for one another.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pytest
from hypothesis import settings

import lamina as la

# The suite draws the same examples every time; `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile("lamina", deadline=None, max_examples=25, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("lamina")

DEVICES = ("cpu", "strict")


@pytest.fixture(autouse=True)
def same_random_numbers_every_time() -> None:
    """A test that passes once passes always."""
    la.random.seed(0)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Each registered device that every machine has."""
    if request.param == "strict":
        pytest.importorskip("array_api_strict")
    return request.param


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name functions, rows of a table and classes by their names: an address differs from process to process."""
    name = getattr(val, "__name__", None) or (getattr(val, "name", None) if callable(val) else None)
    return name if isinstance(name, str) else None
