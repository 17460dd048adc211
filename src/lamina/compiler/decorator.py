"""`lamina.compile`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from lamina.compiler.compiled_function import CompiledFunction

__all__ = ["CompiledFunction", "compile"]

P = ParamSpec("P")
R = TypeVar("R")


@overload
def compile(
    function: Callable[P, R], /, *, static_argnums: int | Sequence[int] = (), static_argnames: str | Sequence[str] = ()
) -> CompiledFunction[P, R]: ...
@overload
def compile(
    *, static_argnums: int | Sequence[int] = (), static_argnames: str | Sequence[str] = ()
) -> Callable[[Callable[P, R]], CompiledFunction[P, R]]: ...
def compile(
    function: Callable[..., Any] | None = None,
    /,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Any:
    """Return a function that computes the same as one native program.

    The function runs once on tensors without values, to be traced: what it does to tensors and variables, forward,
    backward and update, becomes a program, which later calls run as a whole. It is traced for each signature: shapes
    and types of the arguments, values of the arguments that are no arrays, and the settings of modules and
    optimisers, such as ``training`` or ``betas``. Variables are read and assigned at each call as in eager code, so
    learning rates in variables, statistics and random numbers go on from call to call.

    Parameters
    ----------
    function : callable
        Takes and returns tensors, arrays, numbers, and lists, tuples, dicts and dataclasses of them. Tensors and
        NumPy arrays are traced. Everything else, Python numbers included, is a fixed part of the trace: a number
        that varies from call to call goes in as ``la.asarray(x)``.
    static_argnums : int or sequence of int, default ()
        Positions of arguments of which nothing is traced.
    static_argnames : str or sequence of str, default ()
        Their names, where they are passed by name.

    Returns
    -------
    CompiledFunction
        Its results are tracked as those of the function, unless it assigns trainable variables: what a training step
        returns is constant. Inside another compiled function, and inside derivatives, it is the function.

    Raises
    ------
    TracingError
        When called, if the function asks for the value of a traced tensor, as ``if x > 0`` does. The message names
        the line and what to do instead.
    BackendError
        When called, if tensors are not on the cpu.
    DTypeError
        When called with an array of another library, such as a tensor of PyTorch.

    Notes
    -----
    Attributes of the function are those of the compiled one, to read and to set: ``la.compile(model).parameters()`` are
    the model's, and so is ``training``.
    In an attribute of another module, or in a list or dict there, it counts as the model.

    What is not done to tensors, such as printing, happens only while tracing. Tensors and plain values that come from
    outside are read when the function is traced, and again when a module or optimiser changes or a name that the
    function uses leads to another object: a global, a name of an enclosing function, an attribute of an object, an item
    of a dict of settings under a string. What is changed inside a list or a set, an item or attribute that was not
    there before, and what the function itself changes are not noticed. While one thread runs a step that updates
    variables, others should not read them.

    Examples
    --------
    >>> import lamina as la
    >>> w = la.variable([1.0, 2.0])
    >>> @la.compile
    ... def step(x):
    ...     loss = ((w * x).sum() - 1.0) ** 2
    ...     w.assign(w - 0.1 * loss.backward()[w])
    ...     return loss
    >>> step(la.asarray([1.0, 1.0]))
    Tensor(4., shape=[], dtype=float32)
    >>> w.value
    Tensor([0.6, 1.6], shape=[2], dtype=float32)
    """
    numbers = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    names = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
    static: frozenset[int | str] = frozenset([*numbers, *names])

    def compiled(wrapped: Callable[P, R]) -> CompiledFunction[P, R]:
        return CompiledFunction(wrapped, static)

    return compiled if function is None else compiled(function)
