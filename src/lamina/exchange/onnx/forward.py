"""The forward pass of a model as operations, its inputs and outputs by name, and the weights it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.autodiff.trees import branches
from lamina.compiler.graph.ir import Value
from lamina.compiler.tracing.inputs import Input
from lamina.compiler.tracing.trace import Result, Trace, trace
from lamina.compiler.tracing.tracer import Tracer
from lamina.errors import DTypeError, LaminaError, TracingError
from lamina.exchange.onnx.batch import LENGTHS, Operation, merged
from lamina.nn.module import Module
from lamina.nn.tree import walk
from lamina.primitives.primitive import Spec
from lamina.tensor import Tensor
from lamina.variable import Variable


@dataclass(frozen=True)
class Forward:
    """A forward pass.

    Attributes
    ----------
    inputs : tuple of Operation
        The arguments.
    weights : dict of str to (Operation, Tensor)
        What else it reads, by the names of the state dict: parameters and buffers, and constants under other names.
    variables : dict of str to Variable
        Those of the weights that are variables.
    outputs : tuple of (str, Operation)
        What it returns; the names are empty where it returns one tensor.
    dynamic : bool
        Whether sizes may depend on the length of the batch.
    """

    inputs: tuple[Operation, ...]
    weights: dict[str, tuple[Operation, Tensor]]
    variables: dict[str, Variable]
    outputs: tuple[tuple[str, Operation], ...]
    dynamic: bool


def traced_forward(model: Callable[..., Any], examples: Sequence[Tensor], dynamic_batch: bool) -> Forward:
    """Return the forward pass of a model in evaluation.

    Parameters
    ----------
    model : Module or callable
    examples : sequence of Tensor
        Whose shapes and types the arguments have.
    dynamic_batch : bool
        Whether the first axis, where it is as long as that of the first example, may have any length.

    Raises
    ------
    TracingError
        When it cannot be traced, assigns a variable, or depends on the length of the batch in more than its shapes.
    """
    specs = [Spec(each.shape, each.dtype) for each in examples]
    dynamic = dynamic_batch and bool(specs[0].shape)
    lengths = LENGTHS if dynamic else (0,)
    versions = [[_resized(spec, specs[0], length) for spec in specs] if dynamic else specs for length in lengths]
    modes = {each: each.training for each in model.modules()} if isinstance(model, Module) else {}
    for module in modes:
        module.training = False
    try:
        traces = [_trace(model, each) for each in versions]
    except LaminaError as error:
        fixed = "; if it only works for the length of the example, export it with dynamic_batch=False"
        raise TracingError(
            f"export_onnx: the forward pass cannot be traced{fixed if dynamic else ''}: {error}"
        ) from error
    finally:
        for module, mode in modes.items():
            module.training = mode
    for each in traces:
        _check_no_assignment(each)
    made = merged([_values(each) for each in traces], lengths)
    _check_same_constants(traces)
    return _forward(traces[0], made, model, dynamic)


def _resized(spec: Spec, first: Spec, length: int) -> Spec:
    if spec.shape[:1] != first.shape[:1]:
        return spec
    return Spec((length, *spec.shape[1:]), spec.dtype)


def _trace(model: Callable[..., Any], specs: Sequence[Spec]) -> Trace:
    def run(tracer: Tracer) -> Any:
        return model(*[tracer.argument(place, spec, tracked=False) for place, spec in enumerate(specs)])

    return trace(run, recording=False)


def _values(each: Trace) -> list[Value]:
    """Return all values that the outputs need, and all inputs, operands first."""
    return [*each.graph.inputs, *(value for value in each.graph.values() if value.op != "input")]


def _check_no_assignment(each: Trace) -> None:
    if each.graph.updates or each.replacements:
        source = next(
            (each.inputs[update.input] for update in each.graph.updates if each.inputs[update.input].variables), None
        )
        what = source.variables[0].label if source is not None else each.replacements[0].variables[0].label
        raise TracingError(
            f"export_onnx: the forward pass assigns {what}, and an ONNX model keeps nothing from call to call; "
            "return what it computes instead"
        )


def _check_same_constants(traces: Sequence[Trace]) -> None:
    """Refuse arrays from outside that are other ones for other lengths of the batch."""
    for same in zip(*(each.inputs for each in traces), strict=True):
        first = same[0]
        for other in same[1:]:
            if first.variables != other.variables or not _same_array(first.captured, other.captured):
                raise TracingError(
                    "export_onnx: an array of constants depends on the length of the batch; make it from the input, "
                    "or export the model for the length of the example with dynamic_batch=False"
                )


def _same_array(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one._data is other._data or np.array_equal(one._data, other._data, equal_nan=one.dtype.floating)


def _forward(first: Trace, made: dict[Value, Operation], model: Any, dynamic: bool) -> Forward:
    members = walk(model) if isinstance(model, Module) else ()
    names = {each: name for name, each in members if isinstance(each, Variable)}
    arguments = [each for each in first.inputs if each.argument is not None]
    weights: dict[str, tuple[Operation, Tensor]] = {}
    variables: dict[str, Variable] = {}
    for source in first.inputs:
        if source.argument is None:
            name, value = _weight(source, names, weights)
            weights[name] = made[source.value], value
            if source.variables:
                variables[name] = source.variables[0]
    outputs = tuple((name, _output(leaf, first, made)) for name, leaf in _leaves("", first.tree))
    if not outputs:
        raise TracingError("export_onnx: the forward pass returns no tensor")
    return Forward(tuple(made[each.value] for each in arguments), weights, variables, outputs, dynamic)


def _weight(source: Input, names: dict[Variable, str], taken: dict[str, Any]) -> tuple[str, Tensor]:
    if source.variables:
        first = source.variables[0]
        known = [names[each] for each in source.variables if each in names]
        name = known[0] if known else (first.name or "variable")
        return _unused(name, taken), first._untracked
    assert source.captured is not None
    return _unused("constant", taken), source.captured


def _unused(name: str, taken: dict[str, Any]) -> str:
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _leaves(name: str, tree: Any) -> list[tuple[str, Any]]:
    found = branches(tree)
    if found is None:
        return [(name, tree)]
    inside = [(f"{name}_{key}" if name else str(key), child) for key, child in found[1]]
    return [leaf for key, child in inside for leaf in _leaves(key, child)]


def _output(leaf: Any, first: Trace, made: dict[Value, Operation]) -> Operation:
    if isinstance(leaf, Result):
        return made[first.graph.outputs[leaf.output]]
    if isinstance(leaf, Tensor):
        array = np.asarray(leaf._untracked.to("cpu").numpy())
        return Operation("constant", (), {"array": array}, leaf.shape, leaf.dtype)
    raise DTypeError(
        f"export_onnx: the forward pass returns {type(leaf).__name__}, which is no tensor; ONNX models return tensors"
    )
