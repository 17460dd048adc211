"""Whatever a file holds, reading it gives a right table or a `DataError`: no other exception, no hang, no crash."""

import gzip
import io
import json
import signal
import sqlite3
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from lamina.data import Dataset, infer_schema, read_images, read_table
from lamina.errors import DataError

LONGEST = 60.0
FRAME = pl.DataFrame(
    {
        "number": [1.5, -2.0, None, 4.25] * 5,
        "count": list(range(20)),
        "town": ["Ulm", "Bonn", None, "Köln"] * 5,
        "sold": [True, False, None, True] * 5,
        "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 20), eager=True),
    }
)
TEXTS = FRAME.select(pl.all().cast(pl.String))


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE houses (number REAL, count INTEGER, town TEXT, sold, day)")
        connection.executemany("INSERT INTO houses VALUES (?, ?, ?, ?, ?)", TEXTS.rows())
        connection.commit()
        connection.close()
        return path.read_bytes()


def _image(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    return _written(lambda file: Image.fromarray(pixels).save(file, kind))


NUMBERS = np.arange(60, dtype=np.float64).reshape(20, 3)
IDX = bytes([0, 0, 8, 3]) + struct.pack(">III", 4, 3, 2) + bytes(range(24))
IRON = {"m": 2, "n": 3, "x": [1, 2, 3, 4, 5, 6], "y": [0, 1], "m_test": 1, "x_test": [7, 8, 9], "y_test": [1]}

# A valid file of every format: its name, and what is in it.
FILES: dict[str, Callable[[], bytes]] = {
    "t.csv": lambda: FRAME.write_csv().encode(),
    "quoted.csv": lambda: FRAME.write_csv(quote_style="always").encode(),
    "t.tsv": lambda: FRAME.write_csv(separator="\t").encode(),
    "t.json": lambda: json.dumps(TEXTS.to_dicts()).encode(),
    "columns.json": lambda: json.dumps(TEXTS.to_dict(as_series=False)).encode(),
    "iron.json": lambda: json.dumps(IRON).encode(),
    "t.ndjson": lambda: FRAME.write_ndjson().encode(),
    "t.parquet": lambda: _written(FRAME.write_parquet),
    "plain.parquet": lambda: _written(lambda f: FRAME.write_parquet(f, compression="uncompressed", statistics=False)),
    "snappy.parquet": lambda: _written(lambda f: FRAME.write_parquet(f, compression="snappy", row_group_size=7)),
    "t.arrow": lambda: _written(FRAME.write_ipc),
    "packed.feather": lambda: _written(lambda f: FRAME.write_ipc(f, compression="zstd")),
    "t.arrows": lambda: _written(FRAME.write_ipc_stream),
    "t.sqlite": _sqlite,
    "t.npy": lambda: _written(lambda f: np.save(f, NUMBERS)),
    "fields.npy": lambda: _written(lambda f: np.save(f, np.zeros(9, [("a", "f4"), ("b", "U3"), ("c", "M8[D]")]))),
    "t.npz": lambda: _written(lambda f: np.savez(f, x=NUMBERS, y=np.arange(20))),
    "packed.npz": lambda: _written(lambda f: np.savez_compressed(f, x=NUMBERS)),
    "images.idx": lambda: IDX,
    "images.idx.gz": lambda: gzip.compress(IDX, mtime=0),
}
IMAGES = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


@cache
def valid(name: str) -> bytes:
    return FILES[name]() if name in FILES else _image(name)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail when what is done takes longer."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check_read_or_refused(name: str, content: bytes) -> None:
    """Read a file as a table and as a data set; a `DataError` is the only exception allowed."""
    with tempfile.TemporaryDirectory() as folder, within(LONGEST):
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            table = read_table(path)
        except DataError as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            assert str(path) in refused
            return
        assert len(table) == len(table.lines) > 0
        assert len(set(table.columns)) == len(table.columns) > 0
        schema = infer_schema(table)
        assert json.loads(json.dumps(schema.to_json(), allow_nan=False)) == schema.to_json()
        assert str(schema)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                data = Dataset.of(table, table.columns[-1])
            except DataError:
                return
        assert np.isfinite(data.inputs).all()
        assert np.isfinite(data.targets).all()


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Return strategies that cut, change, repeat or lengthen a valid file."""
    places = st.integers(0, max(0, len(content) - 1))

    def changed(changes: list[tuple[int, int]]) -> bytes:
        made = bytearray(content)
        for place, byte in changes:
            made[place] = byte
        return bytes(made)

    def repeated(place: int, length: int, copies: int) -> bytes:
        return content[:place] + content[place : place + length] * copies + content[place + length :]

    return st.one_of(
        places.map(lambda place: content[:place]),
        places.map(lambda place: content[place:]),
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=8).map(changed),
        st.builds(repeated, places, st.integers(1, 40), st.integers(0, 3)),
        st.binary(min_size=1, max_size=40).map(lambda more: content + more),
    )


@pytest.mark.parametrize("name", FILES)
def test_undamaged_files_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(valid(name))
    assert len(read_table(tmp_path / name)) > 1


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(name: str, data: st.DataObject) -> None:
    check_read_or_refused(name, data.draw(damaged(valid(name))))


@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=10)
@given(content=st.binary(max_size=300))
def test_random_bytes_are_read_or_refused(name: str, content: bytes) -> None:
    check_read_or_refused(name, content)
    check_read_or_refused(name, valid(name)[:8] + content)


@pytest.mark.parametrize("kind", IMAGES)
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_damaged_images_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, within(LONGEST):
        for label, content in (("a", valid(kind)), ("b", data.draw(damaged(valid(kind))))):
            (Path(folder) / label).mkdir()
            (Path(folder) / label / "1.png").write_bytes(content)
        try:
            found = read_images(folder, size=(6, 5))
        except DataError:
            return
        assert found.inputs.shape[0] == 2
        assert 0.0 <= found.inputs.min() <= found.inputs.max() <= 1.0


CELLS = st.one_of(
    st.sampled_from(["", "1", "2.5", "-1e308", "1e999", "inf", "nan", "NA", "yes", "no", "2024-02-30", "0000-00-00"]),
    st.sampled_from(["9" * 400, "1/2/2024", "31.12.9999", "99999-01-01", "2024-01-01T25:00:00Z", "\ufeff", "\x85"]),
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(str),
)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12), separator=st.sampled_from(",;\t"))
def test_ragged_tables_of_odd_cells_are_read_or_refused(rows: list[list[str]], separator: str) -> None:
    text = "\n".join(separator.join(row) for row in rows)
    check_read_or_refused("t.csv", text.encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=30))
def test_odd_cells_become_finite_inputs_or_are_refused(rows: list[tuple[str, str, str]]) -> None:
    check_read_or_refused("t.json", json.dumps([dict(zip("abc", row, strict=True)) for row in rows]).encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1", "cp037", "utf-7", "shift-jis", "utf-8-sig"])
@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.ndjson"])
def test_other_encodings_are_read_or_refused(name: str, encoding: str) -> None:
    check_read_or_refused(name, valid(name).decode().replace("Köln", "Kö").encode(encoding, "replace"))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**500)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=12,
)


@settings(deadline=None, max_examples=80)
@given(value=st.one_of(VALUES, st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4), max_size=6)))
def test_any_json_is_read_or_refused(value: object) -> None:
    check_read_or_refused("t.json", json.dumps(value).encode())
    check_read_or_refused("t.ndjson", json.dumps(value).encode())


@settings(deadline=None, max_examples=50)
@given(value=st.fixed_dictionaries(dict.fromkeys("mnxy", VALUES), optional={"m_test": VALUES, "x_test": VALUES}))
def test_any_values_in_iron_learns_form_are_read_or_refused(value: object) -> None:
    check_read_or_refused("t.json", json.dumps(value).encode())


@pytest.mark.parametrize("depth", [900, 1100, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_deeply_nested_json_is_refused(tmp_path: Path, opening: str, depth: int) -> None:
    path = tmp_path / "t.json"
    path.write_text(opening * depth)
    with pytest.raises(DataError):
        read_table(path)
    closing = {"[": "]", '{"a":': "1}", '[{"a":': "1}]"}[opening]
    path.write_text(opening * depth + closing * depth)
    with pytest.raises(DataError):
        read_table(path)
