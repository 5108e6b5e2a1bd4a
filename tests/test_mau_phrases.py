"""What is asked about phrases, of options to choose from, and in which languages: all derived by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from unveil.core import phrases
from unveil.core.answers import clean, parse
from unveil.core.box_formats import MARKUP, View
from unveil.core.records import Dialogue, Finding, Question, Record, Source
from unveil.core.wordings import IN_LANGUAGE
from unveil.curate.mau import MauOptions, mau

A, B = (40.0, 10.0, 60.0, 30.0), (5.0, 50.0, 25.0, 80.0)
AT_A, AT_B = "<box 40.00 10.00 60.00 30.00>", "<box 5.00 50.00 25.00 80.00>"
BOTH = "Bibasal opacities."


def record(*findings: Finding, **more: Any) -> Record:
    fields: dict[str, Any] = {"split": "val", "source": Source("set")} | more
    return Record("a", "a.png", 100, 100, findings=findings, **fields)


def made(one: Record, kind: str, skipped: Counter[str] | None = None, **options: Any) -> list[Dialogue]:
    return [d for d in mau([one], MauOptions(**options), 0, skipped) if d.kind == kind]


def test_a_phrase_is_asked_for_once_with_all_of_its_places() -> None:
    """Its question has it without the full stop and without control tokens; two names in one place are one box."""
    twin = Finding("opacity", A, phrase=BOTH)
    one = record(
        replace(twin, box=B), twin, Finding("oedema", A, phrase="<image> Bibasal\n opacities."), Finding("x", B)
    )
    (asked,) = made(one, "grounding")
    assert (asked.id, asked.question) == ("a/grounding/1", "Where is this seen: Bibasal opacities?")
    assert (asked.answer, asked.target) == (f"{AT_B}; {AT_A}.", "Bibasal opacities")
    assert parse("grounding", asked.answer, View(MARKUP, one.size, one.size)).boxes == [B, A]


def test_places_stand_from_left_to_right_however_they_are_annotated() -> None:
    """As in all other answers, a falsified one too, so that their order does not tell which of a pair is the worse."""
    for findings in ((A, B), (B, A)):
        (asked,) = made(record(*(Finding("opacity", box, phrase=BOTH) for box in findings)), "grounding")
        assert asked.answer == f"{AT_B}; {AT_A}."


def test_a_phrase_without_a_place_is_counted() -> None:
    """Also where only one of its findings has none: the answer would not be all of it."""
    skipped: Counter[str] = Counter()
    one = record(Finding("x", A, phrase="one"), Finding("y", phrase="one"), Finding("z", phrase="two"))
    assert not made(one, "grounding", skipped)
    assert skipped["grounding: a phrase without a place"] == 2
    many = record(*(Finding("x", (i, 0.0, i + 1.0, 1.0), phrase="many") for i in map(float, range(3))))
    assert not made(many, "grounding", skipped, max_findings=2)
    assert skipped["grounding: more than 2 places"] == 1


def test_a_set_of_phrases_alone_has_its_other_questions_too() -> None:
    """Labels say "finding" only. Two phrases at one place of one name are one finding of the diagnosis."""
    one = record(Finding("finding", A, phrase="a nodule"), Finding("finding", A, phrase="new"), Finding("finding", B))
    assert [d.answer for d in made(one, "diagnosis")] == [
        f"Detection: abnormal.\nLocalisation: {AT_B}; {AT_A}.\nRecognition: finding; finding."
    ]
    parsed = parse("diagnosis", made(one, "diagnosis")[0].answer, View(MARKUP, one.size, one.size), ["finding"])
    assert parsed.findings == (("finding", B), ("finding", A))
    assert [d.target for d in made(one, "grounding")] == ["a nodule", "new"]


def test_a_place_with_two_phrases_leaves_regions_empty() -> None:
    """One finding that two phrases speak of has a place; beside it a region may be asked about that is empty."""
    one = record(Finding("x", A, phrase="one"), Finding("x", A, phrase="two"), completeness="exhaustive")
    assert [d.answer for d in made(one, "recognition")] == ["x.", "Nothing abnormal."]


def test_languages_of_phrases() -> None:
    """The translation is asked for in its own wording, in Italian in the English one; each is a question of its own."""
    one = record(Finding("x", A, phrase="Nodule.", translations={"es": "Nódulo.", "it": "Nodulo"}), language="en")
    asked = made(one, "grounding")
    assert [(d.id, d.question, d.language) for d in asked] == [
        ("a/grounding/1", "Where is this seen: Nodule?", "en"),
        ("a/grounding/2", "¿Dónde se ve esto: Nódulo?", "es"),
        ("a/grounding/3", "Where is this seen: Nodulo?", "it"),
    ]
    skipped: Counter[str] = Counter()
    assert made(one, "grounding", skipped, languages=("es",)) == [asked[1]]
    assert skipped == {"grounding: its language is en": 1, "grounding: its language is it": 1}
    assert [d.language for d in made(one, "detection", languages=("es",))] == ["en"], "rules write English"
    assert all(len(set(forms)) == 3 and all(form.count("{}") == 1 for form in forms) for forms in IN_LANGUAGE.values())


def test_languages_of_own_questions() -> None:
    """The record's language is that of a question that says none; one of which nobody knows it is left out, counted."""
    own = (Question("Q?", "a", language="zh"), Question("R?", "b"), Question("S?", "c", language="en"))
    assert [d.language for d in made(record(questions=own), "open")] == ["zh", None, "en"]
    assert [d.language for d in made(record(questions=own, language="en"), "open")] == ["zh", "en", "en"]
    skipped: Counter[str] = Counter()
    assert [d.answer for d in made(record(questions=own), "open", skipped, languages=("en",))] == ["c"]
    assert skipped == {"own question: its language is zh": 1, "own question: its language is not known": 1}


FOUR = Question("What is it?", "pneumonia", "closed", "q", ("edema", "Pneumonia", "mass", "cyst"))


def test_options_stand_as_they_came_outside_of_training() -> None:
    (asked,) = made(record(questions=(FOUR,)), "choice")
    assert asked.question == "What is it?\nA. edema\nB. Pneumonia\nC. mass\nD. cyst"
    assert (asked.id, asked.answer, asked.choices, asked.writer) == ("a/q", "B. Pneumonia", FOUR.choices, "set")


def test_options_are_shuffled_in_training() -> None:
    """Over 200 images each of the four letters is right about 50 times; four standard deviations are 4 x 6.1 = 25."""
    rows = [replace(record(questions=(FOUR,), split="train"), id=f"r{i}") for i in range(200)]
    asked = [d for d in mau(rows) if d.kind == "choice"]
    letters = Counter(d.answer[0] for d in asked)
    assert set(letters) == set("ABCD") and all(25 < n < 75 for n in letters.values())
    for d in asked:
        assert set(d.choices) == set(FOUR.choices) and d.answer in d.question.splitlines()
        assert d.choices["ABCD".index(d.answer[0])] == "Pneumonia" and d.answer[3:] == "Pneumonia"
    assert [d for d in mau(rows[:1]) if d.kind == "choice"] == asked[:1], "each image has an order of its own"
    plain = [d for d in mau(rows, MauOptions(shuffle_choices=False)) if d.kind == "choice"]
    assert {d.answer for d in plain} == {"B. Pneumonia"}


def test_options_that_do_not_hold_the_answer_are_counted() -> None:
    """So are one that stands twice, since either would be right, and a question with one option or 27."""
    skipped: Counter[str] = Counter()
    for given in (("mass", "cyst"), ("pneumonia", "Pneumonia."), ("pneumonia",), tuple(map(str, range(27)))):
        assert not made(record(questions=(replace(FOUR, choices=given),)), "choice", skipped)
    assert skipped == {
        "own question: its answer is not one of its choices": 2,
        "own question: fewer than 2 choices or more than 26": 2,
    }


def test_a_later_turn_is_asked_after_those_before_it() -> None:
    first, second = (
        Question("What is it? ", "A mass.", id="1"),
        Question("Is it large?", "yes", "closed", "2", follows="1"),
    )
    asked = {d.question: d.history for d in mau([record(questions=(first, second))]) if d.kind in ("open", "closed")}
    assert asked == {"What is it?": (), "Is it large?": (("What is it?", "A mass."),)}


def test_each_phrase_is_read_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 phrases are compared with one another, which must not clean their texts 40 x 40 times."""
    read: Counter[str] = Counter()

    def counted(text: str) -> str:
        read[text] += 1
        return clean(text)

    monkeypatch.setattr(phrases, "clean", counted)
    many = [Finding("x", (i, 0.0, i + 1.0, 1.0), phrase=f"read once {i}") for i in map(float, range(40))]
    assert len(made(record(*many), "grounding")) == 40
    assert read == {f"read once {float(i)}": 1 for i in range(40)}
