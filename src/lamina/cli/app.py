"""What can be typed: the commands, their options and their help.

What a command does is loaded when it runs, so that help comes at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lamina import __version__
from lamina.cli.exit_codes import FAILED, INTERRUPTED
from lamina.errors import LaminaError

EXAMPLES = {
    "train": (
        "lamina train",
        "lamina train houses.csv --target price --out runs/houses",
        'lamina train iris.csv --target species --hidden "" --epochs 300',
    ),
    "evaluate": ("lamina evaluate runs/houses houses_test.csv",),
    "predict": ("lamina predict runs/houses new.csv -o out.csv",),
}


def _epilog(*examples: str) -> str:
    title = "Example:" if len(examples) == 1 else "Examples:"
    return "\n".join([f"[bold]{title}[/]", *[f"  [green]{example}[/]" for example in examples]])


app = typer.Typer(
    name="lamina",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_epilog(*[example for examples in EXAMPLES.values() for example in examples]),
)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn what a user can cause into one line on standard error and an exit code."""
    try:
        yield
    except LaminaError as error:
        _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except MemoryError as error:
        _fail(f"there is not enough memory: {error or 'none is left'}; try smaller --hidden widths or a smaller table")
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _fail(message: str) -> NoReturn:
    from lamina.cli.display import show_error

    show_error(message)
    raise typer.Exit(FAILED) from None


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lamina {__version__}")
        raise typer.Exit


@app.callback()
def _lamina(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Train networks on tables and embedded data sets, measure them, and predict with them."""


Device = Annotated[str, typer.Option("--device", help="Where to compute: cpu, cuda, or a device of a plugin.")]


@app.command(epilog=_epilog(*EXAMPLES["train"]))
def train(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A table with a header: .csv, .tsv or .parquet. Without it, the embedded digits.", show_default=False
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", "-t", help="The column of the table to predict.", show_default=False)
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="classification or regression. [dim]\\[default: classification if the target is text, boolean, or "
            "whole numbers with at most 10 values; else regression][/]",
            show_default=False,
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            help='Widths of the hidden layers, such as "128,64"; "" for a linear or logistic model. '
            "[dim]\\[default: 512 for digits, 64,32 for a table][/]",
            show_default=False,
        ),
    ] = None,
    activation: Annotated[str, typer.Option(help="Between the layers: relu, gelu, tanh, ...")] = "relu",
    dropout: Annotated[
        float | None,
        typer.Option(
            help="Share of hidden values dropped in training. [dim]\\[default: 0.3 for digits, 0 for a table][/]",
            show_default=False,
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            help="Share of certainty that the loss gives to the other classes. "
            "[dim]\\[default: 0.1 for digits, 0 for a table][/]",
            show_default=False,
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="adamw, adam, sgd, rmsprop, lion, ...")] = "adamw",
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate. [dim]\\[default: 0.001, or 0.01 without hidden layers][/]", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the data. [dim]\\[default: 60 for digits, 200 for a table][/]", show_default=False
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows per step.")] = 32,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Share of the rows set aside to choose the best weights; 0 for none. "
            "[dim]\\[default: 0.1 for digits, 0.2 for a table][/]",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Stop after so many epochs without a better loss; 0 for never. "
            "[dim]\\[default: 0 for digits, 30 for a table][/]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same model.")] = 0,
    device: Device = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder to make. [dim]\\[default: runs/NAME-TIME][/]", show_default=False),
    ] = None,
) -> None:
    """Train a network on a table, or on the embedded handwritten digits.

    It leaves a run folder with the weights, the configuration, a line of
    metrics per epoch, a picture of the curves and the results. Ctrl-C ends the
    training early; the folder then holds the best weights so far.
    """
    from lamina.cli.options import table_choice, training_options
    from lamina.cli.train import train as run

    choice = table_choice(file, target, task)
    options = training_options(
        embedded=choice is None,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        optimizer=optimizer,
        hidden=hidden,
        activation=activation,
        dropout=dropout,
        label_smoothing=label_smoothing,
        validation=validation,
        patience=patience,
        seed=seed,
        device=device,
    )
    with _readable_errors():
        raise typer.Exit(run(choice, options, out))


@app.command(epilog=_epilog(*EXAMPLES["evaluate"]))
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder, made by `lamina train`.", show_default=False)],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A table with the columns of the training table. Without it, the held-out digits.",
            show_default=False,
        ),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Show how good a trained model is on a table it may never have seen."""
    with _readable_errors():
        from lamina.cli.evaluate import evaluate as measure

        measure(run, file, device)


@app.command(epilog=_epilog(*EXAMPLES["predict"]))
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder, made by `lamina train`.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="A table with the columns of the training table.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The CSV file to write: the table with its predictions.", show_default=False
        ),
    ],
    device: Device = "cpu",
) -> None:
    """Write a table with the model's prediction for every row.

    Its columns are those of the table, the prediction, and for classes the probability of each.
    """
    with _readable_errors():
        from lamina.cli.predict import predict as write

        write(run, file, output, device)
