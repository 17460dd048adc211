"""From a dataclass of options to a command of typer's, with a configuration file and the same checks for both."""

from __future__ import annotations

import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from lamina.cli.exit_codes import DIVERGED, FAILED, INTERRUPTED
from lamina.cli.screen import Screen, show_error
from lamina.errors import LaminaError, TrainingDiverged
from lamina.runs.config_files import ConfigurationError, read_configuration
from lamina.runs.option_declaration import HEADINGS, Option, OptionError, declared
from lamina.runs.option_kinds import Choice, File, Flag, Listed, Unfit
from lamina.runs.options import filled

COMMON = "of every command"


@dataclass(frozen=True)
class Given:
    """What a user gave for a command.

    Attributes
    ----------
    options : dataclass
        All values, defaults included.
    names : frozenset of str
        Of the options that were given, on the command line or in a file.
    screen : Screen
    """

    options: Any
    names: frozenset[str]
    screen: Screen


def add_command(
    app: typer.Typer, name: str, table: type[Any], *, handler: str, unused: tuple[type[Any], ...], epilog: str
) -> None:
    """Make a command of a dataclass that declares its options.

    Parameters
    ----------
    app : Typer
    name : str
    table : dataclass
        Its docstring is the help.
    handler : str
        The module that has a function of the command's name, loaded when it runs: ``handler(given) -> int``.
    unused : tuple of dataclass
        Of other commands' options, which may stand in its configuration file.
    epilog : str
    """

    rows = declared(table)

    def command(**values: Any) -> None:
        screen = Screen(json=values.pop("json"), quiet=values.pop("quiet"))
        given = _given(table, values, unused, screen)
        with readable_errors(rows), screen.warnings_as_notes():
            code = _loaded(handler, name)(given)
        raise typer.Exit(code)

    parameters = [*map(_parameter, rows.values()), *_common_parameters()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(name, help=inspect.getdoc(table), epilog=epilog)(command)


def _loaded(module: str, name: str) -> Callable[[Given], int]:
    """Return the function of a command. Nothing has been done yet, so Ctrl-C ends the process while it is loaded."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not ours or before is not signal.default_int_handler:
        return getattr(import_module(module), name)  # type: ignore[no-any-return]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return getattr(import_module(module), name)  # type: ignore[no-any-return]
    finally:
        signal.signal(signal.SIGINT, before)


# --- what typer is told ---


def _parameter(row: Option) -> inspect.Parameter:
    """Return an option as typer has it; its value stays what was typed, to be checked as one in a file is."""
    details: dict[str, Any] = {
        "help": _help(row),
        "show_default": False,
        "rich_help_panel": None if row.argument or not row.section else f"Options: {HEADINGS[row.section]}",
    }
    kind: Any = bool if isinstance(row.kind, Flag) else Path if isinstance(row.kind, File) else str
    if row.repeated:
        kind = list[str]
    if row.argument:
        info: Any = typer.Argument(metavar=row.kind.metavar, **details)
    elif isinstance(row.kind, Flag):
        info = typer.Option(f"{row.flag}/--no-{row.flag[2:]}", *row.flags, **details)
    else:
        if isinstance(row.kind, Choice | Listed):
            details["autocompletion"] = _completion(row)
        info = typer.Option(row.flag, *row.flags, metavar=row.kind.metavar, **details)
    annotation = Annotated[kind | None, info]
    return inspect.Parameter(row.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(row: Option) -> str:
    default = row.default_text
    # A bracket that is not escaped would be taken for a style.
    return f"{row.help} [dim]\\[default: {default}][/]" if default else row.help


def _completion(row: Option) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",") if isinstance(row.kind, Listed) else ("", "", incomplete)
        return [before + comma + name for name in row.kind.names() if name.startswith(last)]

    return complete


def _common_parameters() -> list[inspect.Parameter]:
    panel: dict[str, Any] = {"rich_help_panel": f"Options: {COMMON}"}
    rows: list[tuple[str, Any, Any]] = [
        (
            "config",
            None,
            Annotated[
                Path | None,
                typer.Option(
                    help="A TOML file with options by their names, dashes as underscores; what is typed counts more.",
                    metavar="FILE",
                    show_default=False,
                    **panel,
                ),
            ],
        ),
        ("json", False, Annotated[bool, typer.Option("--json", help="Show one JSON object, nothing else.", **panel)]),
        ("quiet", False, Annotated[bool, typer.Option("--quiet", "-q", help="Show the results only.", **panel)]),
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, keyword, default=value, annotation=kind) for name, value, kind in rows]


# --- what the user gave, checked ---


def _given(table: type[Any], values: Mapping[str, Any], unused: tuple[type[Any], ...], screen: Screen) -> Given:
    """Return the options of the command line, those of a configuration file, and defaults, in this order."""
    rows = declared(table)
    typed = {name: _parsed(rows[name], values[name]) for name in rows if values[name] not in (None, [])}
    written: dict[str, Any] = {}
    if values["config"] is not None:
        try:
            written = read_configuration(values["config"], table, unused=unused)
        except ConfigurationError as error:
            raise typer.BadParameter(str(error), param_hint="--config") from None
    found = {**written, **typed}
    for name, row in rows.items():
        if row.repeated and name in written and name in typed:
            found[name] = {**written[name], **typed[name]}
        if row.required and name not in found:
            raise typer.BadParameter("it is missing; see --help", param_hint=row.flag)
    return Given(filled(table, found), frozenset(found), screen)


def _parsed(row: Option, value: Any) -> Any:
    try:
        if row.repeated:
            found: dict[str, Any] = {}
            for each in value:
                found.update(row.kind.parse(each))
            return found
        return row.kind.accept(value) if isinstance(value, bool | Path) else row.kind.parse(value)
    except Unfit as error:
        raise typer.BadParameter(str(error), param_hint=row.flag) from None


# --- what can go wrong ---


@contextmanager
def readable_errors(rows: Mapping[str, Option]) -> Iterator[None]:
    """Turn what a user can cause into one line on standard error and an exit code; options are named as in help."""
    try:
        yield
    except OptionError as error:
        hint = rows[error.name].flag if error.name in rows else "--" + error.name.replace("_", "-")
        raise typer.BadParameter(error.reason, param_hint=hint) from None
    except TrainingDiverged as error:
        _fail(str(error), DIVERGED)
    except LaminaError as error:
        _fail(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except MemoryError as error:
        _fail(f"there is not enough memory: {error or 'none is left'}; try a smaller network, batch or table")
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _fail(message: str, code: int = FAILED) -> NoReturn:
    show_error(message)
    raise typer.Exit(code) from None
