"""The notation of what is searched."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lamina.runs.option_declaration import declared
from lamina.runs.option_kinds import Unfit
from lamina.runs.options import TrainingOptions
from lamina.tuning.space import DEFAULT_SPACE, Range, Ranges, read_range, value_of

READ = {
    "0:0.5": {"low": 0, "high": 0.5, "whole": False},
    "16:128": {"low": 16, "high": 128, "whole": True},
    "16:128:16": {"low": 16, "high": 128, "step": 16, "whole": True},
    "log:1e-4:1e-1": {"low": 1e-4, "high": 0.1, "log": True},
    "log:8:512": {"low": 8, "high": 512, "log": True, "whole": True},
    "relu|tanh": {"choices": ("relu", "tanh")},
    "32|64|128,64": {"choices": ("32", "64", "128,64")},
}
REFUSED = [
    "",
    "relu",
    "relu|relu",
    "3:1",
    "1:1",
    "log:0:1",
    "log:-1:1",
    "a:b",
    "1:2:3:4",
    "log:1:2:3",
    "0:1:5",
    "nan:1",
]
NOT_FOR = {
    "lr=log:0.1:1|2": "give a number",
    "lr=-1:1": "must be greater than 0",
    "epochs=1:2.5": "give whole numbers",
    "dropout=0:1.5": "below 1",
    "activation=1:2": "give choices with |",
    "activation=relu|reluu": "did you mean relu?",
    "hidden=32|x": "whole numbers of at least 1",
    "lrr=0:1": "did you mean lr?",
    "seed=0:9": "no option of this name to search",
    "lr": "such as lr=log:1e-4:1e-1",
}


@pytest.mark.parametrize("text", READ)
def test_notation_is_read(text: str) -> None:
    found = read_range(text)
    for name, value in READ[text].items():
        assert getattr(found, name) == value


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        read_range(text)


@given(text=st.text(alphabet="0123456789.:|elog-, ", max_size=20))
def test_any_text_is_a_range_that_rises_or_refused(text: str) -> None:
    try:
        found = read_range(text)
    except Unfit:
        return
    assert len(found.choices) > 1 or found.low < found.high


@pytest.mark.parametrize("text", NOT_FOR)
def test_range_that_does_not_suit_its_option_is_refused(text: str) -> None:
    with pytest.raises(Unfit) as error:
        Ranges().parse(text)
    assert NOT_FOR[text] in str(error.value)


@pytest.mark.parametrize(
    ("written", "choices"), [(["relu", "tanh"], ("relu", "tanh")), ([[128, 64], [32]], ("128,64", "32"))]
)
def test_choices_can_be_a_list_in_a_file(written: list[Any], choices: tuple[str, ...]) -> None:
    name = "activation" if isinstance(written[0], str) else "hidden"
    assert Ranges().accept({name: written})[name].choices == choices


@pytest.mark.parametrize("name", DEFAULT_SPACE)
def test_default_ranges_survive_a_file(name: str) -> None:
    kind = Ranges()
    assert kind.accept(kind.plain({name: DEFAULT_SPACE[name]})) == {name: DEFAULT_SPACE[name]}


def test_what_is_drawn_becomes_a_value_of_its_option() -> None:
    rows = declared(TrainingOptions)
    assert value_of(rows["hidden"], "128,64") == (128, 64)
    assert value_of(rows["clip_norm"], "none") is None
    assert value_of(rows["lr"], 0.5) == 0.5
    assert value_of(rows["optimizer_settings"], "momentum=0.9") == {"momentum": 0.9}


def test_range_of_whole_numbers_is_told_from_one_of_numbers() -> None:
    assert Range("", 1, 2).whole
    assert not Range("", 1.0, 2).whole
