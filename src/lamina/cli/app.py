"""The command `lamina`: its subcommands with examples, and what can be typed before them.

What a command does is loaded when it runs, so that help comes at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from lamina import __version__
from lamina.cli.commands import Bench, Data, Evaluate, Export, Generate, Inspect, Predict, Report, Train, Tune
from lamina.cli.declare import add_command
from lamina.cli.exit_codes import INTERRUPTED, MEANINGS

COMMANDS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "train": (
        Train,
        (
            "lamina train",
            "lamina train houses.csv --target price --out runs/houses",
            'lamina train iris.csv --target species --hidden "" --epochs 300',
            "lamina train photos --augment flip,crop --out runs/photos",
            "lamina train shakespeare.txt --out runs/shakespeare",
            "lamina train --config runs/houses/config.toml --lr 0.01",
            "lamina train --resume runs/houses",
        ),
    ),
    "evaluate": (Evaluate, ("lamina evaluate runs/houses houses_test.csv",)),
    "predict": (Predict, ("lamina predict runs/houses new.csv -o out.csv",)),
    "generate": (Generate, ('lamina generate runs/shakespeare --prompt "ROMEO:" --tokens 500',)),
    "tune": (Tune, ('lamina tune houses.csv --target price --search lr=log:1e-4:1e-1 --search "dropout=0:0.5"',)),
    "report": (Report, ("lamina report runs/houses -o houses.html",)),
    "export": (Export, ("lamina export runs/houses -o houses.onnx",)),
    "inspect": (Inspect, ("lamina inspect runs/houses --graph mermaid",)),
    "bench": (Bench, ("lamina bench --sizes 784,256,128,10 --batch-size 128",)),
    "data": (Data, ("lamina data", "lamina data houses.csv")),
}


def _epilog(*examples: str) -> str:
    title = "Example:" if len(examples) == 1 else "Examples:"
    return "\n".join([f"[bold]{title}[/]", *[f"  [green]{example}[/]" for example in examples]])


def _exit_codes() -> str:
    return "\n".join(["[bold]Exit status:[/]", *[f"  {code}: {meaning}" for code, meaning in MEANINGS.items()]])


app = typer.Typer(
    name="lamina",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_epilog(*[each for _, examples in COMMANDS.values() for each in examples[:2]]) + "\n\n" + _exit_codes(),
)


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


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
    """Train networks on tables, images and text, measure and explain them, predict with them, and let them write."""


for _name, (_table, _examples) in COMMANDS.items():
    # One file may hold the options of a training and of its search.
    _unused = {"train": (Tune,), "tune": (Train,)}.get(_name, ())
    add_command(app, _name, _table, handler=f"lamina.cli.{_name}", unused=_unused, epilog=_epilog(*_examples))
