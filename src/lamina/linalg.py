"""Linear algebra: the ``linalg`` extension of the array API standard 2024.12, `matrix_exp` and `solve_triangular`.

Matrices stand in the last two axes and the axes before are batches. Every function is differentiable to any
order where its derivative exists.
"""

from lamina.functions.linalg_norms import matrix_norm, matrix_rank, pinv, vector_norm
from lamina.functions.linalg_products import cross, diagonal, trace
from lamina.functions.linalg_systems import (
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    matrix_exp,
    matrix_power,
    qr,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
)
from lamina.functions.products import matmul, matrix_transpose, outer, tensordot, vecdot

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
