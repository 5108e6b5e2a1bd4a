"""Decisions on the disk: what was confirmed is there, what stands upon another is refused, what is changed shows.

Items are ``i1`` and ``i2``, the reviewer is anna; the clock stands still.
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from unveil.core.decisions import Decision, read_decisions, standing
from unveil.core.files import WriteError
from unveil.core.provenance import OutputError
from unveil.core.records import RecordError
from unveil.review import journal

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
