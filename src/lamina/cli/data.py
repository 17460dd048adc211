"""`lamina data`: the embedded sets and generators, and what the columns of a file are like."""

from __future__ import annotations

import inspect
import shlex
from pathlib import Path

from lamina.cli.declare import Given
from lamina.cli.exit_codes import DONE
from lamina.cli.output import WRITERS, check_output, frame_bytes
from lamina.cli.screen import Screen
from lamina.data import Table, describe_embedded, generators, infer_schema
from lamina.data.reading.image_files import class_files
from lamina.data.schema import Schema
from lamina.files import replace_file
from lamina.runs.data_kinds import IMAGES, TABLE, TEXT, kind_of
from lamina.runs.option_declaration import OptionError
from lamina.runs.subjects.named import GENERATORS, Reading, named_table
from lamina.runs.subjects.text import read_text


def data(given: Given) -> int:
    """List what there is, describe one of it or a file, or write it as a table."""
    options, screen = given.options, given.screen
    if options.name is None:
        if options.output is not None:
            raise OptionError("output", "name what to write: lamina data moons -o moons.csv")
        _list(screen)
        return DONE
    if options.output is not None and str(options.output) != "-":
        check_output(options.output, WRITERS)
    how = Reading.of(options)
    path, kind = Path(options.name), kind_of(options.name, None, None)
    if options.output is None and kind != TABLE:
        how.refuse(f"{options.name} is none with tables")
        {TEXT: _show_text, IMAGES: _show_images}[kind](path, screen)
        return DONE
    table, description = named_table(options.name, how, options.settings)
    if options.output is not None:
        _write(table, options.output, screen)
        return DONE
    schema = infer_schema(table)
    screen.note(*table.notes)
    _show(schema, description, screen)
    return DONE


def _list(screen: Screen) -> None:
    embedded = describe_embedded()
    made = {name: (inspect.getdoc(getattr(generators, name)) or "").splitlines()[0] for name in GENERATORS}
    made = {name: text.removeprefix("Return ").rstrip(".").replace("``", "") for name, text in made.items()}
    screen.table(["embedded set", "what it is"], [[name, text] for name, text in embedded.items()])
    screen.table(["generator", "what it makes"], [[name, text] for name, text in made.items()])
    screen.say("train on one:      lamina train wine\nsee its columns:   lamina data wine")
    screen.result({"embedded": embedded, "generators": made})


def _show(schema: Schema, description: str, screen: Screen) -> None:
    if description:
        screen.line(description)
    titles = ["column", "kind", "missing", "distinct", "examples"]
    rows = [
        [each.name, each.kind, f"{each.missing:,}", f"{each.distinct:,}", each.examples_text] for each in schema.columns
    ]
    screen.table(titles, rows, f"{schema.name}: {schema.rows:,} rows, {len(schema.columns):,} columns")
    screen.result({**schema.to_json(), "description": description})


def _show_text(path: Path, screen: Screen) -> None:
    text = read_text(path)
    counts = {"characters": len(text), "different characters": len(set(text)), "words": len(text.split()),
              "lines": len(text.splitlines())}  # fmt: skip
    screen.table(["text", "count"], [[name, f"{count:,}"] for name, count in counts.items()], str(path))
    screen.say(f"train on it:  lamina train {shlex.quote(str(path))}    as a table: with --target COLUMN")
    screen.result({"name": str(path), "kind": TEXT, **counts})


def _show_images(path: Path, screen: Screen) -> None:
    classes = {name: len(files) for name, files in class_files(path).items()}
    screen.table(["class", "images"], [[name, f"{count:,}"] for name, count in classes.items()], str(path))
    screen.result({"name": str(path), "kind": IMAGES, "classes": classes})


def _write(table: Table, path: Path, screen: Screen) -> None:
    content = frame_bytes(table.frame, path)
    if str(path) == "-":
        print(content.decode(), end="")
        return
    replace_file("data", path, content)
    screen.line(f"{len(table):,} rows of {table.name} written to {path}")
    screen.result({"name": table.name, "rows": len(table), "output": str(path)})
