"""How precisely float32 products are computed: in full, or with operands rounded to bfloat16."""

from __future__ import annotations

import threading
from typing import Any, Final, Literal

from lamina.backends.thread_state import STATE
from lamina.errors import DataError
from lamina.watched import changed

Precision = Literal["float32", "bfloat16"]

FLOAT32: Final = "float32"
BFLOAT16: Final = "bfloat16"
PRECISIONS: dict[str, Precision] = {FLOAT32: FLOAT32, BFLOAT16: BFLOAT16}
"""The choices; each is one object, so that they compare by identity."""

_default: Precision = FLOAT32


def get_matmul_precision() -> Precision:
    """Return how precisely this thread computes float32 products.

    Examples
    --------
    >>> import lamina as la
    >>> la.get_matmul_precision()
    'float32'
    """
    return STATE.matmul_precision or _default


def set_matmul_precision(precision: Precision) -> None:
    """Choose how precisely float32 products are computed from now on, in every thread; see `matmul_precision`.

    Threads that are inside a ``with la.matmul_precision(...)`` block keep its choice until they leave it.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}

    Raises
    ------
    DataError
        The name is not one of these.
    """
    global _default
    _default = checked_precision("set_matmul_precision", precision)
    changed()


class matmul_precision(threading.local):  # noqa: N801 - read as a word of the language, not as a class
    r"""Compute float32 products inside a ``with`` block in another precision.

    With ``"bfloat16"`` both operands of a product of matrices are rounded to bfloat16, to 8 significant bits, the even
    one of two neighbours; their products are summed in float32, and the result is float32:

    .. math:: C_{mn} = \sum_k \operatorname{round}(A_{mk}) \operatorname{round}(B_{kn})

    It holds for `matmul`, ``@``, `tensordot`, `einsum`, and what is made of them: linear and recurrent layers,
    attention. A derivative is computed as its product was, wherever the sweep runs, to any order. Products of other
    types, convolutions, decompositions of matrices and the products inside optimisers stay as they are. Variables,
    activations and sums are float32 as before. A compiled function is traced once for each precision.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}
        ``"float32"`` is the default, and computes every product in full.

    Raises
    ------
    DataError
        The name is not one of these.

    Notes
    -----
    Each rounding is off by ``u = 2**-8`` of an operand's magnitude at most, so an element of the result by

    .. math:: |\hat C - A B| \le (2 u + u^2 + k\,2^{-23} (1 + u)^2)\, |A| |B|

    of which the last term is that of a sum of ``k`` products in float32, in whatever order. Infinity and NaN keep
    their meaning. A number below ``2**-126``, the smallest normal one, counts as zero where the processor multiplies
    bfloat16 by itself (AVX512-BF16, AMX), whether it is an operand or a partial sum. Results do not depend on the
    number of threads; they differ in the last bits from one kind of processor to another, as sums in float32 do.

    Examples
    --------
    >>> import lamina as la
    >>> x = la.asarray([[1.0, 0.00390625]])  # 1 + 2**-8 lies between two neighbours
    >>> with la.matmul_precision("bfloat16"):
    ...     (x + 1.0) @ la.ones((2, 1))
    Tensor([[3.]], shape=[1, 1], dtype=float32)

    Source: G. Henry, P. T. P. Tang, A. Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
    higher-precision computations", ARITH 2019.
    """

    def __init__(self, precision: Precision) -> None:
        self._precision = checked_precision("matmul_precision", precision)
        self._before: list[Any] = []

    def __enter__(self) -> None:
        self._before.append(STATE.matmul_precision)
        STATE.matmul_precision = self._precision

    def __exit__(self, *error: object) -> None:
        STATE.matmul_precision = self._before.pop()


def checked_precision(operation: str, given: Any) -> Precision:
    """Return a precision, if it is one."""
    found = PRECISIONS.get(given) if isinstance(given, str) else None
    if found is None:
        raise DataError(f"{operation}: {given!r} is no precision of products; use {' or '.join(map(repr, PRECISIONS))}")
    return found
