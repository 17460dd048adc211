"""Preprocessing and answers inside of the ONNX model: raw columns in, classes or values out, as Lamina has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina import nn
from lamina.data import ClassTarget, NumericTarget, Table, TablePreprocessing, read_table
from lamina.errors import DataError
from lamina.exchange import export_onnx, import_onnx, onnx_inputs

pytest.importorskip("onnx")

ROWS = """rooms,town,garden,sold,level,price
3,Ulm,yes,2021-02-28 13:00,a,10.5
,Bonn,no,2020-02-29 23:59,b,12.25
5,,yes,1969-12-31 00:00,a,9
4,Ulm,YES,,c,11
2.5,Köln,,2000-01-01 07:30,d,30
1e6,Ulm,no,2100-03-01 12:00,a,-4
"""
NEW = """rooms,town,garden,sold,level,price
7,Rom,Yes,1900-12-31 06:15,zz,1
,,,,a,2
-3,Bonn,n,2024-02-29 00:00,d,3
"""
COLUMNS = ["rooms", "town", "garden", "sold", "level"]


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Table, Table]:
    for name, text in (("old.csv", ROWS), ("new.csv", NEW)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return read_table(tmp_path / "old.csv"), read_table(tmp_path / "new.csv")


@pytest.fixture
def preprocessing(tables: tuple[Table, Table]) -> TablePreprocessing:
    kinds = {"rooms": "numeric", "town": "categorical", "garden": "boolean", "sold": "date", "level": "categorical"}
    return TablePreprocessing.fit(tables[0], COLUMNS, kinds=kinds, min_frequency=2)  # type: ignore[arg-type]


def test_every_kind_of_column_is_encoded_as_in_lamina(
    tables: tuple[Table, Table], preprocessing: TablePreprocessing, session: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "features.onnx"
    export_onnx(nn.Identity(), path, preprocessing=preprocessing)
    opened = session(path)
    assert [each.name for each in opened.get_inputs()] == COLUMNS
    old, new = tables
    (got,) = opened.run(None, onnx_inputs(preprocessing, old))
    np.testing.assert_allclose(got, preprocessing.encode(old), rtol=1e-6, atol=1e-6)
    with pytest.warns(UserWarning, match="zz|Rom"):
        wanted = preprocessing.encode(new)
    (got,) = opened.run(None, onnx_inputs(preprocessing, new))
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def test_raw_values_without_lamina_give_the_same(
    tables: tuple[Table, Table], preprocessing: TablePreprocessing, session: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "features.onnx"
    export_onnx(nn.Identity(), path, preprocessing=preprocessing)
    moment = (np.datetime64("2021-02-28T13:00") - np.datetime64("1970-01-01")) / np.timedelta64(1, "s")
    raw = {
        "rooms": np.array([[3.0]]),
        "town": np.array([["Ulm"]], object),
        "garden": np.array([["yes"]], object),
        "sold": np.array([[moment]]),
        "level": np.array([["a"]], object),
    }
    (got,) = session(path).run(None, raw)
    np.testing.assert_allclose(got, preprocessing.encode(tables[0])[:1], rtol=1e-6, atol=1e-6)


def test_dates_of_four_centuries_have_the_parts_that_polars_says(session: Callable[..., Any], tmp_path: Path) -> None:
    days = np.arange(np.datetime64("1890-01-01"), np.datetime64("2290-01-01"), 11)
    moments = days.astype("datetime64[s]") + (np.arange(len(days)) * 7919 % 86400).astype("timedelta64[s]")
    table = Table.of({"day": moments.astype("datetime64[us]")})
    preprocessing = TablePreprocessing.fit(table, ["day"], kinds={"day": "date"})
    export_onnx(nn.Identity(), tmp_path / "dates.onnx", preprocessing=preprocessing)
    (got,) = session(tmp_path / "dates.onnx").run(None, onnx_inputs(preprocessing, table))
    np.testing.assert_allclose(got, preprocessing.encode(table), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kinds", [{"rooms": "numeric"}, {"town": "categorical"}, {"garden": "boolean"}])
def test_one_column_alone_is_a_model_too(
    kinds: Any, tables: tuple[Table, Table], session: Callable[..., Any], tmp_path: Path
) -> None:
    preprocessing = TablePreprocessing.fit(tables[0], list(kinds), kinds=kinds)
    export_onnx(nn.Identity(), tmp_path / "one.onnx", preprocessing=preprocessing)
    (got,) = session(tmp_path / "one.onnx").run(None, onnx_inputs(preprocessing, tables[0]))
    np.testing.assert_allclose(got, preprocessing.encode(tables[0]), rtol=1e-6, atol=1e-6)


def test_classes_come_out_as_labels_with_probabilities(
    tables: tuple[Table, Table], preprocessing: TablePreprocessing, session: Callable[..., Any], tmp_path: Path
) -> None:
    target = ClassTarget("kind", ("cheap", "dear", "très cher"), numeric=False)
    model = nn.MLP(len(preprocessing.feature_names), [8], 3)
    export_onnx(model, tmp_path / "model.onnx", preprocessing=preprocessing, target=target)
    opened = session(tmp_path / "model.onnx")
    assert [each.name for each in opened.get_outputs()] == ["label", "probabilities"]
    labels, chances = opened.run(None, onnx_inputs(preprocessing, tables[0]))
    wanted = la.softmax(model(la.asarray(preprocessing.encode(tables[0])))).numpy()
    np.testing.assert_allclose(chances, wanted, rtol=1e-5, atol=1e-5)
    assert labels.tolist() == [target.classes[at] for at in wanted.argmax(axis=1)]


def test_a_classifier_of_a_table_comes_back_with_its_texts(
    tables: tuple[Table, Table], preprocessing: TablePreprocessing, session: Callable[..., Any], tmp_path: Path
) -> None:
    target = ClassTarget("kind", ("cheap", "dear", "très cher"), numeric=False)
    model = nn.MLP(len(preprocessing.feature_names), [8], 3)
    export_onnx(model, tmp_path / "model.onnx", preprocessing=preprocessing, target=target)
    opened, again = session(tmp_path / "model.onnx"), import_onnx(tmp_path / "model.onnx")
    assert again.input_names == tuple(COLUMNS)
    assert again.state_dict().keys() == model.state_dict().keys()
    for table in tables:
        inputs = onnx_inputs(preprocessing, table)
        wanted_labels, wanted = opened.run(None, inputs)
        labels, chances = again(*inputs.values())
        assert labels.tolist() == wanted_labels.tolist()
        np.testing.assert_allclose(chances.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_values_come_out_in_their_units(
    tables: tuple[Table, Table], preprocessing: TablePreprocessing, session: Callable[..., Any], tmp_path: Path
) -> None:
    target = NumericTarget("price", 1e5, 2.5e4)
    model = nn.MLP(len(preprocessing.feature_names), [8], 1)
    export_onnx(model, tmp_path / "model.onnx", preprocessing=preprocessing, target=target)
    (values,) = session(tmp_path / "model.onnx").run(["value"], onnx_inputs(preprocessing, tables[0]))
    wanted = target.decode(model(la.asarray(preprocessing.encode(tables[0]))).numpy())
    np.testing.assert_allclose(values, wanted, rtol=1e-6)


def test_answers_need_no_preprocessing(run_onnx: Callable[..., Any]) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    labels, _ = run_onnx(nn.Linear(3, 2), x, target=ClassTarget("y", ("no", "yes"), numeric=False))
    assert set(labels) <= {"no", "yes"}


def test_the_file_says_what_its_inputs_hold(onnx: Any, preprocessing: TablePreprocessing, tmp_path: Path) -> None:
    export_onnx(nn.Identity(), tmp_path / "features.onnx", preprocessing=preprocessing)
    notes = {each.key: each.value for each in onnx.load(tmp_path / "features.onnx").metadata_props}
    assert json.loads(notes["lamina.columns"])["sold"] == "seconds since 1970-01-01 00:00"
    assert json.loads(notes["lamina.features"]) == list(preprocessing.feature_names)


@dataclass(frozen=True)
class PictureColumn:
    name: str = "picture"
    feature_names: tuple[str, ...] = ("picture",)


def test_what_cannot_be_exported_is_refused(preprocessing: TablePreprocessing, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    strange = TablePreprocessing((PictureColumn(),))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'picture' is a PictureColumn"):
        export_onnx(nn.Identity(), path, preprocessing=strange)
    with pytest.raises(DataError, match="features"):
        export_onnx(nn.Linear(2, 1), path, la.zeros((1, 2)), preprocessing=preprocessing)
    with pytest.raises(DataError, match="named like the columns"):
        export_onnx(nn.Identity(), path, preprocessing=preprocessing, input_names=["a"])
    with pytest.raises(DataError, match=r"\[batch, 2\]"):
        export_onnx(nn.Linear(2, 3), path, la.zeros((1, 2)), target=ClassTarget("y", ("no", "yes"), numeric=False))
    assert not path.exists()
