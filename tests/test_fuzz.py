"""Sound inputs are read, spoilt ones are read or refused by name; what a spoilt folder has lost is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import fuzz, inputs
from unveil.core.records import Finding, Record, Source


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_sound_inputs_are_read(reader: str) -> None:
    make, take = fuzz.READERS[reader]
    bases = make()[:6] if reader == "nifti-gz" else make()
    assert [fuzz.outcome(take, raw) for raw in bases] == [("read", "")] * len(bases)


@pytest.mark.parametrize("reader", fuzz.READERS)
def test_spoilt_inputs_are_read_or_refused_by_name(reader: str) -> None:
    make, take = fuzz.READERS[reader]
    bases = make()
    failed = [
        (number, kind, said)
        for number in range(12 if reader in fuzz.EXPORTS else 30)
        for kind, said in [fuzz.outcome(take, fuzz.mutated(reader, bases, 0, number))]
        if kind in ("other", "dropped")
    ]
    assert failed == []


def test_what_fails_is_told_apart(tmp_path: Path) -> None:
    def broken(work: Path, raw: bytes) -> str | None:
        return str(1 // len(raw)) if len(raw) < 2 else None

    assert fuzz.outcome(broken, b"") == ("other", "ZeroDivisionError: integer division or modulo by zero")
    assert fuzz.outcome(broken, b"x") == ("dropped", "1")
    assert fuzz.outcome(broken, b"xx") == ("read", "")


def test_a_process_that_hangs_or_dies_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four inputs the second hangs and the third ends the process; what was said of the others is kept."""
    program = (
        "import json, os, time\n"
        "for number in range({start}, 4):\n"
        "    time.sleep(60 * (number == 1))\n"
        "    number == 2 and os._exit(9)\n"
        "    print(json.dumps([number, 'read', '', 7]), flush=True)\n"
    )
    real = fuzz.subprocess.Popen

    def started(words: list[str], **options: Any) -> Any:
        return real([words[0], "-c", program.format(start=words[words.index("--start") + 1])], **options)

    monkeypatch.setattr(fuzz.subprocess, "Popen", started)
    monkeypatch.setattr(fuzz, "IMPORTS", 3.0)
    found = fuzz.fuzz("png", fuzz.Config(count=4, seconds=1))
    assert found.counts == {"read": 2, "hang": 1, "other": 1}
    assert found.failed == [(1, "hang"), (2, "other")] and found.peak_mb == 7


def test_lost_marks_are_noticed() -> None:
    """Six marks on two images: one is missing, and then both of an image that became negative."""
    raw = inputs.coco()[0]
    full = [Record(n, n, 16, 12, findings=(Finding("x", (1, 1, 2, 2)),) * 3, source=Source("d", file=n)) for n in "ab"]
    assert inputs.lost("coco", raw, full, []) is None
    fewer = [full[0], Record("b", "b", 16, 12, findings=full[1].findings[1:], source=Source("d", file="b"))]
    assert inputs.lost("coco", raw, fewer, []) == "6 marks, of which 5 were read and 0 rejected"
    rejected = [{"file": "c.json", "row": n, "reason": "no box"} for n in range(3)]
    assert inputs.lost("coco", raw, fewer, rejected[:1]) is None
    negative = [full[0], Record("b", "b", 16, 12, completeness="exhaustive", source=Source("d", file="b"))]
    assert "became negative" in (inputs.lost("coco", raw, negative, rejected) or "")
    without = json.dumps(json.loads(raw) | {"annotations": []}).encode()
    assert inputs.lost("coco", without, negative[1:], []) is None
