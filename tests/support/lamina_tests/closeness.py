"""Arrays that are equal but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np


def assert_close(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    """Raise an AssertionError unless arrays are as near to each other, relatively or absolutely."""
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=tolerance, atol=tolerance)
