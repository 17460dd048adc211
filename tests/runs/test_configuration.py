"""Configuration files: the options by their names, every mistake named with its line."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lamina.runs.config_files import ConfigurationError, configuration_text, read_configuration
from lamina.runs.option_declaration import declared
from lamina.runs.options import TrainingOptions
from lamina.tuning.options import TuneOptions

MISTAKES = {
    "unknown": ("\nepocs = 3\n", "line 2: epocs: there is no option of this name (did you mean epochs?)"),
    "dashes": ("batch-size = 3", "line 1: batch-size: write it as batch_size"),
    "wrong type": ("lr = 'fast'", "line 1: lr: give a number, got 'fast'"),
    "out of bounds": ("# rates\n\nlr = 0", "line 3: lr: the learning rate must be greater than 0"),
    "truth for a number": ("epochs = true", "line 1: epochs: give a whole number, got True"),
    "section": ("[training]\nlr = 3", "line 1: [training]: there is no table of this name; options stand at the top"),
    "inside a table": ("[optimizer_settings]\nbetas = [[1]]", "line 1: optimizer_settings: betas: give a number"),
    "class weight": ("[class_weight]\nyes = -1", "line 1: class_weight: yes: a weight must be above 0"),
    "unknown choice": ("optimizer = 'adamm'", "did you mean adam?"),
    "not TOML": ("lr = \n", "this is not TOML: "),
    "twice": ("lr = 1\nlr = 2\n", "this is not TOML: Cannot overwrite a value"),
    "without an end": ("a = " + "[" * 10_000, "this is not TOML"),
}


def refusal(path: Path, table: type[TrainingOptions]) -> str | None:
    """Return why a file is refused; None where it is read."""
    try:
        read_configuration(path, table)
    except ConfigurationError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_named_with_file_line_and_key(tmp_path: Path, case: str) -> None:
    text, message = MISTAKES[case]
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        read_configuration(path, TrainingOptions)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"lr = 1\n# \xf6\n"])
def test_what_is_not_utf8_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_configuration(path, TrainingOptions)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_configuration(tmp_path / "run.toml", TrainingOptions)


@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(content)
    message = refusal(path, TrainingOptions)
    assert message is None or str(path) in message


TOML = st.recursive(
    st.sampled_from(["1", "0", "-1", "1.5", "nan", "inf", "true", '"adam"', '"auto"', '""', "1979-05-27T07:32:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["a", "b-c"]), inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        )
    ),
    max_leaves=5,
)


@given(values=st.dictionaries(st.sampled_from([*declared(TuneOptions), "lrr"]), TOML, max_size=5))
def test_any_values_of_options_are_taken_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "values.toml"
    path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()))
    message = refusal(path, TuneOptions)
    assert message is None or any(f"{name}: " in message for name in values)


OPTIONS = [
    TrainingOptions.of({}),
    TrainingOptions.of({"file": 'a "b"\\c\x7f.csv', "target": "Größe\n", "hidden": "", "lr": 1e-30, "seed": 2**32 - 1}),
    TrainingOptions.of(
        {
            "file": "t.csv",
            "optimizer": "sgd",
            "optimizer_settings": {"momentum": 0.9, "nesterov": True},
            "class_weight": {"a b": 2, "ja": 1},
            "metrics": "f1,top_3_accuracy",
            "ignore": ["x", "y"],
            "ema": 0.99,
        }
    ),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_survive_a_file(tmp_path: Path, options: TrainingOptions) -> None:
    path = tmp_path / "run.toml"
    path.write_text(configuration_text(options, "a title\nof two lines"))
    assert TrainingOptions.of(read_configuration(path, TrainingOptions)) == options


def test_every_option_of_a_training_is_declared_with_help_and_a_heading() -> None:
    rows = declared(TrainingOptions)
    assert set(rows) == {each.name for each in fields(TrainingOptions)}
    assert all(row.help and row.section for row in rows.values())


def test_options_without_a_value_stand_as_comments() -> None:
    text = configuration_text(replace(OPTIONS[0], clip_norm=None), "title")
    assert "\n# clip_norm =\n" in text
    assert "clip_norm" not in tomllib.loads(text)
