"""Streams deal out every row once an epoch, shuffled, in bounded memory, from any batch on."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from lamina.data import ArrayStream, Dataset, ParquetStream, Stream
from lamina.data.streaming import arrays, parquet, stream as streams
from lamina.data.streaming.stream import deal
from lamina.errors import DataError


def dealt(sizes: list[int], window: int, batch_size: int, **options: object) -> list[list[int]]:
    starts = np.cumsum([0, *sizes])

    def read(piece: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(starts[piece], starts[piece + 1])
        return rows[:, None], rows

    found = list(deal(sizes, read, window, batch_size, **({"seed": 0, "epoch": 0, "start": 0} | options)))  # type: ignore[arg-type]
    assert all((inputs[:, 0] == targets).all() for inputs, targets in found)
    return [targets.tolist() for _, targets in found]


SIZES = st.lists(st.integers(0, 9), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 20), st.integers(1, 12), st.one_of(st.none(), st.integers(0, 2**70)), st.integers(0, 3))
def test_every_row_is_dealt_once_in_batches_of_one_size(
    sizes: list[int], window: int, batch_size: int, seed: int | None, epoch: int
) -> None:
    batches = dealt(sizes, window, batch_size, seed=seed, epoch=epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(sum(sizes)))
    assert all(len(batch) == batch_size for batch in batches[:-1])
    if seed is None:
        assert [row for batch in batches for row in batch] == list(range(sum(sizes)))


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 20), st.integers(1, 12), st.integers(0, 20))
def test_going_on_from_any_batch_gives_the_batches_that_were_left(
    sizes: list[int], window: int, batch_size: int, start: int
) -> None:
    assert dealt(sizes, window, batch_size, start=start) == dealt(sizes, window, batch_size)[start:]


def test_order_depends_on_seed_and_epoch_only() -> None:
    sizes = [10] * 5
    assert dealt(sizes, 20, 7) == dealt(sizes, 20, 7)
    assert sum(dealt(sizes, 20, 7), []) == sum(dealt(sizes, 20, 50), [])  # noqa: RUF017
    assert dealt(sizes, 20, 50, seed=1) != dealt(sizes, 20, 50, seed=2)
    assert dealt(sizes, 20, 50, epoch=1) != dealt(sizes, 20, 50, epoch=2)


def test_pieces_that_were_passed_over_are_not_read() -> None:
    read: list[int] = []

    def reading(piece: int) -> tuple[np.ndarray, np.ndarray]:
        read.append(piece)
        return np.zeros((10, 1)), np.zeros(10)

    assert len(list(deal([10] * 8, reading, 20, 10, seed=0, epoch=0, start=6))) == 2
    assert len(read) == 2


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"start": -1}, {"epoch": -1}, {"seed": -1}])
def test_numbers_that_count_nothing_are_refused(wrong: dict[str, int]) -> None:
    stream = ArrayStream(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(DataError, match="batches: batch_size="):
        next(stream.batches(**({"batch_size": 2, "seed": 0, "epoch": 0} | wrong)))  # type: ignore[arg-type]


# --- Parquet ---


FRAME = pl.DataFrame(
    {
        "row": range(1000),
        "a": np.random.default_rng(0).normal(5.0, 3.0, 1000),
        "gap": [None if i % 7 == 0 else float(i) for i in range(1000)],
        "town": [("Ulm", "Bonn", "Jena")[i * i % 3] for i in range(1000)],
        "open": [i % 3 == 0 for i in range(1000)],
        "day": pl.date_range(pl.date(2020, 1, 1), pl.date(2022, 9, 26), eager=True),
        "price": [None if i == 500 else i / 3 for i in range(1000)],
        "kind": [("low", "high")[i // 500] for i in range(1000)],
    }
)


@pytest.fixture
def houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that is read in many small pieces."""
    monkeypatch.setattr(parquet, "PIECE_ROWS", 64)
    monkeypatch.setattr(parquet, "MOST_WINDOW_ROWS", 200)
    path = tmp_path / "houses.parquet"
    FRAME.write_parquet(path, row_group_size=150)
    return path


def together(stream: Stream, **options: object) -> tuple[np.ndarray, np.ndarray]:
    found = list(stream.batches(**({"batch_size": 33, "seed": 0, "epoch": 0} | options)))  # type: ignore[arg-type]
    return np.concatenate([inputs for inputs, _ in found]), np.concatenate([targets for _, targets in found])


@pytest.mark.filterwarnings("ignore:table. column:UserWarning")  # of what they tell of the target
@pytest.mark.parametrize("target", ["price", "kind"])
def test_parquet_stream_encodes_as_the_whole_table_would_be(houses: Path, target: str) -> None:
    stream = ParquetStream(houses, target)
    whole = Dataset.of(FRAME, target)
    assert (len(stream), stream.input_shape) == (len(whole), whole.inputs.shape[1:])
    assert (stream.feature_names, stream.classes) == (whole.feature_names, whole.classes)
    inputs, targets = together(stream, seed=None)
    np.testing.assert_allclose(inputs, whole.inputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(targets, whole.targets, rtol=1e-5, atol=1e-6)
    assert (inputs.dtype, targets.dtype) == (np.float32, whole.targets.dtype)


def test_parquet_stream_mixes_rows_from_all_over_the_file(houses: Path) -> None:
    inputs, targets = together(ParquetStream(houses, "kind"))
    order = inputs[:, 0].argsort()
    assert (np.bincount(targets) == 500).all()
    assert np.abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.5
    # The file is sorted by class; no stretch of 200 rows is.
    assert all(0 < targets[i : i + 200].mean() < 1 for i in range(0, 1000, 200))


def test_parquet_stream_of_several_files_is_that_of_one(houses: Path, tmp_path: Path) -> None:
    for i in range(4):
        FRAME[250 * i : 250 * (i + 1)].write_parquet(tmp_path / f"{i}.parquet")
    parts = ParquetStream([tmp_path / f"{i}.parquet" for i in range(4)], "price")
    for ours, expected in zip(
        together(parts, seed=None), together(ParquetStream(houses, "price"), seed=None), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_stream_like_another_is_encoded_as_that_one(houses: Path, tmp_path: Path) -> None:
    FRAME[:10].write_parquet(tmp_path / "new.parquet")
    stream = ParquetStream(houses, "price")
    new = ParquetStream(tmp_path / "new.parquet", like=stream)
    np.testing.assert_array_equal(together(new, seed=None)[0], together(stream, seed=None)[0][:10])


def test_split_divides_the_rows_and_fits_to_the_rest(houses: Path) -> None:
    stream = ParquetStream(houses, "price", columns=["row"])
    rest, part = stream.split(0.2, seed=1)
    assert len(rest) + len(part) == len(stream)
    assert abs(len(part) - 200) < 20
    assert abs(together(rest)[0].mean()) < 1e-5
    rows = [
        np.rint(together(each)[0][:, 0] * rest.preprocessing.columns[0].std + rest.preprocessing.columns[0].mean)  # type: ignore[union-attr]
        for each in (rest, part)
    ]
    assert sorted(np.concatenate(rows).tolist()) == [i for i in range(1000) if i != 500]
    with pytest.raises(DataError, match="the share must lie between 0 and 1"):
        stream.split(1.0)


def test_column_left_out_is_noted(tmp_path: Path) -> None:
    frame = FRAME.with_columns(pl.Series("id", [f"n{i}" for i in range(1000)]), pl.lit(None).alias("empty"))
    frame.write_parquet(tmp_path / "t.parquet")
    stream = ParquetStream(tmp_path / "t.parquet", "price")
    assert any("'id' holds 1000 different texts" in note for note in stream.notes)
    assert any("'empty' has no values" in note for note in stream.notes)


def test_text_further_down_that_is_no_number_is_named_with_its_row(tmp_path: Path, houses: Path) -> None:
    cells = [str(i) for i in range(999)] + ["old"]
    FRAME.with_columns(pl.Series("a", cells)).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="column 'a' is numeric, but line 1000 holds 'old'"):
        ParquetStream(tmp_path / "t.parquet", "price")


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file": (lambda path: ParquetStream(path / "nowhere", "price"), "there is no such file"),
    "no files": (lambda path: ParquetStream([], "price"), "there is no file to read"),
    "no target": (lambda path: ParquetStream(path / "t.parquet"), "name the column to learn"),
    "other target": (lambda path: ParquetStream(path / "t.parquet", "cost"), "no column 'cost'"),
    "other column": (lambda path: ParquetStream(path / "t.parquet", "price", columns=["x"]), "no column 'x'"),
    "not Parquet": (lambda path: ParquetStream(path / "t.csv", "price"), "not a Parquet file"),
    "empty target": (lambda path: ParquetStream(path / "empty.parquet", "a"), "'a' has no value in any row"),
    "no rows": (lambda path: ParquetStream(path / "none.parquet", "price"), "no rows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_cannot_be_learnt_from_are_refused(tmp_path: Path, case: str) -> None:
    FRAME.write_parquet(tmp_path / "t.parquet")
    FRAME.write_csv(tmp_path / "t.csv")
    FRAME.head(0).write_parquet(tmp_path / "none.parquet")
    FRAME.with_columns(pl.lit(None, pl.Float64).alias("a")).write_parquet(tmp_path / "empty.parquet")
    make, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        make(tmp_path)


def test_file_that_changes_under_a_stream_is_refused(houses: Path) -> None:
    stream = ParquetStream(houses, "price")
    FRAME.head(100).write_parquet(houses)
    with pytest.raises(DataError):
        together(stream)


# --- arrays ---


@pytest.mark.parametrize("kind", ["files", "maps", "arrays"])
def test_array_stream_deals_out_what_the_arrays_hold(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "PIECE_BYTES", 100)
    monkeypatch.setattr(arrays, "MOST_WINDOW_ROWS", 40)
    x, y = np.random.default_rng(0).normal(size=(101, 3, 2)), np.arange(101, dtype=np.int32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    paths = (tmp_path / "x.npy", tmp_path / "y.npy")
    sources = {"files": paths, "maps": tuple(np.load(path, mmap_mode="r") for path in paths), "arrays": (x, y)}[kind]
    stream = ArrayStream(*sources)  # type: ignore[arg-type]
    assert isinstance(stream, Stream)
    assert (len(stream), stream.input_shape) == (101, (3, 2))
    inputs, targets = together(stream, batch_size=10)
    assert (inputs.dtype, targets.dtype) == (np.float32, np.int32)
    assert targets.tolist() != y.tolist()
    np.testing.assert_array_equal(inputs[targets.argsort()], x.astype(np.float32))
    np.testing.assert_array_equal(together(stream, seed=None)[1], y)


def test_array_stream_refuses_what_it_cannot_deal_out(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(np.zeros((4, 2))))
    np.savez(tmp_path / "x.npz", a=np.zeros(4))
    (tmp_path / "short.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    y = np.zeros(4)
    for inputs, message in (
        ("x.npz", "an archive cannot be mapped"),
        ("text.npy", "of type <U1, not numbers"),
        ("fortran.npy", "in Fortran order"),
        ("short.npy", "not a .npy file"),
        ("nowhere.npy", "not a .npy file"),
    ):
        with pytest.raises(DataError, match=message):
            ArrayStream(tmp_path / inputs, y)
    with pytest.raises(DataError, match="first axes must be equal"):
        ArrayStream(tmp_path / "x.npy", np.zeros(5))
    with pytest.raises(DataError, match="the inputs are a list"):
        ArrayStream([1, 2], y)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least one sample is needed"):
        ArrayStream(np.zeros((0, 2)), np.zeros(0))
    with pytest.raises(DataError, match="NaN or infinity in sample 2"):
        together(ArrayStream(np.array([1.0, 2.0, np.nan, 4.0]), y))


# --- memory ---

MEASURE = """
import json, re, sys
from pathlib import Path
import numpy as np
from lamina.data import ParquetStream
stream = ParquetStream(sys.argv[1], "y")
rows, total, squares, targets = 0, 0.0, 0.0, 0
for inputs, answers in stream.batches(512, seed=0, epoch=0):
    rows += len(inputs)
    wide = inputs.astype(np.float64)
    total, squares = total + wide.sum(axis=0), squares + (wide**2).sum(axis=0)
    targets += int(answers.sum())
# Not getrusage: its peak begins with that of the process that started this one.
peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([rows, np.abs(total / rows).max(), np.abs(squares / rows - 1).max(), targets, peak]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("row_group_size", [262_144, 2_000_000])
def test_two_million_rows_of_thirty_columns_stream_in_less_than_a_gibibyte(tmp_path: Path, row_group_size: int) -> None:
    random = np.random.default_rng(0)
    columns = {f"c{i}": random.normal(i, i + 1, 2_000_000).astype(np.float32) for i in range(30)}
    answers = random.integers(0, 2, 2_000_000)
    pl.DataFrame(columns | {"y": answers}).write_parquet(tmp_path / "t.parquet", row_group_size=row_group_size)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path / "t.parquet")], capture_output=True, check=True)
    rows, mean, deviation, targets, peak = json.loads(done.stdout)
    assert (rows, targets) == (2_000_000, answers.sum())
    assert (mean < 1e-4, deviation < 1e-4) == (True, True)
    assert peak < 700 * 2**20


def test_window_has_room_for_one_row_of_any_width() -> None:
    stream = ArrayStream(np.zeros((3, 1, 30_000_000), np.bool_), np.zeros(3))
    assert stream._window_rows == stream._piece_rows == 1
    assert streams.WINDOW_BYTES < 30_000_000 * 4
