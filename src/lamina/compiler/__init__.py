"""The compiler: a Python function over tensors becomes one native program."""

from lamina.compiler.decorator import CompiledFunction, compile

__all__ = ["CompiledFunction", "compile"]
