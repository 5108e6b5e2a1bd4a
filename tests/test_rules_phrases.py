"""What the rules know of phrases and of options to choose from: wrong, right and understood by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unveil.core.box_formats import unmark
from unveil.core.geometry import ious
from unveil.core.records import Dialogue, Finding, Question, Record
from unveil.core.sampling import Sampling
from unveil.curate.candidates import Asking, pair_of
from unveil.curate.mau import mau
from unveil.curate.noise import is_negative, spoken_of
from unveil.curate.relevance import severity
from unveil.curate.rules import Rules

A, B = (10.0, 10.0, 30.0, 30.0), (60.0, 60.0, 80.0, 90.0)
OWN = (Question("Which one?", "cyst", "closed", "which", ("mass", "cyst", "scar")),)
IMAGE = Record(
    *("a", "a.png", 100, 100),
    split="train",
    findings=(Finding("nodule", A, phrase="A round nodule."), Finding("cyst", B)),
    questions=OWN,
)
DIALOGUES: dict[str, Dialogue] = {d.kind: d for d in mau([IMAGE])}
RULES = Rules([IMAGE], DIALOGUES.values())


def wrong(kind: str) -> set[str | None]:
    return {RULES.wrong(DIALOGUES[kind], np.random.default_rng(seed)) for seed in range(20)}


def test_a_phrase_is_put_elsewhere() -> None:
    """The box keeps its 20 x 20 pixels and touches neither finding by a tenth."""
    for text in wrong("grounding"):
        (box,) = unmark(text or "")
        assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((20, 20), abs=0.011)
        assert ious([box], [A, B]).max() < 0.11 and RULES.conflict(DIALOGUES["grounding"], text or "") > 0.9


def test_another_option_is_chosen() -> None:
    """Each of the two wrong ones, with its letter; the pair keeps the options, so that it can be judged."""
    asked = DIALOGUES["choice"]
    assert wrong("choice") == {line for line in asked.question.splitlines()[1:] if line != asked.answer}
    pair = pair_of(asked, "x", asked.answer, min(map(str, wrong("choice"))), "rules")
    assert pair.choices == asked.choices and severity(pair, RULES) == 0.5
    assert RULES.conflict(asked, "who knows") == 1 and RULES.conflict(asked, asked.answer) == 0


def test_wrong_answers_are_corrected() -> None:
    """Of a phrase the place; of options the right one."""
    for kind in ("grounding", "choice"):
        asked = DIALOGUES[kind]
        assert RULES.corrected(asked, "nonsense") == asked.answer


def test_questions_that_a_model_puts_are_understood() -> None:
    """A phrase in any wording of ours; an own question without its options has its plain answer."""
    about = DIALOGUES["choice"]
    one = RULES.understood("¿Dónde se ve esto: A round nodule?", about)
    assert one is not None and (one.kind, one.answer) == ("grounding", "<box 10.00 10.00 30.00 30.00>.")
    assert RULES.understood("Where is this seen: a mass?", about) is None
    plain = RULES.understood("Which one?", about)
    assert plain is not None and (plain.kind, plain.answer, plain.choices) == ("closed", "cyst", ())


def test_noise_hides_the_places_of_the_phrase() -> None:
    asked = DIALOGUES["grounding"]
    assert spoken_of(asked, IMAGE) == [IMAGE.findings[0]] and not is_negative(asked, IMAGE)
    none = Dialogue("q", "a", "a.png", "train", "choice", "?", "A. x", choices=("x", "y"))
    assert spoken_of(none, IMAGE) == [] and not is_negative(none, IMAGE)


def test_a_wrong_answer_is_in_the_language_of_its_question() -> None:
    """Of three answers, two Chinese, the other Chinese one; else the script alone would tell which is the worse."""
    own = (Question("什么器官？", "肺", language="zh"), Question("哪里？", "肝", language="zh"))
    one = replace(IMAGE, questions=(*own, Question("Which organ?", "Lung", language="en")))
    asked = {d.question: d for d in mau([one])}
    rules = Rules([one], asked.values())
    assert {rules.wrong(asked["什么器官？"], np.random.default_rng(seed)) for seed in range(9)} == {"肝"}
    assert rules.wrong(asked["Which organ?"], np.random.default_rng(0)) is None


def test_a_later_turn_is_answered_after_those_before_it() -> None:
    """The model that a pair's answers are drawn from hears what was said before, and so does the one that learns."""
    asked = replace(DIALOGUES["choice"], history=(("What is it?", "A mass."),))
    request = Asking([asked], Path("d.jsonl"), {IMAGE.id: IMAGE}, Counter()).question(asked, Sampling(), "0")
    said = [("user", "What is it?"), ("assistant", "A mass."), ("user", asked.question)]
    assert [(turn.role, turn.text) for turn in request.turns] == said
    assert pair_of(asked, "x", "A. mass", "B. cyst", "rules").history == asked.history


def test_yes_and_no_are_flipped_in_chinese() -> None:
    """是的 says the same as 是 and is no wrong answer; 没有 is the contrary of 有. Longer answers are read too."""
    own = (Question("是CT吗？", "是", "closed", language="zh"), Question("有肿块吗？", "没有", "closed", language="zh"))
    asked = {d.question: d for d in mau([replace(IMAGE, questions=own)])}
    ct, mass = asked["是CT吗？"], asked["有肿块吗？"]
    rules = Rules([IMAGE], [ct, mass, replace(ct, id="x", answer="是的")])
    assert [rules.wrong(one, np.random.default_rng(0)) for one in (ct, mass)] == ["否", "有"]
    assert rules.conflict(ct, "是的，这是CT。") == 0 and rules.conflict(ct, "否。") == 1
    assert rules.outcome(ct, "肺").status == "unparsable" and rules.outcome(mass, "无").right
