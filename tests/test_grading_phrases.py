"""Places of phrases and multiple choice beside the truth, and what rewards make of them: all by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from unveil.core.answered import Answered
from unveil.core.box_formats import MARKUP, View
from unveil.core.grading import Case, ScoreError, grade, score
from unveil.core.records import Dialogue, Finding, Record
from unveil.rl import rewards

A, B, FAR = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (60.0, 60.0, 70.0, 70.0)
AT_A, HALF, AT_B = "<box 0 0 10 10>", "<box 0 0 10 5>", "<box 20 0 30 10>"
PHRASE = "Two opacities."
IMAGE = Record(
    *("a", "a.png", 100, 100),
    findings=(
        Finding("opacity", A, phrase=PHRASE, translations={"es": "Dos opacidades."}),
        Finding("oedema", A, phrase=PHRASE),
        Finding("opacity", B, phrase=PHRASE),
        Finding("cyst", FAR, phrase="A cyst."),
        Finding("scar", phrase="A scar."),
    ),
)


def case(kind: Any, text: str, target: str | None = None, answer: str = "", **more: Any) -> Case:
    asked = Dialogue("a/q", "a", "a.png", "val", kind, "?", answer, target, **more)
    return grade(asked, IMAGE, text, View(MARKUP, IMAGE.size, IMAGE.size), ["opacity", "oedema", "cyst", "scar"])


@pytest.mark.parametrize(
    ("text", "iou", "right", "failures"),
    [
        (f"{AT_A}; {AT_B}.", 1, True, ()),
        (f"{HALF}; {AT_B}.", 0.75, True, ()),
        (AT_A, 0.5, True, ()),  # one of two
        (HALF, 0.25, False, ("wrong place",)),
        (f"{AT_A}; {AT_B}; {AT_A}.", 2 / 3, True, ()),
        ("None.", 0, False, ("missed",)),
        ("I see it well", 0, False, ("unparsable",)),
    ],
)
def test_places_of_a_phrase(text: str, iou: float, right: bool, failures: tuple[str, ...]) -> None:
    """True are A, once though two names have it, and B; the summed IoU over the larger number of boxes."""
    for target in ("Two opacities", PHRASE, "Dos opacidades"):
        found = case("grounding", text, target).outcome
        assert found.sums["grounding_iou"] == (pytest.approx(iou), 1)
        assert found.sums["grounding_iou50"] == found.sums["question_accuracy"] == (right, 1)
        assert found.right is right and found.failures == failures
        assert found.iou == pytest.approx(iou) and found.labels == ("oedema", "opacity")
        assert rewards.localisation(Answered(case("grounding", text, target))) == pytest.approx(iou)


@pytest.mark.parametrize("target", ["A scar", "No effusion"])
def test_a_phrase_without_a_place_or_a_finding_has_no_verdict(target: str) -> None:
    """That no finding has a sentence does not prove it wrong."""
    found = case("grounding", AT_A, target).outcome
    assert found.right is None and found.left_out == ("grounding_iou", "grounding_iou50")
    assert rewards.localisation(Answered(case("grounding", AT_A, target))) is None


OPTIONS: dict[str, Any] = {"answer": "B. cyst", "choices": ("mass", "cyst", "scar")}


@pytest.mark.parametrize(("text", "right", "status"), [("B", 1, "ok"), ("Cyst.", 1, "ok"), ("(A)", 0, "ok")])
def test_a_chosen_option(text: str, right: int, status: str) -> None:
    one = case("choice", text, **OPTIONS)
    assert one.outcome.sums == {"choice": (right, 1), "parse_failures": (0, 1), "question_accuracy": (right, 1)}
    assert (one.outcome.right, one.outcome.status, one.outcome.failures) == (bool(right), status, ())
    assert score(one.outcome) == rewards.relevance(Answered(one)) == right


@pytest.mark.parametrize("text", ["", "A or B", "something", "D", "B. mass"])
def test_an_answer_that_chooses_nothing_is_an_outcome_of_its_own(text: str) -> None:
    found = case("choice", text, **OPTIONS).outcome
    assert (found.right, found.status, found.failures) == (False, "unparsable", ("unparsable",))
    assert found.sums["choice"] == (0, 1) and found.sums["parse_failures"] == (1, 1)


def test_a_dialogue_whose_answer_is_no_option_is_refused() -> None:
    with pytest.raises(ScoreError, match="none of its 3 choices"):
        _ = case("choice", "A", **(OPTIONS | {"answer": "nodule"})).outcome


def test_two_phrases_of_one_place_are_one_finding_of_the_diagnosis() -> None:
    """The truth is A and B of opacity, though a second sentence speaks of A."""
    again = Finding("opacity", A, phrase="Again.")
    one = replace(IMAGE, findings=(IMAGE.findings[0], again, IMAGE.findings[2]), completeness="exhaustive")
    text = f"Detection: abnormal.\nLocalisation: {AT_A}; {AT_B}.\nRecognition: opacity; opacity."
    asked = Dialogue("a/q", "a", "a.png", "val", "diagnosis", "?", text)
    found = grade(asked, one, text, View(MARKUP, one.size, one.size), ["opacity"]).outcome
    assert found.right and set(found.sums["f1_50_named"]) == {4.0}
    assert [f.box for f in one.boxed] == [A, B]
