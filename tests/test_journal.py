"""Decisions on the disk: what was confirmed is there, what stands upon another is refused, what is changed shows.

Items are ``i1`` and ``i2``, the reviewer is anna; the clock stands still.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.pages import write_records
from unveil import cli
from unveil.core.decisions import Decision, read_decisions, standing
from unveil.core.files import WriteError
from unveil.core.jsonl import to_line, write_jsonl
from unveil.core.provenance import OutputError
from unveil.core.records import RecordError
from unveil.review import journal
from unveil.review.rows import Rows

FIRST = Decision("i1", "record", "i1", "anna", "accept", 1, "00", "2026-01-31T12:00:00+00:00")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "reviews.jsonl"


def test_a_decision_is_in_the_file_when_it_is_confirmed(file: Path) -> None:
    with journal.opened(file) as kept:
        kept.decide(FIRST)
        assert read_decisions(file) == [FIRST]
        assert kept.last("i1", "anna") == FIRST and kept.last("i2", "anna") is None
    assert [path.stat().st_mode & 0o777 for path in (file, journal.audit_of(file))] == [0o600, 0o600]


def test_a_second_tab_is_told_of_the_first(file: Path) -> None:
    """Both stand upon revision 0; the second one comes too late and changes nothing."""
    with journal.opened(file) as kept:
        kept.decide(FIRST)
        with pytest.raises(journal.Conflict) as told:
            kept.decide(replace(FIRST, verdict="reject"))
        assert told.value.last == FIRST
    assert read_decisions(file) == [FIRST]


def test_the_same_decision_twice_is_confirmed_and_kept_once(file: Path) -> None:
    """As from a page that has not heard the answer."""
    with journal.opened(file) as kept:
        assert kept.decide(FIRST) == kept.decide(replace(FIRST, lead_time=3.0)) == FIRST
    assert len(read_decisions(file)) == 1


def test_what_is_taken_back_no_longer_stands(file: Path) -> None:
    with journal.opened(file) as kept:
        kept.decide(FIRST)
        kept.decide(replace(FIRST, revision=2, verdict="withdraw"))
    assert standing(read_decisions(file)) == {}
    with journal.opened(file) as kept:
        kept.decide(replace(FIRST, revision=3, verdict="reject"))
    assert [d.verdict for d in standing(read_decisions(file)).values()] == ["reject"]


def test_half_a_row_is_taken_away(file: Path) -> None:
    """What a killed process has begun to write was never confirmed."""
    with journal.opened(file) as kept:
        kept.decide(FIRST)
    with file.open("a") as half:
        half.write('{"item": "i2", "subj')
    with journal.opened(file) as kept:
        assert kept.decisions == [FIRST]
        kept.decide(replace(FIRST, item="i2"))
    assert [decision.item for decision in read_decisions(file)] == ["i1", "i2"]


def test_a_decision_that_the_log_does_not_tell_of_is_told_at_the_next_start(file: Path) -> None:
    """Killed between the two writes."""
    with journal.opened(file) as kept:
        kept.decide(FIRST)
    journal.audit_of(file).write_text("")
    with journal.opened(file):
        pass
    [row] = map(json.loads, journal.audit_of(file).read_text().splitlines())
    assert (row["action"], row["item"], row["reviewer"]) == ("decided", "i1", "anna")


def test_a_log_that_was_changed_is_told(file: Path) -> None:
    with journal.opened(file) as kept:
        kept.decide(FIRST)
        kept.saw("anna", "i2", "its image")
    log = journal.audit_of(file)
    first, second = log.read_text().splitlines(keepends=True)
    for changed in (second, first.replace("accept", "reject") + second, first + "\n" + second):
        log.write_text(changed)
        with pytest.raises(RecordError, match="the log was changed"), journal.opened(file):
            pass


def rows_of(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True)


@pytest.fixture
def decided(file: Path) -> Path:
    """Three decisions about i1, and what the log tells of them."""
    with journal.opened(file) as kept:
        for revision in (1, 2, 3):
            kept.saw("anna", "i1", "its image")
            kept.decide(replace(FIRST, revision=revision))
    return file


def log_cut(file: Path) -> None:
    log = journal.audit_of(file)
    log.write_text("".join(rows_of(log)[:2]))  # of six: the chain is whole, two decisions are missing


def log_made_anew(file: Path) -> None:
    """As one can who has the file, for there is no key: what it tells is not what the decisions say."""
    log, before = journal.audit_of(file), journal.START
    rows = [json.loads(row) for row in rows_of(log)]
    with log.open("w") as made:
        for row in rows:
            if row["action"] == "decided":
                row["decision"]["verdict"] = "reject"
            line = json.dumps(row | {"before": before}) + "\n"
            before = hashlib.sha256(line.encode()).hexdigest()
            made.write(line)


def decisions_changed(file: Path) -> None:
    file.write_text(file.read_text().replace('"accept"', '"reject"', 1))


def decisions_in_another_order(file: Path) -> None:
    first, second, third = rows_of(file)
    file.write_text(second + first + third)


CHANGES: dict[Callable[[Path], object], str] = {
    log_cut: "holds 2 decisions of which its audit log does not tell",
    lambda file: journal.audit_of(file).write_text(""): "holds 3 decisions of which",
    lambda file: journal.audit_of(file).unlink(): "audit log reviews.jsonl.audit.jsonl is not there",
    log_made_anew: ":1: not the decision of which its audit log tells",
    decisions_changed: ":1: not the decision",
    decisions_in_another_order: ":1: not the decision",
    lambda file: file.write_text("".join(rows_of(file)[:1])): "lacks 2 decisions",
    lambda file: file.write_text("".join(rows_of(file)[1:])): ":1: not the decision",
    lambda file: file.unlink(): "lacks 3 decisions",
}


@pytest.mark.parametrize("change", CHANGES)
def test_decisions_and_their_log_say_the_same_or_nothing_goes_on(
    decided: Path, change: Callable[[Path], object]
) -> None:
    change(decided)
    there = {path: path.read_text() for path in decided.parent.glob("*.jsonl")}
    with pytest.raises(RecordError, match=f"{CHANGES[change]}.*name another --out"), journal.opened(decided):
        pass
    assert {path: path.read_text() for path in there} == there


def test_the_command_refuses_decisions_that_are_not_its_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unveil.review.server.serve", lambda *_: pytest.fail("it was served"))
    out = tmp_path / "r.jsonl"
    out.write_text(to_line(FIRST))
    words = ["review", str(write_records(tmp_path, 1)), "--out", str(out), "--no-browser"]
    assert cli.main(words) == 1
    assert "r.jsonl.audit.jsonl is not there" in " ".join(capsys.readouterr().err.split())


def test_the_log_never_lacks_more_than_one_decision(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk refuses the log alone, nothing further is taken until that one is told."""
    with journal.opened(file) as kept:
        with monkeypatch.context() as patched:
            patched.setattr(kept, "_tell", refused)
            for item in ("i1", "i2"):
                with pytest.raises(WriteError):
                    kept.decide(replace(FIRST, item=item))
        assert len(rows_of(file)) == 1 and rows_of(journal.audit_of(file)) == []
        kept.decide(replace(FIRST, item="i2"))
    with journal.opened(file) as kept:
        assert [decision.item for decision in kept.decisions] == ["i1", "i2"]
    assert len(rows_of(journal.audit_of(file))) == 2


def refused(*_: object, **__: object) -> None:
    raise WriteError("the disk is full")


def test_a_system_without_pread_reads_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows is. Threads that read rows at once get each their own."""
    monkeypatch.delattr(os, "pread", raising=False)
    with file.open("w") as half:
        half.write("x" * 2**17)
    with journal.opened(file) as kept:
        kept.decide(FIRST)
    write_jsonl(file.with_name("numbers.jsonl"), [{"id": f"n{n}", "size": "x" * (n % 97)} for n in range(500)])
    numbers = Rows(file.with_name("numbers.jsonl"), lambda value, _: SimpleNamespace(**value))
    with closing(numbers) as rows, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(rows.row, list(range(500)) * 4))
    assert [row.id for row in found] == [f"n{n}" for n in range(500)] * 4


def test_one_server_at_a_time(file: Path) -> None:
    with journal.opened(file), pytest.raises(OutputError, match="is open in another"), journal.opened(file):
        pass


def test_a_full_disk_is_told_and_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "")

    with journal.opened(file) as kept:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(WriteError, match="the disk is full"):
                kept.decide(FIRST)
        assert file.read_text() == "" and kept.last("i1", "anna") is None
        kept.decide(FIRST)
    assert read_decisions(file) == [FIRST]
