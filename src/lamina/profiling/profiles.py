"""What `lamina.profile` returns."""

from __future__ import annotations

import threading
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Self

import lamina.profiling.instrumentation as watching
from lamina.compiler.inspection import Profile as CompiledProfile
from lamina.errors import DataError, LaminaError
from lamina.profiling.recorder import Recorder
from lamina.profiling.rows import LayerRow, OperationRow, layer_rows, operation_rows
from lamina.profiling.tables import rich_tables, text_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Group

KERNEL_SECONDS = 0.1
"""How long each compiled function runs to be measured kernel by kernel."""


class Profile:
    """Where the time goes between entering and leaving: a context manager that prints as tables, and draws itself.

    Entered again, it goes on adding up. It sees what its own thread does: other threads, and profiles around it and
    inside of it, have nothing to do with it.

    Attributes
    ----------
    operations : tuple of OperationRow
        Each operation and pass, the slowest first.
    layers : tuple of LayerRow
        Each layer below the layer around it.
    seconds : float
        From entering to leaving, all times together.
    kernels : dict of str to lamina.compiler.inspection.Profile
        Of each compiled function that was called, if they were asked for.
    """

    def __init__(self, kernels: bool = False) -> None:
        self.kernels: dict[str, CompiledProfile] = {}
        self._wants_kernels = kernels
        self._recorder = Recorder(kernels)
        self._nanoseconds = 0
        self._first = 0
        self._start: int | None = None
        self._thread: int | None = None

    def __enter__(self) -> Self:
        if self._start is not None:
            raise DataError("la.profile: this profile has been entered already; inside of it, make another")
        watching.begin("la.profile", self._recorder)
        self._thread = threading.get_ident()
        self._start = perf_counter_ns()
        self._first = self._first or self._start
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        end = perf_counter_ns()
        if self._start is None or self._thread != threading.get_ident():
            raise DataError("la.profile: a profile is left where it was entered, in the same thread")
        self._nanoseconds += end - self._start
        self._start = None
        watching.end(self._recorder)
        if self._wants_kernels and error is None:
            self._measure_kernels()

    def _measure_kernels(self) -> None:
        """Run each compiled function that was called on copies, and time its kernels."""
        calls = dict(self._recorder.last_calls)
        self._recorder.last_calls.clear()
        for function, call in calls.items():
            try:
                found = function.profile(*call.args, **call.kwargs, seconds=KERNEL_SECONDS)
            except LaminaError:  # it cannot be traced by itself, as what differentiates a compiled function
                continue
            numbered = (found.name, *(f"{found.name}#{number}" for number in range(2, len(self.kernels) + 3)))
            self.kernels[next(name for name in numbered if name not in self.kernels)] = found

    @property
    def seconds(self) -> float:
        """From entering to leaving; up to now, inside."""
        running = 0 if self._start is None else perf_counter_ns() - self._start
        return (self._nanoseconds + running) * 1e-9

    @property
    def operations(self) -> tuple[OperationRow, ...]:
        """What each operation took, by pass; the slowest first."""
        return operation_rows(self._recorder, self.seconds)

    @property
    def layers(self) -> tuple[LayerRow, ...]:
        """What each layer took; what is outside of layers comes last."""
        return layer_rows(self._recorder, self.seconds)

    @property
    def between(self) -> float:
        """Seconds between the operations: Python, and what profiling itself takes."""
        return max(self.seconds - sum(each.seconds for each in self.operations), 0.0)

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw a bar for each operation and for each layer, coloured by pass.

        Parameters
        ----------
        path : str or path, optional
            Where to save the picture; its ending chooses the format, such as ``.png``, ``.svg`` or ``.pdf``.

        Returns
        -------
        matplotlib.figure.Figure
            Drawn without a window, so it works on a machine without a screen.

        Raises
        ------
        DataError
            When the ending is no format.
        CheckpointError
            When the picture cannot be written.
        """
        from lamina.pictures import save
        from lamina.profiling.picture import draw

        figure = draw(self)
        save("Profile.plot", figure, path)
        return figure

    def chrome_trace(self, path: str | Path) -> None:
        """Write what happened when, for https://ui.perfetto.dev or chrome://tracing.

        Parameters
        ----------
        path : str or path
            A file of JSON, which is replaced as a whole.

        Raises
        ------
        CheckpointError
            When it cannot be written; the file is as it was then.

        Notes
        -----
        The form is the Trace Event Format: complete events (``"ph": "X"``) in microseconds. The first
        200,000 events are kept; `lamina.profile` goes on adding up what comes later.
        """
        from lamina.profiling.chrome import write

        write(self._recorder, self._first, path)

    def __str__(self) -> str:
        return text_tables(self)

    def __repr__(self) -> str:
        calls = sum(each.calls for each in self.operations)
        return f"<profile of {self.seconds:.3g} s: {calls} operations, {len(self.layers) - 1} layers>"

    def __rich__(self) -> Group:
        return rich_tables(self)
