"""Operations for which no code is generated: a program leaves them to the eager backend.

A factorisation costs the cube of its size, a call back to Python some microseconds.
"""

FALLBACKS = frozenset({"cholesky", "eigh", "inv", "matrix_exp", "qr", "slogdet", "solve", "solve_triangular", "svd"})
