"""Kinds of values: what they take from a command line and from files, and what they refuse."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lamina.runs.option_kinds import (
    Choice,
    File,
    Flag,
    Kind,
    Listed,
    Number,
    Settings,
    Unfit,
    Whole,
    Widths,
    nearest,
    share,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = {
    "text": Kind(),
    "whole": Whole(),
    "number": Number(),
    "share": share(),
    "flag": Flag(),
    "file": File(),
    "choice": Choice(among=("adam", "sgd")),
    "names": Listed(),
    "widths": Widths(),
    "settings": Settings(),
    "weights": Settings(value=Number(above=0.0), word="balanced"),
}
TAKEN: list[tuple[Kind, str, Any]] = [
    (Whole(), "12", 12),
    (Number(), "1e-3", 0.001),
    (share(), "0", 0.0),
    (Widths(), "128,64", (128, 64)),
    (Widths(), " ", ()),
    (Listed(), "a, b", ("a", "b")),
    (Settings(), "momentum=0.9, nesterov=true", {"momentum": 0.9, "nesterov": True}),
    (Settings(), "betas=[0.9, 0.99]", {"betas": (0.9, 0.99)}),
    (Settings(word="balanced"), "balanced", "balanced"),
    (Choice(among=("a",), pattern=r"top_\d_accuracy"), "top_3_accuracy", "top_3_accuracy"),
]  # fmt: skip
REFUSED: list[tuple[Kind, str, str]] = [
    (Whole(), "1.5", "give a whole number, got '1.5'"),
    (Whole(least=1, wanted="at least one"), "0", "at least one, got 0"),
    (Whole(), "9" * 40, "give a whole number"),
    (Number(), "many", "give a number, got 'many'"),
    (Number(), "nan", "must be finite, got nan"),
    (share(), "1", "must be at least 0 and below 1, got 1.0"),
    (Widths(), "8,0", "whole numbers of at least 1"),
    (Choice(among=("adam", "sgd")), "Adam", "did you mean adam?"),
    (Listed(), "a,a", "each may be named once"),
    (Settings(), "momentum", "values by name"),
    (Settings(), "a=1}\nb={", "values by name"),
    (Settings(), "a=[[1]]", "a: give a number, true, false"),
    (File(), "", "the path of a file"),
]


@pytest.mark.parametrize(("kind", "text", "value"), TAKEN)
def test_text_of_the_command_line_becomes_a_value(kind: Kind, text: str, value: Any) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(("kind", "text", "value"), TAKEN)
def test_value_survives_a_file(kind: Kind, text: str, value: Any) -> None:
    assert kind.accept(json.loads(json.dumps(kind.plain(value)))) == value


@pytest.mark.parametrize(("kind", "text", "message"), REFUSED)
def test_text_that_does_not_fit_is_refused_with_what_would(kind: Kind, text: str, message: str) -> None:
    with pytest.raises(Unfit) as error:
        kind.parse(text)
    assert message in str(error.value)


@pytest.mark.parametrize("name", KINDS)
@given(value=JSON)
def test_anything_in_a_file_is_taken_or_refused(name: str, value: Any) -> None:
    kind = KINDS[name]
    try:
        found = kind.accept(value)
    except Unfit:
        return
    assert kind.accept(kind.plain(found)) == found


@pytest.mark.parametrize("name", [name for name in KINDS if name != "flag"])
@given(text=st.text(max_size=30))
def test_any_text_is_taken_or_refused(name: str, text: str) -> None:
    try:
        found = KINDS[name].parse(text)
    except Unfit:
        return
    assert not (isinstance(found, float) and not math.isfinite(found))


def test_nearest_name_is_suggested_whatever_its_case() -> None:
    assert nearest("EPOCH", ["epochs", "lr"]) == " (did you mean epochs?)"
    assert nearest("zzz", ["epochs"]) == ""
