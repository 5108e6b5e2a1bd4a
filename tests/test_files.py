"""Files are whole or absent, and what a disk refuses is said in words."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unveil.core.files import WriteError, said, tidy, whole, write_text
from unveil.core.jsonl import write_jsonl


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    assert write_text(path, "één\n") == path and path.read_text(encoding="utf-8") == "één\n"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_who_may_read_it(tmp_path: Path) -> None:
    """As the user's mask has it, 0644 under 022; what is private only by its owner, from its first byte on."""
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "open", "x")
        with whole(tmp_path / "private", private=True) as partial:
            assert partial.stat().st_mode & 0o777 == 0o600
            partial.write_text("x")
    finally:
        os.umask(before)
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in ("open", "private")] == [0o644, 0o600]


def test_what_breaks_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [1, 2])

    def rows() -> object:
        yield 3
        raise KeyError("row")

    with pytest.raises(KeyError):
        write_jsonl(path, rows())  # type: ignore[arg-type]
    assert path.read_text() == "1\n2\n" and [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_two_writers_of_one_file(tmp_path: Path) -> None:
    """Each has a partial file of its own; the last to end has its file there."""
    path = tmp_path / "a"
    with whole(path) as first:
        first.write_text("first")
        with whole(path) as second:
            second.write_text("second")
            assert first != second
        assert path.read_text() == "second"
    assert path.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == ["a"]


REFUSED = """
import resource, sys
from unveil.core.files import WriteError, write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_text(sys.argv[1], "x" * 2000)
except WriteError as error:
    print(error)
"""


def test_what_the_system_refuses_names_the_file(tmp_path: Path) -> None:
    """A true refusal, by a limit on the size of files."""
    path = tmp_path / "a.json"
    done = subprocess.run([sys.executable, "-c", REFUSED, path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == f"{path}: larger than a file may be here"
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(WriteError, match=r"a\.json: the disk is full: free some space, then the same"), whole(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_an_error_of_another_file_stays_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), whole(tmp_path / "a"):
        (tmp_path / "other").read_text()
    with pytest.raises(ValueError, match="row 3"), whole(tmp_path / "a"):
        raise ValueError("row 3")


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(WriteError, match="a file stands where a folder is needed: name another place"):
        write_text(tmp_path / "taken" / "a.txt", "x")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "f"), "f: the disk is full: free some space, then the same"),
        (PermissionError(errno.EACCES, "Permission denied", "f"), "f: not allowed: see who owns it, or name another"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "f"), "f: it is a folder, and a file is needed"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "f"), "f: no such file"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (OSError("in its own words"), "in its own words"),
    ],
)
def test_errors_in_words(error: OSError, words: str) -> None:
    assert said(error).startswith(words) and "Errno" not in said(error)


def test_what_a_killed_process_left_half_written_goes(tmp_path: Path) -> None:
    for name in ("a.jsonl.12-ab.partial", "b.jsonl.12-ab.partial", "a.jsonl"):
        (tmp_path / name).touch()
    tidy(tmp_path / "a.jsonl", folder=False)
    assert {p.name for p in tmp_path.iterdir()} == {"b.jsonl.12-ab.partial", "a.jsonl"}
    tidy(tmp_path, folder=True)
    assert {p.name for p in tmp_path.iterdir()} == {"a.jsonl"}
