"""Graphs at random: they compute the same before and after simplification, which has nothing left to do after."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.ir import Graph, Value, constant, operation
from lamina.compiler.graph.passes import splitting
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.graph.printer import text
from lamina.primitives.table import TABLE
from lamina_tests.graphs import results, same
from lamina_tests.random_graphs import Program, programs


def check(program: Program, *, zeros: bool) -> None:
    simple = simplify(program.graph)
    before, after = results(program.graph, program.inputs), results(simple, program.inputs)
    for a, b in zip(before, after, strict=True):
        assert same(a, b, zeros=zeros), text(simple)


# Which zero the larger of the two is, or a sum of none, is not part of the meaning; nor is it told apart there.
@settings(max_examples=150)
@given(programs("integers"))
def test_programs_of_integers_compute_the_same(program: Program) -> None:
    check(program, zeros=True)


@settings(max_examples=150)
@given(programs("whole"))
def test_programs_of_whole_numbers_compute_the_same(program: Program) -> None:
    check(program, zeros=False)


@settings(max_examples=150)
@given(programs("special"))
def test_programs_of_special_numbers_compute_the_same(program: Program) -> None:
    check(program, zeros=True)


def test_reductions_split_at_every_size_compute_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LARGE", 3), ("FEW", 2), ("MANY", 3), ("PARTS", 2)):
        monkeypatch.setattr(splitting, name, value)

    @settings(max_examples=150)
    @given(programs("whole"))
    def agree(program: Program) -> None:
        check(program, zeros=False)

    agree()


@settings(max_examples=100)
@given(programs())
def test_what_is_simple_stays_as_it_is(program: Program) -> None:
    simple = simplify(program.graph)
    assert text(simplify(simple)) == text(simple)


@settings(max_examples=50)
@given(programs())
def test_values_are_numbered_after_their_operands(program: Program) -> None:
    for value in simplify(program.graph).values():
        assert all(operand.number < value.number for operand in value.operands)


@settings(max_examples=50)
@given(programs())
def test_shapes_and_types_are_those_of_the_table(program: Program) -> None:
    for value in simplify(program.graph).values():
        if value.operands:
            rule = TABLE[value.op].spec
            assert value.spec == rule(value.op, *[each.spec for each in value.operands], **value.params)


def rebuilt(given: Graph) -> Graph:
    """Return the same program, recorded again."""
    new: dict[Value, Value] = {}
    for value in given.values():
        if value.op == "constant":
            new[value] = constant(value.params["array"].copy(), value.spec)
        else:
            new[value] = operation(value.op, [new[each] for each in value.operands], value.spec, dict(value.params))
    leaves = tuple(new.get(each, each) for each in given.inputs)
    updates = tuple(type(each)(each.input, new[each.value]) for each in given.updates)
    return Graph(leaves, tuple(new[each] for each in given.outputs), updates)


@settings(max_examples=50)
@given(programs())
def test_a_program_recorded_again_has_the_same_fingerprint_and_text(program: Program) -> None:
    again = rebuilt(program.graph)
    assert fingerprint(again) == fingerprint(program.graph)
    assert text(again) == text(program.graph)
    assert fingerprint(simplify(again)) == fingerprint(simplify(program.graph))
