"""What a person sees while a model trains."""

import io
import sys
from types import ModuleType

import pytest
from rich.console import Console

from lamina import nn
from lamina.training import Callback, History, TrainingState, fit, progress
from lamina.training.units import Unit


@pytest.fixture
def terminal(monkeypatch):
    """Make every console a terminal of 120 columns that writes to the text returned."""
    text = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda: Console(file=text, force_terminal=True, width=120))
    return text


def test_outside_a_terminal_an_epoch_is_a_line(line, linear, capsys):
    fit(linear, line, loss=nn.mse_loss, epochs=11, validation=0.25, metrics=["mae"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[0].startswith("epoch  1/11  loss ")
    assert "val_loss" in lines[10]
    assert "val_mae" in lines[10]


def test_outside_a_terminal_the_reason_of_a_stop_is_the_last_line(line, linear, capsys):
    class Stop(Callback):
        def on_epoch_end(self, state, record):
            state.request_stop("enough")

    fit(linear, line, loss=nn.mse_loss, callbacks=[Stop()])
    assert capsys.readouterr().out.splitlines()[-1] == "stopped: enough"


@pytest.mark.parametrize("shown", [False, "auto"])
def test_nothing_is_shown_when_off_or_outside_a_terminal_when_automatic(line, linear, capsys, shown):
    fit(linear, line, loss=nn.mse_loss, epochs=2, progress=shown)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shown", [True, "auto"])
def test_a_terminal_shows_a_bar_with_rate_and_loss(line, linear, terminal, shown):
    fit(linear, line, loss=nn.mse_loss, epochs=3, batch_size=8, validation=0.25, progress=shown)
    last = terminal.getvalue().splitlines()[-3:]
    assert "epoch 3/3" in last[0]
    assert "100%" in last[0]
    assert "samples/s" in last[0]
    assert "val_loss" in last[1]


@pytest.mark.parametrize("width", [80, 60, 40])
def test_bar_and_values_take_a_line_each_in_any_terminal(line, linear, width):
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    bar = progress.ProgressBar(console)
    bar._epoch_values = "loss 0.1234  val_loss 0.1234  val_accuracy 0.1234"
    state = TrainingState(linear, None, History(), 100_000, 5000, 8, epoch=99_999, step=10**8, samples=10**9)
    bar.on_train_begin(state)
    bar.on_train_end(state)
    with console.capture() as capture:
        console.print(bar._bar.get_renderable())
    lines = capture.get().splitlines()
    assert len(lines) == 2
    assert max(len(each) for each in lines) <= width


def test_the_bar_is_drawn_seldom(line, linear, terminal, monkeypatch):
    drawn = []
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 1000.0)
    monkeypatch.setattr(progress.ProgressBar, "draw", lambda self, shown: drawn.append(shown))
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)
    fit(linear, line, loss=nn.mse_loss, epochs=50, batch_size=1)
    # Once, at the end.
    assert len(drawn) == 1


class Shown(progress.ProgressDisplay):
    """Keeps what is shown."""

    def __init__(self, *unit):
        super().__init__(*unit)
        self.all = []

    def begin(self, progress):
        self.all.append(progress)

    def draw(self, progress):
        self.all.append(progress)

    def end(self, progress, reason):
        self.all.append(progress)


def test_the_pace_is_counted_in_the_unit_of_the_data(linear):
    display = Shown(Unit("tokens", 16))
    state = TrainingState(linear, None, History(), 10, 100, 8)
    display.on_train_begin(state)
    display._started -= 2.0
    state.step, state.samples = 100, 800
    display.on_progress(state)
    assert display.all[-1].rate == "6.4k tokens/s"


def test_a_resumed_training_counts_the_pace_from_where_it_goes_on(linear):
    display = Shown()
    shown = display.all
    state = TrainingState(linear, None, History(), 10, 100, 8, epoch=5, step=500, samples=4000)
    display.on_train_begin(state)
    display._started -= 2.0
    state.step, state.samples = 600, 4800
    display.on_progress(state)
    assert (shown[0].percent, shown[0].left, shown[0].rate) == (50, "–", "0 samples/s")
    assert (shown[1].percent, shown[1].left, shown[1].rate) == (60, "00:08", "400 samples/s")


# --- in a notebook ---


class Display:
    """Stands for IPython's display: keeps what the cell shows."""

    def __init__(self):
        self.shown = []

    def display(self, page, display_id):
        assert display_id is True
        self.shown.append(page)
        return self

    def update(self, page):
        self.shown[-1] = page


@pytest.fixture
def notebook(monkeypatch):
    """Be in a notebook that has IPython, as every notebook has, and nothing else."""
    cell = Display()
    module = ModuleType("IPython.display")
    module.display = cell.display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr(progress, "Console", lambda: Console(force_jupyter=True))
    return cell


@pytest.mark.parametrize("shown", [True, "auto"])
def test_a_notebook_shows_one_bar_with_rate_loss_and_metrics(line, linear, notebook, capsys, shown):
    fit(linear, line, loss=nn.mse_loss, epochs=3, batch_size=8, validation=0.25, metrics=["mae"], progress=shown)
    assert len(notebook.shown) == 1
    page = notebook.shown[0]._repr_html_()
    for each in ("epoch 3/3", 'value="18" max="18"', "100&nbsp;%", "00:00 left", "samples/s", "val_loss", "val_mae"):
        assert each in page
    assert "epoch 3/3  100 %" in repr(notebook.shown[0])
    assert capsys.readouterr() == ("", "")


def test_names_and_reasons_in_a_notebook_are_text(line, linear, notebook):
    class Stop(Callback):
        def on_epoch_end(self, state, record):
            state.request_stop("<b>enough</b>")

    def metric(outputs, targets):
        return 1.0

    metric.__name__ = "<script>"
    fit(linear, line, loss=nn.mse_loss, metrics=[metric], callbacks=[Stop()])
    page = notebook.shown[0]._repr_html_()
    assert "&lt;b&gt;enough" in page
    assert "&lt;script&gt; 1.0000" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "00:00"), (59.6, "01:00"), (3599, "59:59"), (3600, "1:00:00"), (360_000, "100:00:00")]
)
def test_times_are_minutes_and_seconds(seconds, text):
    assert progress._duration(seconds) == text


def test_the_terminal_is_given_back_after_an_error(line, linear, terminal):
    class Fail(Callback):
        def on_epoch_end(self, state, record):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fit(linear, line, loss=nn.mse_loss, callbacks=[Fail()])
    # The cursor that the bar hid is shown again.
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0.0000"), (0.5, "0.5000"), (-12.0, "-12.0000"), (2.5e-6, "2.500e-06"), (3e30, "3.000e+30")],
)
def test_losses_keep_their_place_unless_that_would_hide_them(number, text):
    assert progress._number(number) == text


@pytest.mark.parametrize(("number", "text"), [(0.4, "0"), (999.0, "999"), (1500.0, "1.5k"), (2.5e6, "2.5M")])
def test_rates_are_short(number, text):
    assert progress._short(number) == text
