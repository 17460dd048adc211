"""The table of a model's layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from lamina import random
from lamina.autodiff.node import no_grad
from lamina.dtypes import DTypeLike
from lamina.functions.creation import zeros
from lamina.nn.modes import mode
from lamina.nn.tree import children, walk
from lamina.tensor import Tensor
from lamina.variable import Variable

if TYPE_CHECKING:
    from rich.table import Table

    from lamina.nn.module import Module


@dataclass(frozen=True)
class Row:
    """One layer of a `Summary`.

    Attributes
    ----------
    depth : int
        How many modules the layer lies inside of.
    name : str
        The attribute or position in the module around it.
    kind : str
        The name of its class.
    output : str
        The shape of its output; empty when it was not called.
    parameters : int
        Elements of its own parameters, those of layers inside and those already counted left out.
    frozen : int
        How many of them are frozen.
    """

    depth: int
    name: str
    kind: str
    output: str
    parameters: int
    frozen: int = 0


@dataclass(frozen=True)
class Summary:
    """The layers of a model, the shapes of their outputs and their numbers of parameters; prints as a table.

    Attributes
    ----------
    rows : tuple of Row
    parameters : int
        Elements of all parameters, trained or frozen, each counted once.
    frozen : int
        How many of them are frozen, as by `Module.freeze`.
    buffers : int
        Elements of the variables that are no parameters, such as running means.
    memory : int
        Bytes of parameters and buffers.
    """

    rows: tuple[Row, ...]
    parameters: int
    frozen: int
    buffers: int
    memory: int

    @property
    def trainable(self) -> int:
        """Elements of the parameters that are trained."""
        return self.parameters - self.frozen

    def __rich__(self) -> Table:
        from rich import box
        from rich.table import Table

        buffers = f", {self.buffers:,} in buffers" if self.buffers else ""
        table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, show_footer=True)
        table.add_column("Layer", f"Total ({self.memory:,} bytes{buffers})", no_wrap=True)
        table.add_column("Output", no_wrap=True)
        table.add_column("Parameters", f"{self.parameters:,}", justify="right", no_wrap=True)
        if self.frozen:
            table.add_column("Frozen", f"{self.frozen:,}", justify="right", no_wrap=True)
        for row in self.rows:
            label = f"{'  ' * row.depth}{row.name} {row.kind}" if row.name else row.kind
            counts = (row.parameters, row.frozen) if self.frozen else (row.parameters,)
            table.add_row(label, row.output, *(f"{count:,}" if count else "" for count in counts))
        return table

    def __str__(self) -> str:
        from rich.console import Console

        text = StringIO()
        # Wide enough for every name; names are text, not markup.
        console = Console(file=text, width=10_000, color_system=None, markup=False, legacy_windows=False)
        console.print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    __repr__ = __str__


def summarize(model: Module, shapes: Sequence[int | Sequence[int]], dtype: DTypeLike | None) -> Summary:
    """Return the table of a model's layers, run once on zeros of the shapes given."""
    variables = [each for _, each in walk(model) if isinstance(each, Variable)]
    device = variables[0].device if variables else None
    inputs = [zeros(shape, dtype=dtype, device=device) for shape in shapes]
    with _as_it_was(model, variables), _outputs(model) as outputs, no_grad():
        model(*inputs)
    return Summary(
        rows=tuple(_rows(model, outputs)),
        parameters=sum(each.size for each in variables if each.trainable or each.frozen),
        frozen=sum(each.size for each in variables if each.frozen),
        buffers=sum(each.size for each in variables if not each.trainable and not each.frozen),
        memory=sum(each.size * each.dtype.itemsize for each in variables),
    )


@contextmanager
def _as_it_was(model: Module, variables: list[Variable]) -> Iterator[None]:
    """Evaluate inside; afterwards modes, variables and random numbers are what they were."""
    values = [variable.value for variable in variables]
    try:
        with mode(model, training=False), random.use_generator(random.Generator(0)):
            yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable._hold(value)


@contextmanager
def _outputs(model: Module) -> Iterator[dict[int, str]]:
    """Note, inside, the shape of what every module returns, by the module's id.

    Each module is given a subclass of its own class meanwhile, so that calls outside of a summary pay nothing.
    """
    noted: dict[int, str] = {}
    kinds = [(module, type(module)) for module in model.modules()]
    try:
        for module, kind in kinds:
            module.__class__ = _noting(kind, noted)
        yield noted
    finally:
        for module, kind in kinds:
            module.__class__ = kind


def _noting(kind: type[Module], noted: dict[int, str]) -> type[Module]:
    def call(self: Module, *args: Any, **kwargs: Any) -> Any:
        result = kind.__call__(self, *args, **kwargs)
        noted[id(self)] = _shape_text(result)
        return result

    return type(kind.__name__, (kind,), {"__slots__": (), "__call__": call, "__module__": kind.__module__})


def _shape_text(result: Any) -> str:
    if isinstance(result, Tensor):
        return str(list(result.shape))
    if isinstance(result, dict):
        return ", ".join(f"{key}: {_shape_text(value)}" for key, value in result.items())
    if isinstance(result, list | tuple):
        return ", ".join(map(_shape_text, result))
    return type(result).__name__


def _rows(model: Module, outputs: dict[int, str]) -> Iterator[Row]:
    counted: set[int] = set()
    depths = {"": 0}
    for name, module in model.named_modules():
        outer = next((at for at in _ancestors(name) if at in depths), "")
        depth = depths[outer] + 1 if name else 0
        depths[name] = depth
        own = {id(each): each for _, each in children(module) if isinstance(each, Variable)}
        new = [each for key, each in own.items() if key not in counted and (each.trainable or each.frozen)]
        counted.update(own)
        sizes = sum(each.size for each in new), sum(each.size for each in new if each.frozen)
        local = name[len(outer) + 1 :] if outer else name
        yield Row(depth, local, type(module).__name__, outputs.get(id(module), ""), *sizes)


def _ancestors(name: str) -> Iterator[str]:
    """Yield the dotted names around a name, nearest first."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
