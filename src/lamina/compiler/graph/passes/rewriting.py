"""Rewriting: a graph is made again, bottom up, by rules that know a better form of an operation.

Every value is made by a `Builder`, which applies the rules and never makes the same value twice. A rule sees
operands in their simplest form and builds by the same builder, so what it returns is in simplest form too, and one
sweep settles everything. What nothing asks for is never reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lamina.backends.thread_state import quietly
from lamina.compiler.graph.fingerprint import number_text
from lamina.compiler.graph.ir import CHECK, NO_PARAMS, SCAN, Graph, Update, Value
from lamina.dtypes import DType
from lamina.primitives.primitive import Spec

Shape = tuple[int, ...]
Rule = Callable[[Value, "Builder"], Value | None]
"""Returns what a value is better computed as, or None; it looks at the value and its operands only."""
Rules = Mapping[str, Sequence[Rule]]

COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "equal", "not_equal", "bitwise_and", "bitwise_or", "bitwise_xor"}
)
_VIEWS = frozenset({"reshape", "permute_dims", "broadcast_to"})
SWEEPS = 4
"""How often a graph is gone through at most."""
COMPARED = 1 << 20
"""Up to how many elements constants are compared by value."""


class Pass(NamedTuple):
    """Rules that serve one purpose.

    Attributes
    ----------
    name : str
    reason : str
        What it is good for, in one line.
    rules : mapping
        From the name of an operation to the rules for it, in the order in which they are tried.
    """

    name: str
    reason: str
    rules: Rules


def merged(passes: Sequence[Pass]) -> dict[str, tuple[Rule, ...]]:
    """Return the rules of several passes, the first pass's first."""
    rules: dict[str, tuple[Rule, ...]] = {}
    for each in passes:
        for op, added in each.rules.items():
            rules[op] = (*rules.get(op, ()), *added)
    return rules


def rewrite(graph: Graph, rules: Rules) -> Graph:
    """Return a graph that computes the same, with rules applied and equal values made one.

    Values to which nothing happens are kept as they are. An update of an input with itself is left out. One sweep is
    enough but where a rule held back because a value was read elsewhere, and is no longer.
    """
    for _ in range(SWEEPS):
        builder = Builder(rules)
        # Rules compute with numbers, and what overflows there is no news.
        graph = quietly(_swept, graph, builder)
        if not builder.waited_for:
            break
        counts = _counts(graph, graph.values())
        if all(counts.get(value, 2) > 1 for value in builder.waited_for):
            break
    return graph


def _swept(graph: Graph, builder: Builder) -> Graph:
    values = graph.values()
    counts = _counts(graph, values)
    made: dict[Value, Value] = {}
    for value in values:
        operands = tuple([made[each] for each in value.operands])
        settled = builder.settle(value if operands == value.operands else value.remade(operands))
        made[value] = settled
        # An operation that comes to its own operand no longer reads it.
        builder.note_uses(settled, counts[value] - operands.count(settled))
    updates = tuple(
        Update(each.input, made[each.value])
        for each in graph.updates
        if made[each.value] is not graph.inputs[each.input]
    )
    checks = tuple([made[each] for each in graph.checks if made[each].op == CHECK])
    return Graph(graph.inputs, tuple([made[each] for each in graph.outputs]), updates, checks)


def _counts(graph: Graph, values: Sequence[Value]) -> dict[Value, int]:
    counts = dict.fromkeys(values, 0)
    for root in graph.roots():
        counts[root] += 1
    for value in values:
        for each in value.operands:
            counts[each] += 1
    return counts


class Builder:
    """Makes values, each in its simplest form and once.

    Attributes
    ----------
    waited_for : set of Value
        What a rule would have computed otherwise if nothing else read it.
    """

    __slots__ = ("_known", "_rules", "_uses", "waited_for")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[Any, Value] = {}
        self._uses: dict[Value, int] = {}
        self.waited_for: set[Value] = set()

    def note_uses(self, value: Value, count: int) -> None:
        """Note that a value, and what it is a view of, is read so often in the graph that is rewritten."""
        uses = self._uses
        uses[value] = uses.get(value, 0) + count
        while value.op in _VIEWS and value.operands[0] not in uses:
            value = value.operands[0]
            uses[value] = count

    def read_once(self, value: Value) -> bool:
        """Tell whether one operation at most reads a value, so that it may as well be computed otherwise."""
        if self._uses.get(value, 0) <= 1:
            return True
        self.waited_for.add(value)
        return False

    def settle(self, value: Value) -> Value:
        """Return the simplest form of a value whose operands are in theirs."""
        key = value_key(value)
        known = self._known
        found = known.get(key)
        if found is not None:
            return found
        for rule in self._rules.get(value.op, ()):
            found = rule(value, self)
            if found is not None:
                break
        else:
            found = value
        known[key] = found
        return found

    def operation(self, op: str, operands: Sequence[Value], spec: Any, params: Mapping[str, Any] = NO_PARAMS) -> Value:
        """Return the result of a primitive."""
        return self.settle(Value(op, tuple(operands), params, spec))

    def full(self, shape: Shape, dtype: DType, number: bool | int | float) -> Value:
        """Return one number everywhere."""
        return self.settle(Value("full", (), {"value": number}, Spec(shape, dtype)))

    def reshape(self, x: Value, shape: Shape) -> Value:
        """Return the elements in another shape."""
        if x.shape == shape:
            return x
        return self.settle(Value("reshape", (x,), {"shape": shape}, Spec(shape, x.dtype)))

    def permute_dims(self, x: Value, axes: Shape) -> Value:
        """Return the axes in another order."""
        shape = tuple([x.shape[axis] for axis in axes])
        return self.settle(Value("permute_dims", (x,), {"axes": axes}, Spec(shape, x.dtype)))

    def broadcast_to(self, x: Value, shape: Shape) -> Value:
        """Return the elements repeated to a wider shape."""
        if x.shape == shape:
            return x
        return self.settle(Value("broadcast_to", (x,), {"shape": shape}, Spec(shape, x.dtype)))

    def added_to_zero(self, x: Value) -> Value:
        """Return what a sum is that has one term: the term, but of a negative zero the other one."""
        if not x.dtype.floating:
            return x
        return self.operation("add", (x, self.full((), x.dtype, 0.0)), x.spec)


def value_key(value: Value) -> Any:
    """Return what equal values have in common."""
    op, operands, params = value.op, value.operands, value.params
    if not operands:
        return _leaf_key(value)
    if op == SCAN:  # Loops are as they are: their bodies are not compared.
        return value
    if op in COMMUTATIVE and operands[0].number > operands[1].number:
        operands = operands[::-1]
    if not params:
        return op, operands
    if op == "pad":  # The zeros are equal, but not the same.
        return op, operands, tuple(params.items()), number_text(params["value"], value.dtype)
    return op, operands, tuple(params.items())


def _leaf_key(value: Value) -> Any:
    if value.op == "full":
        return "full", value.spec, number_text(value.params["value"], value.dtype)
    if value.op == "constant":
        array = value.params["array"]
        if array.size <= COMPARED:
            return "constant", value.spec, array.tobytes()
        return "constant", id(array)
    return value
