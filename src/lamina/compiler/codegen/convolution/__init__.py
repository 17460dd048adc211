"""Convolutions as products of matrices of which one, the windows, is never written to memory."""

from lamina.compiler.codegen.convolution.emission import emit_convolution, scratch_bytes
from lamina.compiler.codegen.convolution.problem import Ask, Convolution, Epilogue, Part

__all__ = ["Ask", "Convolution", "Epilogue", "Part", "emit_convolution", "scratch_bytes"]
