"""Convolutions as products of matrices of which one, the windows, is never written to memory.

`problem` says what a convolution is, and `emission` chooses how to compute it: `direct`, by vectors along places;
`channels`, along channels, cut by `boxes`; or `dots`, along the window.
"""

from lamina.compiler.codegen.convolution.emission import emit_convolution, scratch_bytes
from lamina.compiler.codegen.convolution.problem import Ask, Convolution, Epilogue, Part

__all__ = ["Ask", "Convolution", "Epilogue", "Part", "emit_convolution", "scratch_bytes"]
