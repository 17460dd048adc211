"""The record of a training: as a mapping, for people, in files."""

import json
import math

import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from lamina.errors import CheckpointError, DataError
from lamina.training import EpochRecord, History


def record(epoch, loss, val_loss=None, **metrics):
    return EpochRecord(epoch, loss, 0.1, 0.5, val_loss, metrics)


@pytest.fixture
def history():
    made = History("val_loss")
    for epoch, (loss, val_loss) in enumerate([(0.9, 1.0), (0.5, 0.7), (0.3, 0.8)], start=1):
        made.append(record(epoch, loss, val_loss, val_accuracy=epoch / 10))
    return made


def test_a_history_maps_names_to_lists(history):
    assert history["val_loss"] == [1.0, 0.7, 0.8]
    assert list(history) == ["epoch", "loss", "val_loss", "val_accuracy", "lr", "seconds"]
    assert len(history) == 6
    assert dict(history)["epoch"] == [1, 2, 3]
    with pytest.raises(KeyError, match="'accuracy' was not recorded; the names are epoch, loss"):
        history["accuracy"]


def test_the_best_epoch_is_the_first_of_the_best(history):
    assert history.best_epoch == 2
    history.append(record(4, 0.1, 0.7))
    assert history.best_epoch == 2


def test_the_best_may_be_the_largest():
    made = History("val_accuracy", larger_is_better=True)
    for epoch, accuracy in enumerate([0.5, math.nan, 0.9, 0.8], start=1):
        made.append(record(epoch, 1.0, 1.0, val_accuracy=accuracy))
    assert made.best_epoch == 3


@settings(deadline=None, max_examples=50)
@given(
    values=st.lists(st.floats(-9, 9) | st.just(math.nan), max_size=12),
    larger=st.booleans(),
    min_delta=st.sampled_from([0.0, 0.5, 3.0]),
)
def test_the_best_epoch_is_the_last_that_improved_enough(values, larger, min_delta):
    made = History("val_r2", larger, min_delta)
    for epoch, value in enumerate(values, start=1):
        made.append(EpochRecord(epoch, 1.0, 0.1, 0.0, 1.0, {"val_r2": value}))
    best, epochs = None, [None]
    for epoch, value in enumerate(values, start=1):
        gain = math.inf if best is None else (value - best) * (1 if larger else -1)
        if not math.isnan(value) and gain > min_delta:
            best = value
            epochs.append(epoch)
    assert (made.best_epoch, made.best_value) == (epochs[-1], best)
    again = made.judged_alike(made.records)
    assert again.records == made.records
    assert again.best is made.best


def test_an_empty_history_has_no_best(tmp_path):
    empty = History()
    assert empty.best is None
    assert empty.best_epoch is None
    assert repr(empty) == "History(0 epochs)"
    assert str(empty) == repr(empty)
    with pytest.raises(DataError, match="nothing to draw"):
        empty.plot(tmp_path / "x.png")


def test_repr_says_how_good_the_best_epoch_is(history):
    assert repr(history) == "History(3 epochs, best 2 by val_loss: loss=0.5, val_loss=0.7, val_accuracy=0.2)"
    history.interrupted = True
    assert repr(history).endswith("interrupted)")


def test_the_table_marks_the_best_epoch(history):
    lines = [line for line in str(history).splitlines() if "●" in line]
    assert len(lines) == 2
    assert "0.7" in lines[1]
    console = Console(record=True, width=100)
    console.print(history)
    assert "val_accuracy" in console.export_text()


@pytest.mark.parametrize("best", [1, 30, 60])
def test_a_long_table_leaves_out_the_middle_but_not_the_best(best):
    made = History()
    for epoch in range(1, 61):
        made.append(record(epoch, 1.0 + abs(epoch - best)))
    rows = [line.split("│") for line in str(made).splitlines() if line.startswith("│")]
    assert f"● {best}" in [row[1].strip() for row in rows]
    assert len(rows) == 20 + (3 if best == 30 else 1)


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_curves_are_drawn_in_any_format(history, ending, magic, tmp_path):
    path = tmp_path / f"curves.{ending}"
    figure = history.plot(path)
    assert path.read_bytes().startswith(magic)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["loss", "accuracy"]
    labels = [[text.get_text() for text in axis.get_legend().get_texts()] for axis in figure.axes]
    assert labels == [["training", "validation", "best, epoch 2"], ["validation", "best, epoch 2"]]


def test_panels_are_titled_as_people_write_the_metrics():
    made = History("val_loss")
    made.append(record(1, 0.5, 0.4, val_r2=0.5, val_mae=0.1, val_hits=3.0))
    titles = [axis.get_title(loc="left") for axis in made.plot().axes]
    assert titles == ["loss", "R²", "mean absolute error", "hits"]


def test_many_panels_take_several_rows():
    made = History("val_loss")
    made.append(record(1, 0.5, 0.4, **{f"val_metric_{i}": 0.5 for i in range(6)}))
    figure = made.plot()
    assert len(figure.axes) == 7
    assert figure.get_figwidth() < 16
    assert len({round(axis.get_subplotspec().rowspan.start) for axis in figure.axes}) == 3


@pytest.mark.parametrize(("losses", "scale"), [((5.0, 0.4), "log"), ((1.9, 0.5), "linear"), ((-0.5, 90.0), "linear")])
def test_losses_over_powers_of_ten_are_drawn_on_a_logarithmic_axis(losses, scale):
    made = History()
    for epoch, loss in enumerate(losses, start=1):
        made.append(record(epoch, loss))
    assert made.plot().axes[0].get_yscale() == scale


def test_a_format_that_is_none_is_named(history, tmp_path):
    with pytest.raises(DataError, match=r"ends in \.xyz, which is no format; use .*png"):
        history.plot(tmp_path / "curves.xyz")
    assert list(tmp_path.iterdir()) == []


def test_a_history_comes_back_from_its_file(history, tmp_path):
    path = tmp_path / "metrics.jsonl"
    history.write(path)
    back = History.read(path)
    assert back.records == history.records
    assert back.best_epoch == 2
    assert [json.loads(line)["loss"] for line in path.read_text().splitlines()] == [0.9, 0.5, 0.3]


def test_what_is_not_finite_becomes_null(tmp_path):
    made = History()
    made.append(record(1, 0.5, r2=math.nan))
    made.write(tmp_path / "x.jsonl")
    assert json.loads((tmp_path / "x.jsonl").read_text())["r2"] is None
    assert math.isnan(History.read(tmp_path / "x.jsonl")["r2"][0])


@pytest.mark.parametrize("text", ["hello", '{"epoch": 1}', "[1, 2]", '{"epoch": 1, "loss": "x", "lr": 1}', "3"])
def test_a_file_that_is_no_history_is_refused(text, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(CheckpointError, match="is not a history"):
        History.read(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        History.read(tmp_path / "none.jsonl")


@pytest.mark.parametrize("epochs", [1, 2, 3, 50])
def test_ticks_of_epochs_are_whole_numbers(epochs):
    from lamina.training.plot import draw

    made = History()
    for epoch in range(1, epochs + 1):
        made.append(EpochRecord(epoch, 1.0 / epoch, 0.1, 0.0))
    low, high = (axis := draw(made).axes[0].xaxis).get_view_interval()
    ticks = [tick for tick in axis.get_ticklocs() if low <= tick <= high]
    assert ticks
    assert all(float(tick).is_integer() for tick in ticks)
