"""The graph of a computation: recorded while a function runs, or read from what a tensor was made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.autodiff.node import Leaf, Node
from lamina.autodiff.sweep import ancestors
from lamina.autodiff.trees import mapped
from lamina.compiler.differentiation import Derivative
from lamina.errors import DataError, DTypeError, TracingError
from lamina.functions.creation import asarray
from lamina.nn.module import Module
from lamina.primitives.primitive import Primitive
from lamina.profiling.instrumentation import CompiledCall, Observer, Operands, Owner, watching
from lamina.profiling.recorder import name_of
from lamina.tensor import Tensor
from lamina.variable import Variable

INPUT, VARIABLE, CONSTANT, OPERATION, COMPILED, OUTPUT = (
    "input", "variable", "constant", "operation", "compiled", "output",
)  # fmt: skip
KINDS = (INPUT, VARIABLE, CONSTANT, OPERATION, COMPILED, OUTPUT)
_SHOWN_PARAMETERS = ("axis", "axes")


@dataclass(eq=False)
class Group:
    """A call of a layer, or a reverse sweep: what was computed in it is drawn in a box.

    Attributes
    ----------
    label : str
    around : Group or None
    """

    label: str
    around: Group | None

    def outwards(self) -> Iterator[Group]:
        """Yield this group and those around it, the innermost first."""
        at: Group | None = self
        while at is not None:
            yield at
            at = at.around


@dataclass(eq=False)
class Vertex:
    """A value of the graph.

    Attributes
    ----------
    number : int
        Larger than those of the operands.
    kind : str
        One of `KINDS`.
    name : str
        Of the primitive, the variable or the argument.
    spec : str
        Type and shape, such as ``"float32[3, 4]"``.
    operands : list of Vertex
    group : Group or None
    """

    number: int
    kind: str
    name: str
    spec: str
    operands: list[Vertex] = field(default_factory=list)
    group: Group | None = None

    @property
    def lines(self) -> list[str]:
        """What is written on it."""
        return [self.name, self.spec] if self.spec else [self.name]


@dataclass(frozen=True)
class Picture:
    """A graph to draw: vertices, operands before results."""

    vertices: tuple[Vertex, ...]

    def groups(self) -> list[Group]:
        """Return the groups that have vertices, or groups with vertices, those around others first."""
        found: dict[Group, None] = {}
        for vertex in self.vertices:
            if vertex.group is not None:
                found.update(dict.fromkeys(reversed(list(vertex.group.outwards()))))
        return list(found)


def graph_of(operation: str, what: Any, inputs: Sequence[Any], model: Module | None) -> Picture:
    """Return the graph of a tensor, or of a function or model on example inputs."""
    if isinstance(what, Tensor):
        if inputs:
            raise DTypeError(f"{operation}: a tensor has its graph already; example inputs go with a function")
        return _of_tensor(operation, what, model)
    if not callable(what):
        raise DTypeError(f"{operation}: expected a Tensor, a model or a function, got {type(what).__name__}")
    builder = _Builder(model if model is not None else what if isinstance(what, Module) else None)
    given = [builder.argument(name, x) for name, x in zip(_argument_names(what, len(inputs)), inputs, strict=True)]
    recorder = _Recorder(builder)
    with watching(operation, recorder):
        returned = what(*given)
    return builder.finished(operation, returned)


def _of_tensor(operation: str, tensor: Tensor, model: Module | None) -> Picture:
    tensor = tensor._snapshot
    if tensor._node is None:
        raise TracingError(
            f"{operation}: this tensor has no recorded graph: it depends on no trainable variable, or was computed "
            "under no_grad; give a function and its example inputs instead"
        )
    builder = _Builder(model)
    for node in ancestors(tensor._node):
        if isinstance(node, Leaf):
            continue
        builder.node(node)
    return builder.finished(operation, tensor)


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in parameters if each.kind in positional][:count]
    return [*names, *(f"input {place}" for place in range(len(names), count))]


class _Recorder(Observer):
    """Hands to a builder what a function does, with the layers that it does it in."""

    def __init__(self, builder: _Builder) -> None:
        self._builder = builder
        self._owners: list[Owner] = []

    def operation(
        self, primitive: Primitive, operands: Operands, params: dict[str, Any], result: Tensor, start: int, end: int
    ) -> None:
        self._builder.operation(primitive.name, operands, params, result)

    def compiled(self, call: CompiledCall, result: Any, start: int, end: int) -> None:
        name = str(getattr(call.function, "__name__", "function"))
        self._builder.compiled(f"{name}, compiled", _tensors((call.args, call.kwargs)), _tensors(result))

    def enter(self, owner: Owner) -> None:
        around = self._owners[-1] if self._owners else None
        name, kind = name_of(owner, around, set()), type(owner).__name__
        self._owners.append(owner)
        self._builder.enter(kind if name == kind else f"{name} {kind}")
        if isinstance(owner, Module):
            self._builder.know(owner)

    def leave(self, owner: Owner) -> None:
        self._owners.pop()
        self._builder.leave()

    def sweep_begins(self) -> None:
        self._builder.enter("backward")

    def sweep_ends(self) -> None:
        self._builder.leave()


class _Builder:
    """Makes vertices of what is computed, and finds those of operands again."""

    def __init__(self, model: Module | None) -> None:
        self._vertices: list[Vertex] = []
        self._group: Group | None = None
        self._by_node: dict[Node, Vertex] = {}
        self._by_leaf: dict[tuple[Leaf, int], Vertex] = {}
        self._by_data: dict[int, Vertex] = {}
        self._names: dict[int, str] = {}
        self._variables: dict[int, Variable] = {}
        # What is told apart by its address must not be given to another meanwhile.
        self._held: list[Any] = []
        if model is not None:
            self.know(model)

    def know(self, model: Module) -> None:
        """Take the names of variables from a model, unless they are known."""
        for name, each in (*model.named_parameters(), *model.named_buffers()):
            self._names.setdefault(id(each), name)
            self._variables.setdefault(id(each._data), each)
            self._held.append((each, each._data))

    def enter(self, label: str) -> None:
        """Put what follows into a group."""
        self._group = Group(label, self._group)

    def leave(self) -> None:
        """Leave the innermost group."""
        assert self._group is not None
        self._group = self._group.around

    # --- vertices ---

    def argument(self, name: str, given: Any) -> Any:
        """Return an example input as a function gets it; its tensors are inputs of the graph, a dict's by its keys."""
        if type(given) is dict:
            return {key: self.argument(str(key), value) for key, value in given.items()}
        if isinstance(given, list | tuple | dict):
            return mapped(lambda leaf: leaf if isinstance(leaf, str) else self._input(name, leaf), given)
        return self._input(name, given)

    def _input(self, name: str, given: Any) -> Any:
        if isinstance(given, Variable):
            return given
        # A tensor of its own, so that it is not taken for another with the same values.
        source = given._snapshot if isinstance(given, Tensor) else asarray(given)
        x = source._make(source._data.copy() if hasattr(source._data, "copy") else source._data, source._backend)
        self._result(self._add(INPUT, name, x), x)
        return x

    def operation(self, name: str, operands: Operands, params: dict[str, Any], result: Tensor) -> None:
        """Add a primitive that was applied."""
        vertex = Vertex(0, OPERATION, _described(name, params), _spec(result), group=self._group)
        self._operands(vertex, operands)
        self._place(vertex)
        self._result(vertex, result)

    def node(self, node: Node) -> None:
        """Add an operation of a recorded graph."""
        kind = COMPILED if isinstance(node.operation, Derivative) else OPERATION
        backend = node.inputs[0]._backend
        value = Tensor(node.value, backend, node)
        vertex = Vertex(0, kind, _described(node.operation.name, node.params), _spec(value))
        self._operands(vertex, node.inputs)
        self._place(vertex)
        self._by_node[node] = vertex

    def compiled(self, name: str, operands: Operands, results: Operands) -> None:
        """Add a call of a compiled function."""
        vertex = Vertex(0, COMPILED, name, ", ".join(map(_spec, results)), group=self._group)
        self._operands(vertex, operands)
        self._place(vertex)
        for result in results:
            self._result(vertex, result)

    def _operands(self, vertex: Vertex, operands: Operands) -> None:
        numbers = []
        for each in operands:
            found = self._found(each)
            if found is None and not isinstance(each._data, tuple) and each.ndim == 0 and each._backend.has_values:
                numbers.append(f"{each._untracked.item():.4g}")
                continue
            vertex.operands.append(found if found is not None else self._source(each))
        if numbers:
            vertex.name += f" {', '.join(numbers)}"

    def _found(self, x: Tensor) -> Vertex | None:
        node = x._snapshot._node
        data = id(x._snapshot._data)
        if isinstance(node, Node):
            found = self._by_node.get(node)
            return found if found is not None else self._by_data.get(data)
        if isinstance(node, Leaf) and (node, data) in self._by_leaf:
            return self._by_leaf[node, data]
        found = self._by_data.get(data)
        # A variable holds what it was assigned. Two that hold the same array are two.
        shared = found is not None and found.kind == VARIABLE and isinstance(node, Leaf)
        return None if shared else found

    def _source(self, x: Tensor) -> Vertex:
        """Return a new vertex for what was not computed here: a variable, an input or a constant."""
        leaf = x._snapshot._node
        variable = x if isinstance(x, Variable) else leaf.variable if isinstance(leaf, Leaf) else None
        variable = variable if variable is not None else self._variables.get(id(x._data))
        if variable is not None:
            name = self._names.get(id(variable)) or variable.name or "variable"
            vertex = self._add(VARIABLE, name, x)
        else:
            vertex = self._add(INPUT if leaf is not None else CONSTANT, "input" if leaf is not None else "constant", x)
        self._result(vertex, x)
        return vertex

    def _add(self, kind: str, name: str, x: Tensor) -> Vertex:
        return self._place(Vertex(0, kind, name, _spec(x)))

    def _place(self, vertex: Vertex) -> Vertex:
        vertex.number = len(self._vertices)
        self._vertices.append(vertex)
        return vertex

    def _result(self, vertex: Vertex, x: Tensor) -> None:
        x = x._snapshot
        if isinstance(x._node, Node):
            self._by_node[x._node] = vertex
        elif isinstance(x._node, Leaf):
            self._by_leaf[x._node, id(x._data)] = vertex
        self._by_data[id(x._data)] = vertex
        self._held.append(x._data)

    # --- the end ---

    def finished(self, operation: str, returned: Any) -> Picture:
        """Return what the results were computed from, with a vertex for each result."""
        results = _tensors(returned)
        if not results:
            raise DataError(f"{operation}: the function returned no tensor, so there is nothing to draw")
        for place, result in enumerate(results):
            source = self._found(result)
            vertex = Vertex(0, OUTPUT, "output" if len(results) == 1 else f"output {place}", _spec(result))
            vertex.operands.append(source if source is not None else self._source(result))
            self._place(vertex)
        wanted: set[Vertex] = set()
        waiting = [each for each in self._vertices if each.kind == OUTPUT]
        while waiting:
            vertex = waiting.pop()
            if vertex not in wanted:
                wanted.add(vertex)
                waiting.extend(vertex.operands)
        kept = [each for each in self._vertices if each in wanted]
        _settle(kept)
        for number, vertex in enumerate(kept):
            vertex.number = number
        return Picture(tuple(kept))


def _settle(vertices: Sequence[Vertex]) -> None:
    """Put variables and constants into the innermost group in which all their uses are."""
    users: dict[Vertex, list[Vertex]] = {}
    for vertex in vertices:
        for operand in vertex.operands:
            users.setdefault(operand, []).append(vertex)
    for vertex in vertices:
        if vertex.kind in (VARIABLE, CONSTANT):
            around = [list(each.group.outwards()) if each.group else [] for each in users.get(vertex, ())]
            shared = around[0] if around else []
            vertex.group = next((each for each in shared if all(each in others for others in around)), None)


def _tensors(tree: Any) -> tuple[Tensor, ...]:
    found: list[Tensor] = []

    def note(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            found.append(leaf)
        return leaf

    mapped(note, tree)
    return tuple(found)


def _spec(x: Tensor) -> str:
    if isinstance(x._data, tuple):
        return f"{len(x._data)} tensors"
    return f"{x.dtype.name}{list(x.shape)}"


def _described(name: str, params: dict[str, Any]) -> str:
    """Return the name of an operation with the axes that it works along."""
    for each in _SHOWN_PARAMETERS:
        value = params.get(each)
        if value is not None and name != "permute_dims":
            if isinstance(value, tuple):
                value = value[0] if len(value) == 1 else value
            return f"{name} {each if isinstance(value, tuple) else 'axis'} {value}"
    return name
