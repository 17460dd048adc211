"""The compiler: a Python function over tensors becomes one native program."""

from lamina.compiler.compiled import CompiledFunction, compile

__all__ = ["CompiledFunction", "compile"]
