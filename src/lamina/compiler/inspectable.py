"""What a compiled function tells of itself; what does the telling is loaded when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.compiler.inspection import Explanation, Profile
    from lamina.compiler.target import Target


class Inspectable:
    """The methods of a compiled function that look inside."""

    def explain(self: Any, /, *args: Any, **kwargs: Any) -> Explanation:
        """Return what a call with these arguments runs, as a page to print; nothing runs and nothing changes.

        Parameters
        ----------
        *args, **kwargs
            Arguments of the function; of those that are traced, only shapes and types matter.

        Returns
        -------
        Explanation
            The graph before and after simplification, the kernels in order with shapes, operations and bytes,
            memory, threads, and what falls back to Python.

        Raises
        ------
        TracingError
            The function cannot be traced, or this is inside of a compiled function.

        Examples
        --------
        >>> import lamina as la
        >>> @la.compile
        ... def layer(x, w):
        ...     return (x @ w + 1.0).relu()
        >>> found = layer.explain(la.ones((64, 32)), la.ones((32, 48)))
        >>> [kernel.name for kernel in found.kernels]
        ['product 64x48x32 + add, relu']
        >>> print(found.after)
        graph(%0 float32[64, 32], %1 float32[32, 48]):
          %2 float32[64, 48] = matmul(%0, %1)
          %3 float32[] = full(value=1.0)
          %4 float32[64, 48] = add(%2, %3)
          %5 float32[64, 48] = relu(%4)
          return %5
        """
        from lamina.compiler.inspection import calls

        return calls.explain(self, args, kwargs)

    def llvm_ir(self: Any, /, *args: Any, optimised: bool = False, target: Target | None = None, **kwargs: Any) -> str:
        """Return the LLVM IR of what a call with these arguments runs.

        Parameters
        ----------
        *args, **kwargs
            Arguments of the function; its own ``optimised`` and ``target`` are passed by position.
        optimised : bool, default False
            Whether after LLVM's passes, as its code generation sees it.
        target : Target, optional
            The processor; this machine's by default. `lamina.compiler.target` has others.

        Returns
        -------
        str

        Raises
        ------
        TracingError
            As for `explain`.
        DTypeError
            The target is no target.

        Examples
        --------
        >>> import lamina as la
        >>> double = la.compile(lambda x: x + x)
        >>> "fadd" in double.llvm_ir(la.ones(8))
        True
        """
        from lamina.compiler.inspection import calls

        return calls.llvm_ir(self, args, kwargs, target, optimised)

    def assembly(self: Any, /, *args: Any, target: Target | None = None, **kwargs: Any) -> str:
        """Return the instructions of what a call with these arguments runs, as an assembler reads them.

        Parameters
        ----------
        *args, **kwargs
            Arguments of the function; its own ``target`` is passed by position.
        target : Target, optional
            The processor; this machine's by default. `lamina.compiler.target` has others.

        Returns
        -------
        str

        Raises
        ------
        TracingError
            As for `explain`.
        DTypeError
            The target is no target.

        Examples
        --------
        >>> import lamina as la
        >>> from lamina.compiler.target import AVX2
        >>> double = la.compile(lambda x: x + x)
        >>> "vaddps" in double.assembly(la.ones(8), target=AVX2)
        True
        """
        from lamina.compiler.inspection import calls

        return calls.assembly(self, args, kwargs, target)

    def profile(self: Any, /, *args: Any, seconds: float = 0.2, **kwargs: Any) -> Profile:
        """Run what a call with these arguments runs, many times, and return how long each kernel takes.

        It runs on copies: variables, random numbers and arguments stay as they are.

        Parameters
        ----------
        *args, **kwargs
            Arguments of the function; its own ``seconds`` is passed by position.
        seconds : float, default 0.2
            How long to measure.

        Returns
        -------
        Profile
            Prints as a table, and draws itself with ``plot(path)``. A kernel's time is that of its slowest thread,
            without the time that measuring takes. The peak is that of one core, measured once a process, times the
            threads that the program uses.

        Raises
        ------
        TracingError
            As for `explain`.
        DTypeError, DataError
            The seconds are no positive number; or what the function itself raises on these values.

        Notes
        -----
        Of a function whose results are tracked, this is the function alone, without its derivative.

        Examples
        --------
        >>> import lamina as la
        >>> @la.compile
        ... def layer(x, w):
        ...     return (x @ w + 1.0).relu()
        >>> found = layer.profile(la.ones((64, 32)), la.ones((32, 48)), seconds=0.01)
        >>> [(kernel.kind, kernel.flops, kernel.seconds > 0) for kernel in found.kernels]
        [('product', 196608.0, True)]
        >>> 0.0 < found.products_fraction_of_peak < 1.5
        True
        """
        from lamina.compiler.inspection import calls

        return calls.profile(self, args, kwargs, seconds)
