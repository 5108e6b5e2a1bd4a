"""Numbers of options: what counts something is not below one, or not below none, in every command."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import unveil
from unveil import cli
from unveil.core import options
from unveil.core.number_types import Count, CountOrNone, NumberError, check
from unveil.core.option_types import Takes, typed


@dataclass(frozen=True)
class Inner:
    """Options within options."""

    tries: Count = 3
    """How often."""


@dataclass(frozen=True)
class Draws:
    """Draw some."""

    limit: Count | None = None
    """Only the first so many."""
    regions: CountOrNone = 4
    """Regions without a finding."""
    inner: Inner = field(default_factory=Inner)
    """Who is asked."""


def fault(**values: object) -> str | None:
    try:
        check(Draws(**values))  # type: ignore[arg-type]
    except NumberError as error:
        return str(error)
    return None


def test_what_is_too_low_is_told_with_its_option() -> None:
    assert fault() is None and fault(limit=1, regions=0) is None
    assert fault(limit=0) == "--limit 0: a whole number from 1 on is needed"
    assert fault(limit=-3) == "--limit -3: a whole number from 1 on is needed"
    assert fault(regions=-1) == "--regions -1: a whole number from 0 on is needed"
    assert fault(inner=Inner(tries=0)) == "--inner.tries 0: a whole number from 1 on is needed"


def test_the_help_calls_it_a_whole_number() -> None:
    limit, regions, *_ = options.every(Draws)
    assert (typed(limit), typed(regions)) == ("--limit INT", "--regions INT")
    assert Takes.of(limit.hint).fault(["many"]) == "a whole number is needed" and Takes.of(limit.hint).optional


#: What would be taken as the end of a slice: with -1, all but the last.
SLICES = ("limit", "compare-limit", "images", "samples", "questions")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_how_many_is_a_count_in_every_command(name: str) -> None:
    counted = [option for option in options.every(cli.COMMANDS[name].config()) if option.name in SLICES]
    assert [option.name for option in counted if "int" in str(option.hint) and "AtLeast" not in str(option.hint)] == []


def test_a_command_refuses_it_before_it_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dialogues.jsonl").write_text("")
    words = ["--dialogues", str(tmp_path / "dialogues.jsonl"), "--out", str(tmp_path / "out.jsonl"), "--limit", "-1"]
    assert cli.main(["predict", *words]) == 1
    assert capsys.readouterr().err == "error: --limit -1: a whole number from 1 on is needed\n"
    with pytest.raises(NumberError, match="--limit 0: a whole number"):
        unveil.predict(dialogues=tmp_path / "dialogues.jsonl", out=tmp_path / "out.jsonl", limit=0)
