"""What the tests of every area share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Before NumPy is loaded: the tests run side by side, and libraries that each use all cores would wait for one another.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

if "LAMINA_CACHE_DIR" not in os.environ:
    # Compiled programs are kept from test to test, and nothing is left behind on the user's machine.
    programs, owner = tempfile.mkdtemp(prefix="lamina-tests-"), os.getpid()
    os.environ["LAMINA_CACHE_DIR"] = programs

    @atexit.register
    def remove_programs() -> None:
        if os.getpid() == owner:  # not in a process that a test forked
            shutil.rmtree(programs, ignore_errors=True)


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
