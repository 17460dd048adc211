"""A primitive that the compiler has no instructions for."""

import pytest

import lamina as la
from lamina.compiler.graph.ir import Graph, input_value, operation
from lamina.compiler.lowering import lower
from lamina.compiler.runtime.processor import host
from lamina.dtypes import float32
from lamina.primitives.primitive import Spec


def test_an_operation_without_instructions_is_named_with_the_place_where_they_belong():
    x = input_value(0, Spec((4,), float32))
    graph = Graph((x,), (operation("softsine", (x,), Spec((4,), float32)),), ())
    with pytest.raises(la.BackendError, match=r"softsine: no instructions are known for it; .*codegen/elementwise.py"):
        lower(graph, host())
