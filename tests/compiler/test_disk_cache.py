"""Compiled programs are kept on disk: found again, rebuilt when damaged, and never taken from somebody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.compiler.runtime import cache, machine_code, private_folder
from lamina.compiler.runtime.cache import Entry, cached
from lamina.compiler.runtime.processor import host
from lamina.compiler.target import AVX2, AVX512
from lamina.errors import DataError

posix = pytest.mark.skipif(os.name != "posix", reason="about permissions that POSIX has")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    for name in ("LAMINA_CACHE", "LAMINA_CACHE_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path / "cache"


class Builder:
    """Builds entries and counts how often."""

    def __init__(self, content: bytes = b"code") -> None:
        self.content = content
        self.built = 0

    def __call__(self) -> Entry:
        self.built += 1
        return Entry((self.content, b"", b"more"), {"kernels": 3, "shape": (2, 3)})


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


# --- finding again ----------------------------------------------------------------------------------------


def test_an_equal_program_is_built_once() -> None:
    build = Builder()
    found = [cached(["program", host()], build) for _ in range(3)]
    assert build.built == 1
    assert found == [Entry((b"code", b"", b"more"), {"kernels": 3, "shape": [2, 3]})] * 3


def test_each_part_of_the_key_counts() -> None:
    keys = [["ab", "c"], ["a", "bc"], ["abc"], [b"abc"], ["abc", ""], ["abc", AVX2], ["abc", AVX512], []]
    builders = [Builder(str(number).encode()) for number in range(len(keys))]
    for _ in range(2):
        assert [cached(key, build).objects[0] for key, build in zip(keys, builders, strict=True)] == [
            str(number).encode() for number in range(len(keys))
        ]
    assert [build.built for build in builders] == [1] * len(keys)


def test_an_edited_compiler_does_not_load_older_code(monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    cached(["program"], build)
    monkeypatch.setattr(cache, "_compiler", lambda: b"another compiler")
    cached(["program"], build)
    assert build.built == 2


def test_a_program_in_memory_is_loaded_once_and_let_go_when_nobody_holds_it() -> None:
    code = machine_code.assemble("define void @f() { ret void }", host())
    first, second = (cache.program(["f"], lambda: Entry((code,), {})) for _ in range(2))
    assert first is second
    key = cache._key(["f"])
    assert key in cache._programs
    del first, second
    assert key not in cache._programs


def test_a_failure_to_build_passes_through_and_leaves_nothing() -> None:
    def fail() -> Entry:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cached(["program"], fail)
    assert cache.size() == 0


def test_clearing_removes_every_program(folder: Path) -> None:
    build = Builder()
    cached(["program"], build)
    assert cache.location() == str(folder)
    assert cache.size() == only_file(folder).stat().st_size
    cache.clear()
    assert cache.size() == 0
    cached(["program"], build)
    assert build.built == 2


# --- damage -----------------------------------------------------------------------------------------------


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"more",
        lambda content: os.urandom(len(content)),
        *(flipped(at) for at in (0, 9, 13, 17, 30, 60, -2)),
    ],
)
def test_a_damaged_entry_is_built_again(damage: Callable[[bytes], bytes], folder: Path) -> None:
    build = Builder()
    cached(["program"], build)
    file = only_file(folder)
    file.write_bytes(damage(file.read_bytes()))
    for _ in range(2):
        assert cached(["program"], build).objects == (b"code", b"", b"more")
    assert build.built == 2


def test_an_entry_under_another_program_s_name_is_not_taken_for_it(folder: Path) -> None:
    cached(["one"], Builder(b"one"))
    one = only_file(folder)
    cached(["two"], Builder(b"two"))
    (two,) = set(folder.iterdir()) - {one}
    two.write_bytes(one.read_bytes())
    assert cached(["two"], Builder(b"two")).objects[0] == b"two"


# --- trust ------------------------------------------------------------------------------------------------


@posix
def test_folder_and_files_are_private(folder: Path) -> None:
    cached(["program"], Builder())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert only_file(folder).stat().st_mode & 0o777 == 0o600


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_is_not_used_and_warned_of_once(mode: int, folder: Path) -> None:
    build = Builder()
    cached(["program"], build)
    folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match="can be written by other users"):
        cached(["program"], build)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cached(["program"], build)
        cached(["another"], build)
    assert build.built == 4


@posix
def test_a_file_that_others_can_write_is_not_loaded(folder: Path) -> None:
    build = Builder()
    cached(["program"], build)
    only_file(folder).chmod(0o606)
    with pytest.warns(RuntimeWarning, match="can be written by other users"):
        cached(["program"], build)
    assert build.built == 2


@posix
def test_what_belongs_to_another_user_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    cached(["program"], build)
    another = os.geteuid() + 1
    monkeypatch.setattr(private_folder.os, "geteuid", lambda: another)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        cached(["program"], build)
    assert build.built == 2


@posix
def test_symbolic_links_are_not_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = Builder()
    cached(["program"], build)
    file = only_file(folder)
    target = folder.parent / "elsewhere"
    file.rename(target)
    file.symlink_to(target)
    with pytest.warns(RuntimeWarning, match="symbolic link"):
        cached(["program"], build)
    link = folder.parent / "link"
    link.symlink_to(folder)
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(link))
    with pytest.warns(RuntimeWarning, match="link is a symbolic link"):
        cached(["program"], build)
    assert build.built == 3


@posix
def test_a_pipe_in_the_place_of_an_entry_does_not_hang(folder: Path) -> None:
    build = Builder()
    cached(["program"], build)
    file = only_file(folder)
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.warns(RuntimeWarning, match="not a file"):
        cached(["program"], build)


# --- where it is, and whether -----------------------------------------------------------------------------


def test_the_cache_can_be_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE", "0")
    build = Builder()
    assert cached(["program"], build) == cached(["program"], build)
    assert build.built == 2
    assert cache.location() is None
    assert cache.size() == 0
    assert not folder.exists()


@pytest.mark.parametrize(("name", "value"), [("LAMINA_CACHE", "maybe"), ("LAMINA_CACHE_SIZE", "large")])
def test_a_setting_that_makes_no_sense_is_an_exception(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(DataError, match=name):
        cached(["program"], Builder())


@pytest.mark.skipif(sys.platform != "linux", reason="about Linux's convention")
def test_the_cache_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAMINA_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.location() == str(tmp_path / "xdg" / "lamina")
    for elsewhere in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", elsewhere)
        assert cache.location() == str(tmp_path / ".cache" / "lamina")


def test_a_folder_that_cannot_be_made_means_no_caching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LAMINA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    build = Builder()
    assert cached(["program"], build).objects[0] == b"code"
    assert cache.size() == 0


def test_a_full_disk_means_no_caching(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    cached(["another"], Builder())
    monkeypatch.setattr(private_folder.os, "replace", full)
    build = Builder()
    assert [cached(["program"], build).objects[0] for _ in range(2)] == [b"code"] * 2
    assert build.built == 2
    assert len(list(folder.iterdir())) == 1


# --- the bound --------------------------------------------------------------------------------------------


def test_what_was_used_longest_ago_is_dropped_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "4K")
    content = bytes(1000)
    for number in range(3):
        cached([str(number)], Builder(content))
        for file in folder.iterdir():
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 10))
    cached(["0"], Builder(content))
    cached(["3"], Builder(content))
    assert cache.size() <= 4096
    builders = {key: Builder(content) for key in "0231"}
    for key, build in builders.items():
        cached([key], build)
    assert [build.built for build in builders.values()] == [0, 0, 0, 1]


def test_an_entry_larger_than_the_bound_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(["small"], Builder())
    monkeypatch.setenv("LAMINA_CACHE_SIZE", "1000")
    assert len(cached(["large"], Builder(bytes(1001))).objects[0]) == 1001
    assert len(list(folder.iterdir())) == 1


def test_what_a_killed_process_left_unfinished_is_removed(folder: Path) -> None:
    cached(["program"], Builder())
    abandoned, recent = (folder / f"{name}.unfinished" for name in ("abandoned", "recent"))
    abandoned.write_bytes(b"x")
    recent.write_bytes(b"x")
    os.utime(abandoned, (time.time() - 7200,) * 2)
    cached(["another"], Builder())
    assert not abandoned.exists()
    assert recent.exists()


# --- several processes ------------------------------------------------------------------------------------

_WRITER = """
import sys
from lamina.compiler.runtime.cache import Entry, cached
for turn in range(25):
    for key in range(8):
        wanted = bytes([key]) * 3000
        assert cached([str(key)], lambda: Entry((wanted,), {})).objects[0] == wanted
"""


def test_several_processes_may_write_and_evict_at_once(folder: Path) -> None:
    environment = {**os.environ, "LAMINA_CACHE_SIZE": "16K"}
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER], env=environment) for _ in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    assert cache.size() <= 16 * 1024
    assert not list(folder.glob("*.unfinished"))


def test_a_description_that_json_lacks_is_refused_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(ValueError):
        cached(["program"], lambda: Entry((b"",), {"x": json.loads("NaN")}))
    assert not folder.exists()
