"""From nodes and names to the messages of the onnx package."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import lamina
from lamina.dtypes import DType, as_dtype
from lamina.exchange.onnx.batch import Sizes
from lamina.exchange.onnx.library import IR_VERSION, ML_OPSET, OPSET, STRING, TYPE_NUMBERS
from lamina.exchange.onnx.nodes import Node, Nodes
from lamina.tensor import Tensor


@dataclass
class Described:
    """A model to be written: its nodes, and what goes in and comes out.

    Attributes
    ----------
    name : str
    nodes : Nodes
    dynamic : bool
        Whether the batch may have any length.
    inputs, outputs : dict of str to (sizes, type number)
    weights : dict of str to Tensor
    renamed : dict of str to str
        The results that became outputs, with the names of those.
    """

    name: str
    nodes: Nodes
    dynamic: bool
    inputs: dict[str, tuple[Sizes, int]] = field(default_factory=dict)
    outputs: dict[str, tuple[Sizes, int]] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    def add_input(self, name: str, sizes: Sizes, dtype: DType | None) -> None:
        """Add an input; of texts where the type is None."""
        self.inputs[name] = sizes, STRING if dtype is None else TYPE_NUMBERS[dtype]

    def add_output(self, name: str, result: str, sizes: Sizes, dtype: DType | None) -> None:
        """Add an output, which is this result of a node; of texts where the type is None."""
        if result not in self.outputs and any(result in each.outputs for each in self.nodes.nodes):
            for each in self.nodes.nodes:
                each.inputs = [name if given == result else given for given in each.inputs]
                each.outputs = [name if given == result else given for given in each.outputs]
            self.renamed[result] = name
        else:
            self.nodes.nodes.append(Node("Identity", [result], [name], {}))
        self.outputs[name] = sizes, STRING if dtype is None else TYPE_NUMBERS[dtype]


def _used(described: Described) -> list[Node]:
    """Return the nodes without constants that ONNX's operators have within themselves: runtimes warn of those."""
    used = {*described.outputs, *(name for each in described.nodes.nodes for name in each.inputs)}
    return [each for each in described.nodes.nodes if each.op != "Constant" or not used.isdisjoint(each.outputs)]


def written(library: Any, described: Described, metadata: Mapping[str, str]) -> Any:
    """Return the model as a message."""
    helper = library.helper
    graph = helper.make_graph(
        [_node(library, each) for each in _used(described)],
        described.name,
        [helper.make_tensor_value_info(name, kind, _shape(sizes)) for name, (sizes, kind) in described.inputs.items()],
        [helper.make_tensor_value_info(name, kind, _shape(sizes)) for name, (sizes, kind) in described.outputs.items()],
        [_tensor(library, name, value._untracked.numpy()) for name, value in described.weights.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if any(each.domain for each in described.nodes.nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    model = helper.make_model(
        graph, opset_imports=opsets, producer_name="lamina", producer_version=lamina.__version__, ir_version=IR_VERSION
    )
    helper.set_model_props(model, dict(metadata))
    return model


def _shape(sizes: Sizes) -> list[int | str]:
    return [size if isinstance(size, int) else str(size) for size in sizes]


def _node(library: Any, each: Node) -> Any:
    attributes = {
        key: _tensor(library, "", value) if isinstance(value, np.ndarray) else value
        for key, value in each.attributes.items()
    }
    return library.helper.make_node(
        each.op, each.inputs, each.outputs, name=each.outputs[0], domain=each.domain, **attributes
    )


def _tensor(library: Any, name: str, array: npt.NDArray[Any]) -> Any:
    message = library.TensorProto(name=name, dims=array.shape)
    if array.dtype == object:
        message.data_type = STRING
        message.string_data.extend(str(text).encode() for text in array.reshape(-1))
        return message
    message.data_type = TYPE_NUMBERS[as_dtype(array.dtype)]
    little = array if sys.byteorder == "little" else array.byteswap()
    message.raw_data = np.ascontiguousarray(little).tobytes()
    return message
