"""The compiler: a Python function over tensors becomes one native program.

- A call: `decorator` makes a `compiled_function`, which finds the `specialisation` for a `signature`; `wrapping` and
  `inspectable` are its methods beside the call. From the second call on `calling` does it all in machine code.
- A program: `tracing` makes a graph, `traced_program` has it built, and `differentiation` makes its derivative.
  `building` asks the cache, or simplifies the graph (`graph`) and hands it to `lowering`: `schedule`, then `codegen`,
  for a `target`. `runtime` assembles and runs it.
- `inspection` shows all of that.
"""

from lamina.compiler.decorator import CompiledFunction, compile

__all__ = ["CompiledFunction", "compile"]
