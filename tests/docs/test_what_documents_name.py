"""What documents about the code name: a reader who follows a path or a name finds something there."""

from __future__ import annotations

import ast
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


@pytest.mark.parametrize(
    "package", sorted((ROOT / "src/lamina/compiler").rglob("__init__.py")), ids=lambda path: path.parent.name
)
def test_the_map_of_a_package_of_the_compiler_names_its_modules(package: Path) -> None:
    text = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
    there = {path.stem for path in package.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(re.findall(r"`(\w+)`", text)) == there - {"__init__"}


@pytest.mark.parametrize("document", sorted((ROOT / "docs/reference").glob("*.md")), ids=lambda path: path.name)
def test_every_name_that_the_reference_is_made_of_is_there(document: Path) -> None:
    for name in re.findall(r"^::: ([\w.]+)$", document.read_text(encoding="utf-8"), re.MULTILINE):
        try:
            import_module(name)
        except ModuleNotFoundError:
            home, _, member = name.rpartition(".")
            assert hasattr(import_module(home), member), f"{document.name} names {name}"


def test_the_reference_shows_each_name_of_nn_once() -> None:
    nn = import_module("lamina.nn")
    shown = [value for document in sorted((ROOT / "docs/reference").glob("*.md")) for value in documented(document)]
    for name in set(nn.__all__) - {"init"}:
        value = getattr(nn, name)
        assert sum(each is value for each in shown) == 1, f"nn.{name} is to stand once in the reference"


HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
LISTS = {"Parameters", "Returns", "Raises", "Attributes"}


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "src/lamina").iterdir() if path.is_dir()))
def test_a_source_is_no_entry_of_a_list(folder: str) -> None:
    for path in (ROOT / "src/lamina" / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
            for source in re.finditer(r"^Sources?: ", text or "", re.MULTILINE):
                before = HEADING.findall(text or "", 0, source.start())
                assert not before or before[-1] not in LISTS, f"{path.name}: {source.string[:60]}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert f": {page.relative_to(ROOT / 'docs').as_posix()}\n" in navigation, f"mkdocs.yml lacks {page.name}"


def documented(document: Path) -> list[object]:
    """What the directives of a page show: the named members of a module, or all public ones that it defines."""
    values = []
    directives = re.split(r"^::: ", document.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for directive in directives:
        try:
            module = import_module(directive.split()[0])
        except ModuleNotFoundError:
            continue  # a single function or class, of which `nn` has none
        members = re.search(r"members: \[([^\]]*)\]", directive)
        names = re.split(r",\s*", members[1]) if members else [each for each in vars(module) if each[0] != "_"]
        own = [getattr(module, name.strip()) for name in names]
        values += own if members else [each for each in own if getattr(each, "__module__", "") == module.__name__]
    return values
