"""What passes the gate: our own words, free text that a finder has searched or a person has looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw
from tests.helpers.nobody import NOBODY
from unveil.core.box_formats import mark
from unveil.core.digests import sha256
from unveil.core.records import Finding, Record, Source
from unveil.gate import GateError, reviews
from unveil.gate import gate as passage
from unveil.gate.burned_in import BurnedIn
from unveil.gate.finders import _medicine, finder
from unveil.gate.gate import FREE, Gate, Item, Passed
from unveil.gate.options import GateOptions
from unveil.gate.reviews import hash_of
from unveil.gate.said import fill, said

OPEN = Source("drawn", licence="CC0-1.0", access="open")
RECORD = Record("drawn/7", "scan.png", 96, 64, patient="PAT_77", source=OPEN)
FREE_TEXT = "A mass that somebody has noticed, grown since then."


def item(*texts: str) -> Item:
    return Item("i", RECORD, texts)


def passed(found: Passed | str) -> Passed:
    assert isinstance(found, Passed)
    return found


def review(path: Path, what: reviews.What, items: dict[str, str]) -> Path:
    """A review file of items (text, or path of an image) with their decisions."""
    lines: list[dict[str, Any]] = [{"reviewed": what, "reviewer": "A. R.", "date": "2026-01-31"}]
    for name, decision in items.items():
        about = {"sha256": hash_of(name), "text": name} if what == "texts" else {"sha256": sha256(Path(name))}
        lines.append({**about, "decision": decision})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


# -------------------------------------------------------------------------------------------------------------- text


@pytest.mark.parametrize("text", ["Where is the nodule?", f"nodule at {mark((1, 2, 3, 4))} in the left lung.", "2"])
def test_our_own_words_pass_without_a_finder(text: str) -> None:
    assert passed(Gate().passed(item(text))).texts == (text,)


@pytest.mark.parametrize("text", [FREE_TEXT, "No mass here, Anna says", "123456"])
def test_free_text_stays_where_nobody_has_looked_for_names(text: str) -> None:
    assert Gate().passed(item("Where is the nodule?", text)) == f"not sent: {FREE}"


def test_free_text_that_a_finder_has_searched_passes_and_is_counted() -> None:
    found = passed(Gate(GateOptions(names=NOBODY)).passed(item(FREE_TEXT, "Where is the mass?")))
    assert found.texts[0] == FREE_TEXT and found.done == {"texts searched": 1}


def test_what_our_rules_find_is_held_or_replaced_by_the_same_surrogate() -> None:
    """The reason tells kinds, never the text; boxes and our own words around it stay."""
    text = fill("Answer:\n{given}", given=f"Dr. Jane Roe saw {mark((1, 2, 3, 4))} on 3 April 2019.")
    held = Gate(GateOptions(names=NOBODY)).passed(item(text))
    assert held == "not sent: its text holds what looks like a person's data (name)"
    gate = Gate(GateOptions(names=NOBODY, identifiers="redact"), key=b"0" * 32)
    first, again = (passed(gate.passed(item(text))) for _ in range(2))
    assert first.texts == again.texts and "Roe" not in first.texts[0] and "April" not in first.texts[0]
    assert first.texts[0].startswith("Answer:\nDr. [name ") and mark((1, 2, 3, 4)) in first.texts[0]
    assert first.done["replaced: name"] == first.done["replaced: date"] == 1
    assert "2 x replaced: name" in gate.told() and gate.told() == ""


def test_a_text_is_searched_for_what_all_patients_of_the_file_are_known_by() -> None:
    gate = Gate(GateOptions(names=NOBODY))
    gate.notice([RECORD, replace(RECORD, id="drawn/8", patient="QUOX^ZEBEDIAH")])
    assert "identifier of the record" in str(gate.passed(item("As in pat 77, grown.")))
    assert "identifier of another record" in str(gate.passed(item("As with zebediah, grown.")))


def test_a_review_lets_pass_and_keeps_whatever_is_found(tmp_path: Path) -> None:
    path = review(tmp_path / "r.jsonl", "texts", {"Seen by Dr. Roe.": "send", FREE_TEXT: "keep"})
    gate = Gate(GateOptions(texts_reviewed=path, names=NOBODY))
    assert passed(gate.passed(item("Seen by Dr. Roe."))).done == {"texts reviewed": 1}
    assert gate.passed(item(FREE_TEXT)) == "not sent: a reviewer keeps its text here"
    assert gate.settings["reviews"][0]["reviewer"] == "A. R." and str(tmp_path) not in str(gate.settings)
    assert Gate(GateOptions(texts_reviewed=path)).passed(item("Another one, grown.")) == f"not sent: {FREE}"


def test_what_is_held_is_listed_for_a_reviewer(tmp_path: Path) -> None:
    gate = Gate()
    gate.passed(item(FREE_TEXT))
    (file,) = gate.write_to_review(tmp_path)
    head, line = map(json.loads, file.read_text().splitlines())
    assert head["reviewed"] == "texts" and line["text"] == FREE_TEXT and line["decision"] == ""


# ----------------------------------------------------------------------------------------------------------- finders


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return [(0, 99)]", "a place is"),
        ("return [('a', 2)]", "a place is"),
        ("return [(0, 2, 'x', 1)]", "a place is"),
        ("return 3", "TypeError"),
        ("raise RuntimeError('down')", "RuntimeError: down"),
    ],
)
def test_a_finder_that_fails_lets_nothing_pass(body: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"def find(text):\n    {body}\n")
    with pytest.raises(GateError, match=why):
        Gate(GateOptions(names=f"{tmp_path}/mine.py:find")).passed(item(FREE_TEXT))


def test_a_finder_of_ones_own_finds_names(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def find(text):\n    at = text.index('some')\n    return [(at, at + 8)]\n")
    assert finder(f"{tmp_path}/mine.py:find")(FREE_TEXT) == [(12, 20, "name")]
    assert "(name)" in str(Gate(GateOptions(names=f"{tmp_path}/mine.py:find")).passed(item(FREE_TEXT)))


def test_what_a_finder_of_ones_own_finds_counts_whatever_it_is(tmp_path: Path) -> None:
    """A patient may be called Crohn: only a model of everyday's language is not believed in that."""
    (tmp_path / "mine.py").write_text("def find(text):\n    return [(0, 5)]\n")
    gate = Gate(GateOptions(names=f"{tmp_path}/mine.py:find"))
    assert "(name)" in str(gate.passed(item("Crohn has come again, much better.")))


@pytest.mark.parametrize("option", ["nobody", "none.py:find", "presidio-2", "x.py"])
def test_a_finder_that_is_not_there_is_named(option: str) -> None:
    with pytest.raises(GateError, match="--names"):
        Gate(GateOptions(names=option))


# ------------------------------------------------------------------------------------------------------------ pixels


def test_letters_hold_an_image_unless_a_person_lets_it_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading itself is another test's."""
    monkeypatch.setattr(passage, "read_image", lambda png, how: BurnedIn((), ((1, 2, 9, 9),)))
    path = draw(tmp_path / "x.png", (96, 64), 0)
    shown = Item("i", RECORD, (), path.read_bytes(), path)
    gate = Gate()
    assert gate.passed(shown) == "not sent: its image has a code burned in"
    assert [file.name for file in gate.write_to_review(tmp_path)] == ["images.to_review.jsonl"]
    reviewed = Gate(GateOptions(pixels_reviewed=review(tmp_path / "r.jsonl", "images", {str(path): "send"})))
    assert passed(reviewed.passed(shown)).done == {"images reviewed": 1}
    kept = Gate(GateOptions(pixels_reviewed=review(tmp_path / "r.jsonl", "images", {str(path): "keep"})))
    assert kept.passed(shown) == "not sent: a reviewer keeps its image here"


def test_what_the_search_will_take_is_told_of_images_that_nobody_has_looked_at(tmp_path: Path) -> None:
    one, other = (draw(tmp_path / name, (96, 64), seed) for seed, name in enumerate(("a.png", "b.png")))
    sizes = {one: (96, 64), other: (96, 64)}
    assert "2 images" in Gate().cost(sizes)
    reviewed = Gate(GateOptions(pixels_reviewed=review(tmp_path / "r.jsonl", "images", {str(one): "send"})))
    assert "1 images" in reviewed.cost(sizes) and reviewed.cost({one: (96, 64)}) == Gate().cost({}) == ""


def test_what_a_record_is_labelled_with_is_free_unless_the_word_is_known() -> None:
    finding = Finding("Roe's sign")
    assert Gate().passed(item(fill("{label}", label=finding.label))) == f"not sent: {FREE}"
    assert passed(Gate().passed(item(said("pleural effusion")))).done == {}


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("Crohn", True), ("Baker's", True), ("Bosniak IIF", True), ("LI-RADS LR-5", True), ("SpO2", True),
        ("Jane Roe", False), ("Crohn Roe", False), ("Roe II", False), ("Roe 4815162", False),
    ],
)  # fmt: skip
def test_of_presidios_names_those_of_diseases_are_left_out(name: str, left_out: bool) -> None:
    assert _medicine(name) is left_out
