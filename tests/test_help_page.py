"""The help of commands: short, what is required first, wrapped at the width of the page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from unveil import cli
from unveil.core import help_page, option_types, options

#: Options that a person sees before all are asked for.
MOST = 40


@dataclass(frozen=True, kw_only=True)
class Ink:
    """What is written with."""

    colour: str = "black"
    """Its colour."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What is written on."""

    groups: ClassVar = {"the_size": ("width",), "the_edge": ("margin",)}
    seldom: ClassVar[tuple[str, ...]] = ("lines", "the_edge")
    width: float = 21.0
    """Its width
    in cm, without
    the margin."""
    lines: int = 0
    """How many lines it has."""
    margin: float = 2.0
    """What stays empty."""


@dataclass(frozen=True, kw_only=True)
class Note(Sheet):
    """Write a note
    on a sheet."""

    ruled: bool = True
    """Whether lines are drawn."""
    urgent: bool = False
    """Whether it is urgent."""
    to: tuple[str, ...] = ("a b", "c")
    """Who gets it."""
    form: Literal["letter", "card"] | None = None
    """How it is sent."""
    out: Path
    """Where it goes."""
    ink: Ink = field(default_factory=Ink)
    """What is written with."""


def test_a_page_as_a_whole() -> None:
    """What is required, what the command alone has, what many have, groups; no default where there is none."""
    told = help_page.page(Note, "unveil note", width=60)
    assert (
        told
        == """\
Write a note on a sheet.

usage: unveil note --out PATH [options]

required:
  --out PATH
      Where it goes.

options:
  --ruled, --no-ruled
      Whether lines are drawn. (default: on)
  --urgent
      Whether it is urgent.
  --to TEXT ...
      Who gets it. (default: 'a b' c)
  --form {letter,card}
      How it is sent.

the size:
  --width FLOAT
      Its width in cm, without the margin. (default: 21.0)

ink: What is written with.
  --ink.colour TEXT
      Its colour. (default: black)

2 options more, which are seldom needed, also of the edge:
unveil note --help-all"""
    )


def test_the_whole_help_shows_all_options_and_a_saved_configuration_as_the_default() -> None:
    told = help_page.page(Note, "unveil note", Note(out=Path("x"), lines=7), everything=True)
    assert "(default: 7)" in told and "--margin" in told and "more" not in told and "required" not in told


@pytest.fixture(scope="module", params=cli.COMMANDS)
def command(request: pytest.FixtureRequest) -> tuple[str, type]:
    return request.param, cli.COMMANDS[request.param].config()


def shown(page: str) -> list[str]:
    """What a page has an entry for; a positional option by what stands for it."""
    return re.findall(r"^  (--[\w.-]+|[A-Z{]\S+)", page, re.M)


def test_the_help_of_a_command_is_short_and_the_whole_help_is_whole(command: tuple[str, type]) -> None:
    name, kind = command
    every = options.every(kind)
    assert 0 < len(shown(help_page.page(kind, f"unveil {name}"))) <= MOST
    whole = shown(help_page.page(kind, f"unveil {name}", everything=True))
    assert sorted(whole) == sorted(option_types.typed(option).split()[0] for option in every)


def test_what_is_required_comes_first(command: tuple[str, type]) -> None:
    name, kind = command
    required = {option_types.typed(option).split()[0] for option in options.every(kind) if option.required}
    assert set(shown(help_page.page(kind, f"unveil {name}"))[: len(required)]) == required


@pytest.mark.parametrize("width", [40, 80, 100])
def test_lines_fill_the_width_and_no_more(command: tuple[str, type], width: int) -> None:
    """A line goes beyond only where it is one word, and ends early only where the next word would not have fitted."""
    page = help_page.page(command[1], f"unveil {command[0]}", everything=True, width=width)
    assert "\x1b" not in page
    for block in page.split("\n\n"):
        lines = block.splitlines()
        assert all(len(line) <= width or len(line.split()) <= 2 for line in lines)
        for line, below in pairwise(lines):
            if re.match("      [^ ]", line) and re.match("      [^ ]", below):  # of one paragraph
                assert len(line) + 1 + len(below.split()[0]) > width, line


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_overview_is_wrapped_too(width: int) -> None:
    told = cli.usage(width)
    assert all(len(line) <= width for line in told.splitlines())
    assert all(name in told for name in cli.COMMANDS)


@pytest.mark.parametrize("words", [["check", "-h"], ["check", "--records", "x", "--help"], ["check", "--help-all"]])
def test_help_may_be_asked_for_anywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.parse(words)
    assert stop.value.code == 0 and "usage: unveil check --records FILE [options]" in capsys.readouterr().out


def test_what_may_be_given_by_its_place_stands_in_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["check-model", "--help"])
    assert "usage: unveil check-model [MODEL] [options]" in capsys.readouterr().out
