"""Files and folders that options name: looked at before a command begins, for every command there is."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from unveil import cli
from unveil.core import options, paths
from unveil.core.option_types import Takes, choices
from unveil.core.options import Option
from unveil.core.path_types import Input, InputFile, InputFolder, OutputFile, OutputFolder, Place
from unveil.core.paths import PathError


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Copy a file."""

    rows: InputFile | None = None
    """Rows of JSON."""
    models: dict[str, InputFile] | None = None
    """Files by name."""
    several: tuple[InputFile, ...] = ()
    """More of them."""
    images: InputFolder | None = None
    """Where images lie."""
    data: Input | None = None
    """What is copied."""
    to: OutputFile | None = None
    """Where it goes."""
    out: OutputFolder | None = None
    """Where the rest goes."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, a folder with a file, and a link that leads nowhere."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("{}\n")
    Path("folder").mkdir()
    Path("folder", "dialogues.jsonl").write_text("{}\n")
    Path("dead").symlink_to("gone")
    return tmp_path


def fault(**values: object) -> str | None:
    try:
        paths.check(Copies(**values))  # type: ignore[arg-type]
    except PathError as error:
        return str(error).partition("\n")[0]
    return None


@pytest.mark.usefixtures("here")
def test_what_may_be_is_let_pass() -> None:
    rows, folder = Path("rows.jsonl"), Path("folder")
    assert fault() is None
    assert fault(rows=rows, models={"a": rows}, several=(rows, rows), images=folder, data=folder) is None
    assert fault(data=folder, to=rows, out=folder) is None
    assert fault(to=Path("new/deep.jsonl"), out=Path("new/deep")) is None


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("rows", "gone.jsonl", "no such file"),
        ("rows", "row.jsonl", "no such file; perhaps you meant rows.jsonl"),
        ("rows", "dead", "a link that leads nowhere"),
        ("rows", "gone/rows.jsonl", "no such file"),
        ("rows", "folder", "a folder, and a file is needed: name one in it, such as folder/dialogues.jsonl"),
        ("rows", "socket", "neither a file nor a folder: write what comes out of it to a file"),
        ("rows", "rows.jsonl/x", "a file stands where a folder is needed: name another place"),
        ("images", "rows.jsonl", "a file, and a folder is needed: name the one that it lies in"),
        ("images", "gone", "no such folder"),
        ("data", "gone", "no such file or folder"),
        ("to", "folder", "a folder, and a file is needed: name one in it"),
        ("to", "rows.jsonl/x", "rows.jsonl is a file, and a folder is needed: name another place"),
        ("out", "rows.jsonl", "it is a file, and a folder is needed: name another place"),
        ("out", "rows.jsonl/x", "rows.jsonl is a file, and a folder is needed: name another place"),
        ("out", "x" * 300, "its name is too long for this disk"),
    ],
)
def test_what_cannot_be_is_told_with_its_option(option: str, value: str, told: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        assert fault(**{option: Path(value)}) == f"--{option} {value}: {told}"


@pytest.mark.usefixtures("here")
def test_a_file_that_is_read_is_not_one_that_is_made() -> None:
    """Under whatever name; a folder may be both."""
    rows, other = Path("rows.jsonl"), Path("folder/../rows.jsonl")
    Path("link.jsonl").symlink_to(rows)
    told = "is what --{} reads: name another output"
    assert fault(rows=rows, to=rows) == f"--to rows.jsonl {told.format('rows')}"
    assert fault(several=(Path("folder/dialogues.jsonl"), rows), to=other) == f"--to {other} {told.format('several')}"
    assert fault(data=Path("link.jsonl"), to=rows) == f"--to rows.jsonl {told.format('data')}"
    assert fault(data=Path("folder"), images=Path("folder"), out=Path("folder")) is None


@pytest.mark.usefixtures("here")
def test_each_of_several_files_is_looked_at() -> None:
    rows, gone = Path("rows.jsonl"), Path("gone")
    assert fault(models={"a": rows, "b": gone}) == "--models gone: no such file"
    assert fault(several=(rows, gone)) == "--several gone: no such file"


def test_a_message_says_below_what_the_option_takes(here: Path) -> None:
    with pytest.raises(PathError, match=r"^--rows gone: no such file\n--rows FILE: Rows of JSON\.$"):
        paths.check(Copies(rows=Path("gone")))


def test_a_message_that_begins_with_a_path_names_its_option() -> None:
    config = Copies(rows=Path("a.jsonl"), out=Path("o"))
    assert paths.named(config, "a.jsonl:3: no JSON") == "--rows a.jsonl:3: no JSON\n--rows FILE: Rows of JSON."
    assert paths.named(config, "o is being made") == "--out o is being made"
    for message in ("a.jsonl.old: no JSON", "other: no JSON", "no a.jsonl"):
        assert paths.named(config, message) == message


@pytest.fixture
def closed(here: Path) -> Iterator[None]:
    """A file and a folder that may not be read or written, as a user sees them who is not root."""
    if not hasattr(os, "seteuid"):
        pytest.skip("this system knows no other users")
    Path("shut.jsonl").touch(0o000)
    Path("shut").mkdir(0o000)
    for folder in (here, *here.parents[:2]):
        folder.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)
    Path("shut").chmod(0o700)


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("rows", "shut.jsonl", "it may not be read: see who owns it"),
        ("rows", "shut/rows.jsonl", "not allowed: see who owns it, or name another place"),
        ("images", "shut", "it may not be read: see who owns it"),
        ("out", "shut", "nothing may be written in shut: name another place"),
        ("to", "shut/new.jsonl", "not allowed: see who owns it, or name another place"),
    ],
)
def test_what_is_not_allowed_is_told(option: str, value: str, told: str) -> None:
    assert fault(**{option: Path(value)}) == f"--{option} {value}: {told}"


# ------------------------------------------------------------------------------------------------------- all commands


def _placed(name: str) -> Iterator[tuple[Option, Place]]:
    for option in options.every(cli.COMMANDS[name].config()):
        if place := paths.place_of(option.hint):
            yield option, place


BAD = {
    "missing": lambda place: not place.made,
    "folder for a file": lambda place: not place.folder,
    "file for a folder": lambda place: not place.file,
    "below a file": lambda place: True,
}
VALUES = {
    "missing": "gone/away",
    "folder for a file": "folder",
    "file for a folder": "rows.jsonl",
    "below a file": "rows.jsonl/x",
}


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_path_option_says_what_it_is_for(name: str) -> None:
    kind = cli.COMMANDS[name].config()
    told = {option.name for option, _ in _placed(name)}
    assert {option.name for option in options.every(kind) if "Path" in str(option.hint)} == told


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "bad"), [*((name, "below a file") for name in cli.COMMANDS), *(("train sft", bad) for bad in [*BAD][:-1])]
)
def test_a_bad_path_is_refused_by_every_command_before_it_begins(
    name: str, bad: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lines: the option with what is wrong with its path, and what is needed; no number of an error. What no place
    can be is told by every command, the rest by one of them."""
    monkeypatch.setattr(cli.COMMANDS[name].load(), "main", lambda _: pytest.fail("it has begun"))
    for option, place in _placed(name):
        if BAD[bad](place):
            assert cli.main([*name.split(), *_words(name, option, VALUES[bad])]) == 1
            first, *more = capsys.readouterr().err.splitlines()
            assert first.startswith(f"error: {option.flag} {VALUES[bad]}: ") and "Errno" not in first
            assert len(more) == (not place.made)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", cli.COMMANDS)
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_path_is_refused_for_every_option_of_every_command(name: str, bad: str) -> None:
    for option, place in _placed(name):
        if BAD[bad](place):
            with pytest.raises(paths.PathError, match=f"^{option.flag} {VALUES[bad]}: ") as told:
                paths.check_option(option, Path(VALUES[bad]))
            assert "Errno" not in str(told.value) and str(told.value).count("\n") == (not place.made)


def _words(name: str, spoilt: Option, value: str) -> Iterator[str]:
    """A command line with all that is required, one of whose paths is the one given."""
    for option in options.every(cli.COMMANDS[name].config()):
        if option == spoilt or option.required:
            place = paths.place_of(option.hint)
            good = "new" if place and place.made else "folder" if place and not place.file else "rows.jsonl"
            if not place:
                good = next(iter(choices(Takes.of(option.hint).kinds[0])), "text")
            yield from () if option.positional else (f"--{option.name}",)
            yield from ("base",) if "dict" in str(option.hint) else ()
            yield value if option == spoilt else good
