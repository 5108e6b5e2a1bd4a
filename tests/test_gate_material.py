"""What of records is shown as about to leave: phrases and options are texts like reports' parts, by hand."""

from __future__ import annotations

from pathlib import Path

from unveil.core.jsonl import write_jsonl
from unveil.core.records import Finding, Pair, Question, Record
from unveil.gate.material import read


def test_phrases_and_options_are_texts_that_may_leave(tmp_path: Path) -> None:
    """Each in its place; readers and sections of the report are never sent, so they are not shown."""
    phrase = Finding("nodule", phrase="Nodule, as Dr. Mustermann said.", translations={"es": "Según Fulano, nódulo."})
    own = Question("Who is it?", "Erika", choices=("Erika", "Xaver"))
    one = Record(
        "a", "a.png", 9, 9, findings=(phrase,), questions=(own,), readers=("Dr. Who",), sections={"findings": "Zzz"}
    )
    write_jsonl(tmp_path / "records.jsonl", [one])
    texts = " | ".join(text.text for text in read(tmp_path / "records.jsonl").texts.values())
    assert all(word in texts for word in ("Mustermann", "Fulano", "Erika", "Xaver"))
    assert "Who is it" in texts and "Dr. Who" not in texts and "Zzz" not in texts


def test_what_was_said_before_leaves_with_a_pair(tmp_path: Path) -> None:
    pair = Pair("p", "a", "a.png", "train", "open", "Where?", "Left.", "Right.", history=(("Dr. Who?", "Xaver."),))
    write_jsonl(tmp_path / "pairs.jsonl", [pair])
    assert {"Dr. Who?", "Xaver."} <= {text.text for text in read(tmp_path / "pairs.jsonl").texts.values()}
