"""Where the time goes: operations and layers, timed and counted, forward and backward, eager or compiled."""

from __future__ import annotations

from lamina.profiling.profiles import Profile
from lamina.profiling.rows import LayerRow, OperationRow

__all__ = ["LayerRow", "OperationRow", "Profile", "profile"]


def profile(*, kernels: bool = False) -> Profile:
    """Return a context manager that times what is done inside, by operation and by layer.

    Parameters
    ----------
    kernels : bool, default False
        Whether each compiled function that was called is measured kernel by kernel afterwards, on copies of the
        arguments of its last call, as by ``step.profile(...)``. It takes some tenths of a second each.

    Returns
    -------
    Profile
        Prints as tables; ``plot()`` draws it, ``chrome_trace(path)`` writes it for Perfetto and chrome://tracing.

    Raises
    ------
    TracingError
        When entered inside of a compiled function.
    DataError
        When entered twice at once, or left in another thread.

    Notes
    -----
    Times of operations are those of the whole call, from operands to the recorded result. What happens between
    operations is Python's time, and that of measuring, some microseconds an operation; both are shown as one row. A
    compiled function is one row; its derivative another. A layer's backward time is that of passing gradients back
    through the operations that it recorded. Where nobody profiles, nothing of it is in the way.

    On a device that computes while Python goes on, such as ``"cuda"``, an operation's time is that of its launch.

    Examples
    --------
    >>> import lamina as la
    >>> from lamina import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> with la.profile() as p:
    ...     grads = nn.mse_loss(model(la.ones((16, 4))), la.ones((16, 1))).backward()
    >>> [(each.depth, each.name, each.kind, each.calls) for each in p.layers]
    [(0, 'Sequential', 'Sequential', 1), (1, '0', 'Linear', 1), (1, '1', 'ReLU', 1), (1, '2', 'Linear', 1),
     (0, 'outside of layers', '', 0)]
    >>> products = {each.phase: each for each in p.operations if each.name == "matmul"}
    >>> products["forward"].calls, products["forward"].flops, products["backward"].calls
    (2, 1280, 3)
    >>> print(str(p).splitlines()[2])
    layer              calls  forward  backward  update  share   memory   FLOP
    """
    return Profile(kernels)
