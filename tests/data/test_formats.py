"""Every format gives the table that was written, whoever wrote it."""

import gzip
import io
import json
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from lamina.data import Dataset, Table, load_embedded, read_idx, read_idx_pair, read_images, read_table
from lamina.errors import DataError

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import feather, ipc, parquet  # noqa: E402

Write = Callable[..., Path]

ROWS: list[dict[str, Any]] = [
    {"rooms": 3, "area": 70.5, "town": "Ulm", "sold": True},
    {"rooms": 4, "area": None, "town": None, "sold": False},
    {"rooms": 2, "area": 40.0, "town": "Köln, Süd", "sold": None},
]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
ARROW = pyarrow.table(COLUMNS)


def to_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE houses (rooms, area, town, sold)")
    words = {True: "true", False: "false", None: None}
    connection.executemany(
        "INSERT INTO houses VALUES (?, ?, ?, ?)", [(*list(row.values())[:3], words[row["sold"]]) for row in ROWS]
    )
    connection.commit()
    connection.close()


def to_stream(path: Path) -> None:
    with ipc.new_stream(path, ARROW.schema) as writer:
        writer.write_table(ARROW)


# Written by libraries that are not the ones reading.
WRITERS: dict[str, Callable[[Path], object]] = {
    "t.csv": lambda path: pd.DataFrame(ROWS).to_csv(path, index=False),
    "t.tsv": lambda path: pd.DataFrame(ROWS).to_csv(path, index=False, sep="\t"),
    "records.json": lambda path: path.write_text(json.dumps(ROWS)),
    "columns.json": lambda path: path.write_text(json.dumps(COLUMNS)),
    "pandas.json": lambda path: pd.DataFrame(ROWS).to_json(path, orient="records"),
    "t.ndjson": lambda path: pd.DataFrame(ROWS).to_json(path, orient="records", lines=True),
    "t.parquet": lambda path: parquet.write_table(ARROW, path),
    "t.arrow": lambda path: feather.write_feather(ARROW, path, compression="uncompressed"),
    "t.feather": lambda path: feather.write_feather(ARROW, path, compression="lz4"),
    "t.arrows": to_stream,
    "t.sqlite": to_sqlite,
}


def assert_houses(table: Table) -> None:
    assert table.columns == ["rooms", "area", "town", "sold"]
    np.testing.assert_array_equal(table.numbers("rooms"), [3, 4, 2])
    np.testing.assert_array_equal(table.numbers("area"), [70.5, np.nan, 40.0])
    assert table.texts("town").tolist() == ["Ulm", None, "Köln, Süd"]
    sold = [None if text is None else text.lower() for text in table.texts("sold")]
    assert sold == ["true", "false", None]


@pytest.mark.parametrize("name", WRITERS)
def test_formats_give_the_same_table(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    assert_houses(read_table(tmp_path / name))


FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "pandas with types": lambda: pd.DataFrame(ROWS).convert_dtypes(),
    "pandas categories": lambda: pd.DataFrame(ROWS).astype({"town": "category"}),
    "polars": lambda: pl.DataFrame(ROWS),
    "polars lazy": lambda: pl.LazyFrame(ROWS),
    "pyarrow": lambda: ARROW,
    "lists": lambda: COLUMNS,
    "arrays": lambda: {name: np.array(values, dtype=object) for name, values in COLUMNS.items()},
    "series": lambda: {name: pd.Series(values) for name, values in COLUMNS.items()},
}


@pytest.mark.parametrize("name", FRAMES)
def test_objects_in_memory_give_the_same_table(name: str) -> None:
    assert_houses(Table.of(FRAMES[name]()))


def test_pandas_dates_and_repeated_names() -> None:
    days = pd.to_datetime(["2024-01-31 00:00", None, "2024-02-29 12:00"])
    table = Table.of(pd.DataFrame({"day": days, "zone": days.tz_localize("Europe/Berlin")}))
    assert table.texts("day")[0].startswith("2024-01-31")
    assert table.texts("zone")[0].startswith("2024-01-30 23:00")
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match="names 'a' more than once"):
        Table.of(frame)


@pytest.mark.parametrize(
    ("array", "columns"),
    [
        (np.arange(3), ["x"]),
        (np.zeros((2, 3), np.float32), ["x_0", "x_1", "x_2"]),
        (np.zeros((2, 1, 2), np.uint8), ["x_0_0", "x_0_1"]),
        (np.zeros(2, [("a", "f4"), ("b", "U3")]), ["a", "b"]),
        (np.zeros((2, 2), ">i2"), ["x_0", "x_1"]),
        (np.array([True, False]), ["x"]),
        (np.array(["2024-01-01"], "M8[D]"), ["x"]),
    ],
)
def test_npy_and_arrays_in_memory_have_the_same_columns(tmp_path: Path, array: Any, columns: list[str]) -> None:
    np.save(tmp_path / "a.npy", array)
    assert read_table(tmp_path / "a.npy").columns == columns
    assert Table.of(array).frame.equals(read_table(tmp_path / "a.npy").frame)


def test_fortran_order_is_read_row_by_row(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(3, 2)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    np.testing.assert_array_equal(read_table(tmp_path / "a.npy").frame.to_numpy(), values)


def test_npz_puts_arrays_side_by_side_or_gives_the_one_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.zeros((4, 2)), y=np.arange(4))
    assert read_table(tmp_path / "a.npz").columns == ["X_0", "X_1", "y"]
    assert read_table(tmp_path / "a.npz", name="y").columns == ["y"]
    with pytest.raises(DataError, match="no array 'z'; the arrays are 'X', 'y'"):
        read_table(tmp_path / "a.npz", name="z")
    np.savez(tmp_path / "b.npz", train=np.zeros(4), test=np.zeros(2))
    with pytest.raises(DataError, match=r"differ in their number of rows \('train': 4, 'test': 2\); choose one"):
        read_table(tmp_path / "b.npz")


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match="only running code from the file could read"):
            read_table(tmp_path / name)


# --- SQLite ---


def test_sqlite_table_is_chosen_by_name_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "odd?name#1.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        """CREATE TABLE "a ""b" (x, y BLOB, z AS (x + 1)); INSERT INTO "a ""b" VALUES (1, x'00'), (2, NULL);
        CREATE TABLE c (x); CREATE VIEW v AS SELECT x FROM c;"""
    )
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DataError, match="choose one of the 2 tables by its name: 'a \"b', 'c'"):
        read_table(path)
    table = read_table(path, name='a "b')
    assert table.columns == ["x"]
    assert table.notes == (
        "column 'z' is computed by the file and was left out",
        "column 'y' holds lists, objects or bytes and was left out",
    )
    with pytest.raises(DataError, match="'v' is a view, which is SQL from the file"):
        read_table(path, name="v")
    with pytest.raises(DataError, match="no table 'd'"):
        read_table(path, name="d")
    with pytest.raises(DataError, match="'c' has no rows"):
        read_table(path, name="c")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_sqlite_changes_that_are_not_yet_in_the_file_are_seen(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE t (a)")
    connection.execute("INSERT INTO t VALUES (7)")
    connection.commit()
    assert read_table(tmp_path / "t.db").numbers("a").tolist() == [7.0]
    connection.close()


# --- JSON ---


def test_json_rows_need_not_have_all_keys(write: Write) -> None:
    table = read_table(write('[{"b": 1}, {"a": "x", "b": null}, {}]', "t.json"))
    assert table.columns == ["b", "a"]
    assert table.frame.rows() == [(1, None), (None, "x"), (None, None)]


def test_ndjson_counts_lines_as_an_editor_does(write: Write) -> None:
    table = read_table(write('{"a": 1}\n\n{"a": "\u2028"}\r\n{"a": 3}', "t.ndjson"))
    assert table.lines.tolist() == [1, 3, 4]
    with pytest.raises(DataError, match="line 2: this is not JSON"):
        read_table(write('{"a": 1}\n{"a"\n', "t.ndjson"))


def test_json_values_of_several_types_become_text_and_lists_are_left_out(write: Write) -> None:
    table = read_table(write('[{"a": 1, "b": [1]}, {"a": "x", "b": 2}, {"a": true}, {"a": 2.5}]', "t.json"))
    assert table.texts("a").tolist() == ["1", "x", "true", "2.5"]
    assert table.notes == ("column 'b' holds lists, objects or bytes and was left out",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "this JSON is no table; a table is a list of objects"),
        ("[1]", "row 1 is '1', but each row must be an object"),
        ("[]", "there are no rows"),
        ("{}", "this JSON is no table"),
        ('{"a": [1], "b": []}', "differ in their number of rows ('a': 1, 'b': 0)"),
        ('[{"a": 1, "a": 2}]', "an object names 'a' more than once"),
        ('{"m": 2, "n": 2, "x": [1, 2, 3], "y": [1, 2]}', "x has 3 numbers, but m=2 rows of n=2 columns need 4"),
        ('{"m": 2, "n": 1, "x": [1, 2], "y": [1, 2, 3]}', "y has 3 numbers for m=2 rows"),
        ('{"m": 0, "n": 1, "x": [], "y": []}', "m is '0'; it is a whole number from 1"),
        ('{"m": 1, "n": 1, "x": ["a"], "y": [1]}', "x[0] is \"'a'\", but x is a flat list of numbers"),
    ],
)
def test_json_that_is_no_table_is_refused(write: Write, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(text, "t.json"))
    assert message in str(caught.value)


def test_iron_learns_form_is_read_with_its_test_rows(write: Write) -> None:
    content = {"m": 3, "n": 2, "x": [1, 2, 3, 4, 5, 6], "y": [0, 1, 1], "m_test": 1, "x_test": [7, 8], "y_test": [0]}
    path = write(json.dumps(content), "t.json")
    assert read_table(path).frame.rows() == [(1, 2, 0), (3, 4, 1), (5, 6, 1)]
    assert read_table(path).columns == ["x_0", "x_1", "y"]
    assert read_table(path, name="test").frame.rows() == [(7, 8, 0)]
    with pytest.raises(DataError, match="needs 'm_test', 'x_test', 'y_test', which the file does not have"):
        read_table(write(json.dumps({key: content[key] for key in "mnxy"}), "t.json"), name="test")


# --- IDX ---


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("code", "dtype"), [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_idx_is_read_in_its_type_and_shape(tmp_path: Path, code: int, dtype: str, packed: bool) -> None:
    values = np.arange(24).reshape(4, 3, 2).astype(dtype)
    content = bytes([0, 0, code, 3]) + struct.pack(">III", 4, 3, 2) + values.tobytes()
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read_idx(path)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, values)


def test_idx_images_and_labels_belong_together(tmp_path: Path) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    images, labels = tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "train-labels-idx1-ubyte"
    images.write_bytes(gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">III", 4, 3, 2) + pixels.tobytes()))
    labels.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 4, 2, 0, 1, 1]))
    data = read_idx_pair(images, labels)
    np.testing.assert_array_equal(data.inputs, pixels[:, None] / np.float32(255))
    assert (data.targets.tolist(), data.classes) == ([2, 0, 1, 1], ("0", "1", "2"))
    table = read_table(images)
    assert table.columns[-2:] == ["x_2_1", "label"]
    assert table.numbers("label").tolist() == [2, 0, 1, 1]
    with pytest.raises(DataError, match="do not belong to images"):
        read_idx_pair(images, images)


# --- folders of images ---


def folder_of(root: Path, images: dict[str, Image.Image]) -> Path:
    for name, image in images.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(root / name)
    return root


def test_images_are_scaled_to_one_and_their_folders_are_the_classes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 3, 3), np.uint8)
    images = {"cat/1.png": Image.fromarray(pixels[0]), "dog/1.bmp": Image.fromarray(pixels[1])}
    data = read_images(folder_of(tmp_path / "pets", images))
    np.testing.assert_allclose(data.inputs, pixels.transpose(0, 3, 1, 2) / 255.0, rtol=1e-6)
    assert (data.targets.tolist(), data.classes) == ([0, 1], ("cat", "dog"))
    table = read_table(tmp_path / "pets")
    assert table.texts("class").tolist() == ["cat", "dog"]
    assert len(table.columns) == 4 * 3 * 3 + 1


def test_images_become_grey_and_of_one_size_when_asked(tmp_path: Path) -> None:
    images = {"a/1.png": Image.new("RGB", (4, 2), (255, 0, 0)), "b/2.png": Image.new("L", (3, 3), 7)}
    folder = folder_of(tmp_path, images)
    with pytest.raises(DataError, match=r"is 2 by 4 pixels, .* 3 by 3; give size="):
        read_images(folder)
    assert read_images(folder, size=(5, 6)).inputs.shape == (2, 3, 5, 6)
    grey = read_images(folder, size=(5, 6), grey=True)
    assert grey.inputs.shape == (2, 1, 5, 6)
    np.testing.assert_allclose(grey.inputs[1], 7 / 255, rtol=1e-6)


def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path: Path) -> None:
    bright = Image.fromarray(np.full((2, 2), 65535, np.uint16))
    data = read_images(folder_of(tmp_path, {"a/1.png": bright, "b/1.png": Image.new("L", (2, 2))}))
    assert data.inputs[0].min() == 1.0


def test_image_that_unpacks_to_an_enormous_one_is_refused_unread(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_000, 8_000)).save(buffer, "PNG")
    folder = folder_of(tmp_path, {"b/1.png": Image.new("L", (2, 2))})
    (folder / "a").mkdir()
    (folder / "a" / "1.png").write_bytes(buffer.getvalue())
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(DataError, match="10,000 by 8,000 pixels are more than"):
        read_images(folder, size=(2, 2))


def test_folder_without_two_classes_of_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are none"):
        read_images(tmp_path)
    folder_of(tmp_path, {"a/1.png": Image.new("L", (2, 2))})
    with pytest.raises(DataError, match="there are only those of 'a'"):
        read_images(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_images(tmp_path / "nowhere")


# --- data sets in memory ---


def test_data_frame_becomes_a_data_set_and_more_rows_are_encoded_alike() -> None:
    frame = pd.DataFrame({"a": [1.0, 3.0, None], "b": ["x", "y", "x"], "price": [1.5, 2.5, 4.0]})
    data = Dataset.of(frame, "price")
    assert data.feature_names == ("a", "a=(missing)", "b=x", "b=y")
    np.testing.assert_allclose(data.inputs, [[-1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0]])
    again = Dataset.of(frame.iloc[1:], like=data)
    np.testing.assert_array_equal(again.inputs, data.inputs[1:])
    np.testing.assert_array_equal(again.targets, data.targets[1:])


def test_targets_may_be_an_array_of_labels() -> None:
    data = Dataset.of(np.arange(6.0).reshape(3, 2), np.array(["no", "yes", "no"]))
    assert (data.targets.tolist(), data.classes) == ([0, 1, 0], ("no", "yes"))
    series = Dataset.of({"a": [1, 2, 3]}, pd.Series([1.5, 2.5, 4.0], name="price"))
    assert series.target is not None
    assert series.target.name == "price"
    with pytest.raises(DataError, match="3 rows of inputs but targets of shape"):
        Dataset.of(np.zeros((3, 2)), np.zeros(2))


def test_column_that_is_left_out_is_named_in_a_warning() -> None:
    frame = {"id": [f"n{i}" for i in range(30)], "a": [i % 7 for i in range(30)], "y": [i / 7 for i in range(30)]}
    with pytest.warns(UserWarning, match="column 'id' holds 30 different texts in 30 rows and was left out"):
        assert Dataset.of(frame, "y").feature_names == ("a",)


def test_data_set_becomes_a_table_with_its_classes_in_words() -> None:
    iris = load_embedded("iris")
    table = Table.of(iris)
    assert table.columns == [*iris.feature_names, "target"]
    assert set(table.texts("target")) == {"setosa", "versicolor", "virginica"}
    again = Dataset.of(table, "target")
    np.testing.assert_allclose(again.inputs, iris.standardised().inputs, atol=1e-6)
    np.testing.assert_array_equal(again.targets, iris.targets)


@pytest.mark.parametrize(
    "source",
    [
        3,
        "nowhere.csv",
        [1, 2],
        {"a": 3},
        {"a": [1], "b": [1, 2]},
        {"a": ["\ud800"]},
        {"a": np.zeros(2, "M8")},
        {"a": np.array([2**62], "M8[D]")},
        {"a": np.array([0xD800], np.uint32).view("U1")},
        {"a": np.zeros(2, complex)},
        np.zeros((2, 30_000), bool),
        np.float64(3.0),
        {},
    ],
)
def test_what_is_no_table_is_refused(source: Any) -> None:
    with pytest.raises(DataError):
        Dataset.of(source, "a")
