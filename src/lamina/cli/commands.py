"""The commands and their options, each declared once; what they do is loaded when they run."""

# ruff: noqa: RUF009 - the calls make fields

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lamina.data.decimals import DECIMALS, Decimal
from lamina.runs.option_declaration import option
from lamina.runs.option_kinds import Choice, File, Flag, Kind, Listed, Number, Settings, Whole, Widths
from lamina.runs.options import ENCODING, FOUND_ENCODING, HEADER, WHICH_TABLE, TrainingOptions
from lamina.runs.text_options import SamplingOptions
from lamina.tuning.options import TuneOptions

RUN = File(metavar="RUN")
FORMATS = ("mermaid", "dot", "svg")


def _run() -> Any:
    return option(RUN, None, "A run folder, made by `lamina train`.", "", argument=True, required=True)


def _device() -> Any:
    return option(Kind(), "cpu", "Where to compute: cpu, cuda, or a device of a plugin.", "")


def _table() -> Any:
    return option(Kind(metavar="NAME"), None, WHICH_TABLE, "")


AS_IN_TRAINING = "as in training"


def _decimal(shown: str = AS_IN_TRAINING) -> Any:
    kind = Choice(among=DECIMALS, metavar="MARK")
    return option(kind, None, "How numbers are written: . for 1,234.5 and , for 1.234,5.", "", shown=shown)


def _encoding(shown: str = AS_IN_TRAINING) -> Any:
    return option(Kind(metavar="NAME"), None, ENCODING, "", shown=shown)


def _header(shown: str = AS_IN_TRAINING) -> Any:
    return option(Flag(), None, HEADER, "", shown=shown)


@dataclass(frozen=True)
class Train(TrainingOptions):
    """Train a network on a table, on a folder of images, on a text, or on the embedded handwritten digits.

    It leaves a run folder with the weights, the configuration, a line of
    metrics per epoch, a picture of the curves and the results. Ctrl-C ends the
    training early; the folder then holds the best weights so far, and
    --resume goes on with it, as after a crash.
    """

    out: Path | None = option(File(), None, "The run folder to make.", "run", shown="runs/NAME-TIME")
    resume: Path | None = option(
        RUN, None, "Go on with the training of a run folder, as if it had never stopped.", "run"
    )


@dataclass(frozen=True)
class Generate(SamplingOptions):
    """Let a language model write on from a prompt.

    The model is one that `lamina train` made of a text.
    """

    run: Path | None = _run()
    tokens: int = option(Whole(wanted="write at least 1 token", least=1), 200, "How many tokens to write.", "text")
    seed: int | None = option(
        Whole(wanted="the seed must be at least 0 and below 2**32", below=2**32),
        None,
        "The same seed gives the same text.",
        "text",
        shown="another text every time",
    )
    device: str = _device()


@dataclass(frozen=True)
class Evaluate:
    """Show how good a trained model is on data it may never have seen."""

    run: Path | None = _run()
    file: Path | None = option(
        File(metavar="FILE"),
        None,
        "A table with the columns of the training table, the name of an embedded set, a folder of images with the "
        "same classes, or a text.",
        "",
        shown="what an embedded set or --test held out",
        argument=True,
    )
    table: str | None = _table()
    decimal: Decimal | None = _decimal()
    encoding: str | None = _encoding()
    header: bool | None = _header()
    metrics: tuple[str, ...] = option(Listed(), (), "What to measure beside the usual, such as roc_auc,log_loss.", "")
    device: str = _device()


@dataclass(frozen=True)
class Predict:
    """Write a table with the model's prediction for every row of a table, or every image.

    Its columns are those of the table, or the image's file, the prediction,
    and for classes the probability of each. Categories that training did not know are named and
    count as none of the known.
    """

    run: Path | None = _run()
    file: Path | None = option(
        File(metavar="FILE"),
        None,
        "A table with the columns of the training table, the name of an embedded set, an image, or a folder of images.",
        "",
        argument=True,
        required=True,
    )
    output: Path | None = option(
        File(metavar="FILE"),
        None,
        "The file to write: .csv, .tsv, .json, .ndjson, .parquet or .arrow; - for CSV on standard output.",
        "",
        flags=("-o",),
        required=True,
    )
    table: str | None = _table()
    decimal: Decimal | None = _decimal()
    encoding: str | None = _encoding()
    header: bool | None = _header()
    device: str = _device()


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML page about a run.

    Curves, metrics, confusion matrix or residuals, ROC, the model, the
    configuration, the machine and the data's schema.
    """

    run: Path | None = _run()
    output: Path | None = option(
        File(metavar="FILE"), None, "The page to write.", "", shown="RUN/report.html", flags=("-o",)
    )


@dataclass(frozen=True)
class Export:
    """Write a trained model for other programs: ONNX, or its weights as safetensors.

    The ONNX model takes the columns of the table as they are, prepares them
    as in training, and answers with labels and probabilities, or values in
    the units of the target. One of images takes pixels from 0 to 1, a language
    model tokens.
    """

    run: Path | None = _run()
    output: Path | None = option(
        File(metavar="FILE"),
        None,
        "The file to write; its ending, .onnx or .safetensors, chooses the format.",
        "",
        shown="RUN/model.onnx",
        flags=("-o",),
    )


@dataclass(frozen=True)
class Inspect:
    """Show what is in the folder of a run or a search, a weight file (.safetensors) or an ONNX model."""

    path: Path | None = option(
        File(),
        None,
        "A folder of a run or a search, a .safetensors file or a .onnx file.",
        "",
        argument=True,
        required=True,
    )
    graph: str | None = option(
        Choice(among=FORMATS), None, "Show the computation graph of the model: mermaid, dot or svg.", ""
    )
    output: Path | None = option(
        File(metavar="FILE"), None, "Write the graph to this file instead of showing it.", "", flags=("-o",)
    )


@dataclass(frozen=True)
class Bench:
    """Measure how fast this machine trains: operation by operation and compiled, beside the peak of its cores."""

    sizes: tuple[int, ...] = option(
        Widths(), (32, 64, 64, 1), "Widths of input, hidden layers and output of a network.", ""
    )
    batch_size: int = option(
        Whole(wanted="a step takes at least 1 sample", least=1), 64, "Samples per step.", "", shown="64"
    )
    seconds: float = option(
        Number(wanted="the time must be above 0 and at most 600", above=0.0, most=600.0),
        1.0,
        "How long each measurement takes.",
        "",
    )
    threads: int | None = option(
        Whole(wanted="give at least 1 thread", least=1, below=4096), None, "Threads to use.", "", shown="all cores"
    )


@dataclass(frozen=True)
class Data:
    """List the embedded data sets and generators, or describe one, or the columns of a file."""

    name: str | None = option(
        Kind(metavar="NAME"), None, "An embedded set, a generator, or a file.", "", shown="all", argument=True
    )
    table: str | None = _table()
    decimal: Decimal | None = _decimal("found in the columns")
    encoding: str | None = _encoding(FOUND_ENCODING)
    header: bool | None = _header("with")
    output: Path | None = option(
        File(metavar="FILE"), None, "Write it as a table to this file, such as moons.csv.", "", flags=("-o",)
    )
    settings: dict[str, Any] = option(Settings(), {}, 'Settings of a generator, such as "noise=0.2, seed=3".', "")


@dataclass(frozen=True)
class Tune(TuneOptions):
    """Search for the best options of a training, by Optuna.

    Every option may be fixed as for `lamina train`, or searched:
    --search lr=log:1e-4:1e-1 --search "hidden=32|64|128,64" --search dropout=0:0.5.
    It leaves a folder with all trials and the best options as a configuration
    file, for lamina train --config FOLDER/best.toml.
    """

    out: Path | None = option(File(), None, "The folder to make.", "run", shown="runs/NAME-tune-TIME")
    resume: Path | None = option(File(metavar="FOLDER"), None, "Go on with the search of a folder.", "run")
