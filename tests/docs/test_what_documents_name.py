"""What documents about the code name: a reader who follows a path or a name finds something there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "docs/architecture.md", *sorted((ROOT / "docs/decisions").glob("*.md"))]
# In inline code: a file of Python, or a folder, which ends with a slash.
NAMED = re.compile(r"`((?:\.\.\./)?[\w./]*\w(?:\.py|/))`")
TOPS = ("src", "tests", "benchmarks", "examples", "docs")
FILES = {path.relative_to(ROOT).as_posix() for top in TOPS for path in (ROOT / top).rglob("*.*")}
FOLDERS = {f"{parent.as_posix()}/" for file in FILES for parent in Path(file).parents}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_that_a_document_names_is_there(document: Path) -> None:
    for named in NAMED.findall(document.read_text(encoding="utf-8")):
        ending = named.removeprefix(".../")
        assert any(f"/{each}".endswith(f"/{ending}") for each in FILES | FOLDERS), f"{document.name} names {named}"


@pytest.mark.parametrize("document", sorted((ROOT / "docs/reference").glob("*.md")), ids=lambda path: path.name)
def test_every_name_that_the_reference_is_made_of_is_there(document: Path) -> None:
    for name in re.findall(r"^::: ([\w.]+)$", document.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            import_module(name)
        except ModuleNotFoundError:
            home, _, member = name.rpartition(".")
            assert hasattr(import_module(home), member), f"{document.name} names {name}"
