"""How near a backend's result must be to the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lamina.dtypes import DType, float_info
from lamina.primitives import specs
from lamina.primitives.primitive import Primitive
from lamina.testing.references import reference_of
from lamina.testing.strategies import Case
from lamina.testing.values import ACCUMULATING

NDArray = npt.NDArray[Any]

# Units of the last place that an elementwise function may be off by.
ULPS = {"float16": 4, "bfloat16": 4, "float32": 32, "float64": 512}

# Families whose reference works in the type itself: neighbours exist only there.
IN_OWN_TYPE = frozenset({"nextafter"})

# Rows whose result may be either zero, so that its sign is not compared.
ZERO_OF_EITHER_SIGN = frozenset(
    {"sign", "maximum", "minimum", "relu", "multiply_no_nan", "remainder", "floor_divide", "pow"}
)

# Rows of linear algebra that have one result; their error is relative to the whole matrix.
OF_MATRICES = frozenset({specs.square_matrix, specs.solve, specs.solve_triangular})


def expected(primitive: Primitive, case: Case) -> NDArray:
    """Return what the reference gives, floating-point operands taken in float64 first."""
    operands = case.operands
    if primitive.name not in IN_OWN_TYPE:
        operands = tuple(_widened(x) for x in operands)
    with np.errstate(all="ignore"):
        return np.asarray(reference_of(primitive)(*operands, **case.params))


def _widened(x: NDArray) -> NDArray:
    # bfloat16 is no float to NumPy, which calls its kind "V".
    return x.astype(np.float64) if x.dtype.kind in "fV" else x


def difference(primitive: Primitive, case: Case, found: NDArray, dtype: DType) -> str | None:
    """Return where a result differs most from the reference, or None where it is near enough."""
    wanted = expected(primitive, case)
    if found.shape != wanted.shape:
        return f"has shape {list(found.shape)}, the reference {list(wanted.shape)}"
    if not dtype.floating:
        return _unequal(found, wanted)
    with np.errstate(all="ignore"):
        rounded = wanted.astype(found.dtype).astype(np.float64)
        return _too_far(_widened(found), rounded, _allowed(primitive, case, wanted, dtype)) or _signs(
            primitive, _widened(found), rounded
        )


def _unequal(found: NDArray, wanted: NDArray) -> str | None:
    wrong = np.argwhere(found != wanted)
    if not len(wrong):
        return None
    at = tuple(int(each) for each in wrong[0])
    return f"at {list(at)} is {found[at]}, the reference gives {wanted[at]}"


def _allowed(primitive: Primitive, case: Case, wanted: NDArray, dtype: DType) -> NDArray:
    limits = float_info(dtype)
    relative = ULPS[dtype.name] * limits.eps
    # Numbers below the normal ones may be flushed to zero, as graphics processors do.
    allowed = relative * np.abs(wanted) + 2.0 * limits.smallest_normal
    if primitive.spec in OF_MATRICES:
        allowed = allowed + relative * np.abs(wanted).max(initial=0.0)
    if primitive.name in ACCUMULATING:
        # Sums cancel: what counts is the sum of magnitudes, and how many there were.
        magnitudes = Case(tuple(np.abs(_widened(x)) if x.dtype.kind in "fV" else x for x in case.operands), case.params)
        count = max((x.size for x in case.operands), default=1)
        allowed = allowed + relative * count * np.abs(expected(primitive, magnitudes))
    return np.asarray(allowed)


def _too_far(found: NDArray, wanted: NDArray, allowed: NDArray) -> str | None:
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    finite = np.isfinite(found) & np.isfinite(wanted)
    near = finite & (np.abs(found - wanted) <= allowed)
    if np.all(same | near):
        return None
    distance = np.where(same, 0.0, np.where(finite, np.abs(found - wanted) / allowed, np.inf))
    at = np.unravel_index(int(np.argmax(distance)), distance.shape)
    place = [int(each) for each in at]
    return f"at {place} is {found[at]:.9g}, the reference gives {wanted[at]:.9g} (allowed difference {allowed[at]:.2g})"


def _signs(primitive: Primitive, found: NDArray, wanted: NDArray) -> str | None:
    elementwise = primitive.spec in (specs.floating_elementwise, specs.numeric_elementwise)
    if not elementwise or primitive.name in ZERO_OF_EITHER_SIGN:
        return None
    wrong = np.argwhere((found == 0) & (wanted == 0) & (np.signbit(found) != np.signbit(wanted)))
    if not len(wrong):
        return None
    at = tuple(int(each) for each in wrong[0])
    return f"at {list(at)} is {found[at]}, the reference gives {wanted[at]}: the sign of zero differs"
