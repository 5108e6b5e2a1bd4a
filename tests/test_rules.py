"""What the rules know: they falsify so that it is wrong, correct so that it is right, and know their own questions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.cases import BY_ID, CYST, DIALOGUES, KNOWN, MASS, NODULE, RECORDS, at, record
from unveil.core.box_formats import mark, unmark
from unveil.core.geometry import ious
from unveil.core.records import Dialogue, Finding, Question, RecordError
from unveil.core.wordings import QUESTIONS
from unveil.core.words import holds
from unveil.curate.mau import MauOptions as Asked
from unveil.curate.mau import mau
from unveil.curate.rules import Rules

SEEDS = range(20)
TRAINING = [d for d in DIALOGUES if d.split != "test"]


def wrongs(name: str, rules: Rules = KNOWN) -> list[str | None]:
    """Wrong answers to one question, of twenty seeds."""
    return [rules.wrong(BY_ID[name], np.random.default_rng(seed)) for seed in SEEDS]


def alone(*records, dialogue: str = "a/diagnosis") -> tuple[Rules, Dialogue]:
    """Rules that know nothing but these records, and a dialogue on them."""
    dialogues = list(mau(records, Asked(absent=9)))
    return Rules(records, dialogues), next(d for d in dialogues if d.id.startswith(dialogue))


# --------------------------------------------------------------------------------------------------------- falsifying


@pytest.mark.parametrize("name", [d.id for d in TRAINING])
def test_a_wrong_answer_is_wrong_and_does_not_hold_the_truth(name: str) -> None:
    """To every kind of question there is one, wrong by the annotations; the same seed writes the same."""
    dialogue, made = BY_ID[name], wrongs(name)
    for text in made:
        assert text is not None and KNOWN.conflict(dialogue, text) > 0 and not holds(text, dialogue.answer)
        for x1, y1, x2, y2 in unmark(text):
            width, height = KNOWN.records[dialogue.record].size
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
        assert "secret" not in text, "only the test split has it"
    assert made == wrongs(name)


def test_all_kinds_are_tried() -> None:
    assert {d.kind for d in TRAINING} == {"detection", "diagnosis", "localisation", "recognition", "closed", "open"}


def test_yes_and_no_are_flipped_in_their_style() -> None:
    assert set(wrongs("a/detection")) == {"No."} and set(wrongs("b/detection")) == {"Yes."}
    assert set(wrongs("a/large")) == {"No."}
    bare = replace(BY_ID["a/large"], answer="yes")
    assert KNOWN.wrong(bare, np.random.default_rng(0)) == "no"


def test_a_finding_is_put_elsewhere_with_its_extent_and_side() -> None:
    """The nodule has 20 x 20 pixels; where it is put, it covers neither itself nor the cyst by a tenth."""
    for text in wrongs("a/localisation/nodule"):
        (box,) = unmark(text or "")
        assert text == f"{mark(box)} in the left lung."
        assert (box[2] - box[0], box[3] - box[1]) == pytest.approx((20, 20), abs=0.011)
        assert ious([box], [at(NODULE), at(CYST)]).max() < 0.11
    assert len(set(wrongs("a/localisation/nodule"))) == 20, "not always the same place"


def test_of_several_boxes_more_than_half_are_moved() -> None:
    """One of two in its place is a mean IoU of 1 / 2, which is right; so both are moved, and two of three."""
    far = [replace(NODULE, box=(10.0 + 30 * i, 10.0, 20.0 + 30 * i, 20.0)) for i in range(3)]
    for count, moved in ((2, 2), (3, 2)):
        rules, dialogue = alone(record("a", *far[:count]), dialogue="a/localisation/nodule")
        for seed in SEEDS:
            boxes = unmark(rules.wrong(dialogue, np.random.default_rng(seed)) or "")
            assert boxes == sorted(boxes) and len(boxes) == count
            assert sum(ious([box], [at(f) for f in far]).max() < 0.9 for box in boxes) == moved


def test_a_finding_that_leaves_no_room_is_denied() -> None:
    full = replace(NODULE, box=(0.0, 0.0, 100.0, 100.0))
    rules, dialogue = alone(record("a", full), dialogue="a/localisation/nodule")
    assert rules.wrong(dialogue, np.random.default_rng(0)) == "There is no nodule."


def test_an_absent_finding_is_invented_where_it_lies_elsewhere() -> None:
    """The only mass of the training split, at (20, 10, 60, 30) of 200 x 50, is (10, 20, 30, 60) of 100 x 100."""
    assert set(wrongs("a/localisation/mass")) == {"<box 10.00 20.00 30.00 60.00>."}


def test_a_finding_is_misnamed_with_a_name_that_is_not_there() -> None:
    """Known are cyst, mass and nodule; the image shows a nodule and a cyst. The reason stays as it was."""
    assert set(wrongs(f"a/recognition/{mark(at(NODULE))}")) == {"mass (round)."}
    assert set(wrongs(f"v/recognition/{mark(at(NODULE))}")) == {"mass (round).", "cyst (round)."}
    empty = next(d.id for d in DIALOGUES if d.record == "b" and d.kind == "recognition")
    assert set(wrongs(empty)) == {"mass.", "cyst.", "nodule (round)."}


def test_a_name_is_misspelt_by_nobody() -> None:
    """Names that differ in case only are one name: neither is a wrong name for the other."""
    rules, dialogue = alone(record("a", NODULE), record("b", replace(NODULE, label="Nodule")), dialogue="a/recognition")
    assert rules.wrong(dialogue, np.random.default_rng(0)) == "Nothing abnormal."


def test_a_diagnosis_is_changed_in_one_way() -> None:
    """Renamed (to mass), misplaced, or one overlooked: each occurs, and the rest stays as it is."""
    true = BY_ID["a/diagnosis"].answer
    ways = set()
    for text in wrongs("a/diagnosis"):
        assert text is not None
        boxes = unmark(text)
        if len(boxes) == 1:
            assert boxes[0] in (NODULE.box, CYST.box)
            ways.add("overlooked")
        elif boxes == unmark(true):
            assert text.count("mass") == 1 and ("nodule" in text) != ("cyst" in text)
            ways.add("renamed")
        else:
            assert sum(box in (NODULE.box, CYST.box) for box in boxes) == 1 and "mass" not in text
            ways.add("misplaced")
    assert ways == {"overlooked", "renamed", "misplaced"}
    assert all(text and text.startswith("Detection: abnormal.") for text in wrongs("b/diagnosis"))


def test_another_answer_is_of_like_length() -> None:
    """Of 41 answers with 1 word, 1 with 5 and 1 with 30, the truth has 5: the eight nearest are seven short ones."""
    names = "".join(chr(97 + i) for i in range(26))
    short = [f"{a}{b}x" for a in "pq" for b in names][:41]
    long = " ".join(f"w{i}" for i in range(30))
    own = [Question(f"Q{i}?", a) for i, a in enumerate([*short, long, "one two three four five"])]
    one = record("a", questions=tuple(own))
    rules = Rules([one], mau([one]))
    dialogue = next(d for d in mau([one]) if d.answer.startswith("one"))
    made = {rules.wrong(dialogue, np.random.default_rng(seed)) for seed in range(60)}
    assert made == set(short[-7:])
    dialogue = next(d for d in mau([one]) if d.answer == short[0])
    made = {rules.wrong(dialogue, np.random.default_rng(seed)) for seed in range(60)}
    assert len(made) > 20 and made <= set(short[1:]), "as many words as the truth, and any of them"


def test_what_holds_the_truth_is_no_wrong_answer() -> None:
    """ "left lung" holds "lung", and "lung left side" shares all of its words: neither can stand for a wrong answer."""
    own = (Question("Where?", "lung"), Question("Which?", "left lung"), Question("What?", "the lung left of it now"))
    one = record("a", questions=own)
    rules, dialogue = alone(one, dialogue="a/q0")
    assert {rules.wrong(dialogue, np.random.default_rng(seed)) for seed in SEEDS} == {None}


@pytest.mark.parametrize(
    ("records", "dialogue"),
    [
        ((record("a"),), "a/diagnosis"),
        ((record("a"),), "a/recognition"),
        ((record("a", questions=(Question("Why?", "air"),)),), "a/q0"),
        ((record("a"), record("b", MASS, split="test")), "a/diagnosis"),
        ((record("a"), record("b", MASS, modality="mr")), "a/diagnosis"),
    ],
    ids=[
        "no finding known",
        "no name known",
        "no other answer",
        "known in the test split",
        "known in another modality",
    ],
)
def test_nothing_is_written_where_nothing_is_known(records, dialogue: str) -> None:
    rules, asked = alone(*records, dialogue=dialogue)
    assert rules.wrong(asked, np.random.default_rng(0)) is None


def test_nothing_is_written_that_cannot_be_proven_wrong() -> None:
    """An image that nobody searched for everything may well show the mass that would be invented."""
    rules = Rules([*RECORDS, record("p", completeness="partial")])
    asked = replace(BY_ID["b/diagnosis"], id="p/diagnosis", record="p")
    assert rules.wrong(asked, np.random.default_rng(0)) is None


# ------------------------------------------------------------------------------------------------------------- judging


@pytest.mark.parametrize(
    ("name", "text", "conflict"),
    [
        ("a/detection", "Yes.", 0.0),
        ("a/detection", "No.", 1.0),
        ("a/detection", "Perhaps.", 1.0),
        # half of the nodule's box in x: IoU 200 / 400 is right; a third of it: 400/3 / 400 = 1 / 3
        ("a/localisation/nodule", "<box 20.00 10.00 30.00 30.00>", 0.0),
        ("a/localisation/nodule", "<box 10.00 10.00 30.00 16.00>", 0.7),
        ("a/localisation/mass", "<box 1.00 1.00 9.00 9.00>", 1.0),
        # one of two: accuracy 1/2, sensitivity 1, iou 1/2, iou50 1/2, f1 and f1 named 2/3: 1 - 23/6 / 6
        (
            "a/diagnosis",
            "Detection: abnormal.\nLocalisation: <box 10.00 10.00 30.00 30.00>.\nRecognition: nodule.",
            1 - 23 / 36,
        ),
        ("a/seen", "a round nodule", 0.0),  # 3 of 6 words: recall 1/2, f1 6/9, exact 0: mean 7/18 < 1/2
        ("a/seen", "nothing", 1.0),
        ("a/plane", "sagittal", 1.0),
    ],
)
def test_conflict_by_hand(name: str, text: str, conflict: float) -> None:
    if name == "a/seen" and conflict == 0:
        conflict = 1 - 7 / 18
    assert KNOWN.conflict(BY_ID[name], text) == pytest.approx(conflict)


def test_most_of_the_words_are_no_contradiction() -> None:
    """5 of 6 words: recall 5/6, f1 10/11, exact 0: mean 0.58."""
    assert KNOWN.conflict(BY_ID["a/seen"], "round nodule of the lung") == 0


def test_where_nothing_is_proven_there_is_no_conflict() -> None:
    one = record("a", NODULE, completeness="partial")
    normal = record("n", completeness="partial")
    rules = Rules([one, normal])
    asked = Dialogue("n/diagnosis", "n", "n.png", "train", "diagnosis", "Diagnosis?", "")
    assert rules.score(asked, "nodule") is None and rules.conflict(asked, "nodule") == 0
    with pytest.raises(RecordError, match=r"^x: its record 'gone' is not in the records' file"):
        rules.outcome(replace(asked, id="x", record="gone"), "")


# ---------------------------------------------------------------------------------------------------------- correcting

MOVED = "<box 11.00 12.00 31.00 29.00>"


@pytest.mark.parametrize(
    ("name", "said", "corrected"),
    [
        ("a/detection", "No.", "Yes."),
        (f"a/recognition/{mark(at(NODULE))}", "mass", "nodule (round)."),
        ("a/localisation/mass", "<box 1.00 2.00 3.00 4.00>.", "There is no mass."),
        ("a/localisation/nodule", f"{MOVED}; <box 50.00 50.00 60.00 60.00>; <box 1.00 2.00 3.00 4.00>", None),
        ("a/localisation/nodule", "There is no nodule.", "<box 10.00 10.00 30.00 30.00> in the left lung."),
        ("b/diagnosis", "abnormal: cyst <box 1.00 2.00 3.00 4.00>", BY_ID["b/diagnosis"].answer),
    ],
)
def test_corrections_by_hand(name: str, said: str, corrected: str | None) -> None:
    """A box with IoU of 19 * 17 / (400 + 340 - 323) = 0.77 stays as it was said."""
    assert KNOWN.corrected(BY_ID[name], said) == (corrected or f"{MOVED} in the left lung.")


def test_a_diagnosis_keeps_its_right_boxes_and_names() -> None:
    """The nodule is in its place, the cyst is not, the mass is none: one box stays, one is mended, one goes."""
    said = (
        f"Detection: abnormal.\nLocalisation: {MOVED} in the left lung; <box 1.00 70.00 9.00 90.00>; "
        "<box 40.00 1.00 50.00 9.00>.\nRecognition: nodule (round); cyst; mass."
    )
    assert KNOWN.corrected(BY_ID["a/diagnosis"], said) == (
        f"Detection: abnormal.\nLocalisation: {MOVED} in the left lung; <box 60.00 60.00 80.00 90.00>.\n"
        "Recognition: nodule (round); cyst."
    )


@given(st.data())
def test_corrections_are_right_and_keep_what_was(data: st.DataObject) -> None:
    """Whatever boxes are said: the correction is right, and each box that was right is in it, bit for bit."""
    hundredths = st.integers(0, 100).map(lambda v: v / 1)
    corner = st.tuples(hundredths, hundredths, st.integers(1, 40), st.integers(1, 40))
    free = corner.map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))
    near = st.tuples(*[st.integers(-300, 300)] * 4).map(
        lambda d: tuple(v + e / 100 for v, e in zip(NODULE.box or (), d, strict=True))
    )
    said = data.draw(st.lists(st.one_of(free, near), max_size=4))
    for name in ("a/localisation/nodule", "a/diagnosis"):
        dialogue = BY_ID[name]
        text = "; ".join(map(mark, said)) or "none"
        made = KNOWN.corrected(dialogue, text)
        assert KNOWN.conflict(dialogue, made) == 0
        right = [mark(b) for b in said if ious([b], [at(NODULE)]).max() >= 0.5]
        assert not right or any(box in made for box in right)


# ------------------------------------------------------------------------------------------------------- understanding

CELLS = [(x, y) for x in range(0, 100, 25) for y in range(0, 100, 25)]


@st.composite
def records(draw: st.DrawFn):
    """Findings in cells of their own, some without a box, in an image that is fully annotated or not."""
    cells = draw(st.lists(st.sampled_from(CELLS), unique=True, max_size=4))
    found = []
    for x, y in cells:
        box = (x + 2.125, y + 3.0, x + 20.5, y + 24.0)
        label = draw(st.sampled_from(["nodule", "pleural effusion", "T.B. (old)", "mass?"]))
        found.append(Finding(label, box, attributes=draw(st.sampled_from([{}, LEFT]))))
    if draw(st.booleans()):
        found.append(Finding("bare"))
    completeness = draw(st.sampled_from(["exhaustive", "partial"]))
    own = (Question("<image>Is it big?", "Yes<|im_end|>.", "closed"),)
    return record("a", *found, completeness=completeness, split=draw(st.sampled_from(["train", "val"])), questions=own)


LEFT = {"side": "left", "body_part": "lung"}


@given(records(), st.integers(0, 9))
def test_the_rules_understand_their_own_questions(one, seed: int) -> None:
    """And give the answer that they wrote; about an empty region only where every finding has its place."""
    rules = Rules([one, *RECORDS[1:]])
    for asked in mau([one, *RECORDS[1:]], Asked(absent=2), seed):
        if asked.record != "a":
            continue
        foreign = replace(asked, kind="open", question="", answer="", target=None)
        known = rules.understood(asked.question, foreign)
        if asked.answer == "Nothing abnormal." and len(one.boxed) < len(one.findings):
            assert known is None, "the finding without a box may be there"
        else:
            assert known is not None
            assert (known.kind, known.answer, known.target) == (asked.kind, asked.answer, asked.target)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("a", "How is the patient?"),
        ("a", ""),
        ("a", "Where is the ?"),
        ("a", "What is in this region: lung?"),
        ("a", "What is in this region: <box 1.0 2.0 3.0 4.0> <box 1.0 2.0 3.0 4.0>?"),
        ("a", "What is in this region: <box 25.00 10.00 45.00 30.00>?"),  # touches the nodule: IoU 100 / 700
        ("p", "Where is the cyst?"),
        ("p", "What is in this region: <box 70.00 70.00 90.00 90.00>?"),
        ("u", QUESTIONS["detection"][0]),
        ("u", QUESTIONS["diagnosis"][0]),
        ("u", "Where is the cyst?"),
    ],
)
def test_foreign_questions_are_not_understood(name: str, question: str) -> None:
    """p is annotated in part: nothing is known of what it does not show; u shows nothing and is not known to."""
    partial = record("p", NODULE, completeness="partial")
    rules = Rules([*RECORDS, partial, record("u", completeness="unknown")])
    about = replace(BY_ID["a/detection"], record=name)
    assert rules.understood(question, about) is None


def test_the_region_of_a_finding_is_known_from_half_of_it_on() -> None:
    """(10, 10, 30, 20) is half of the nodule's box: IoU 200 / 400."""
    known = KNOWN.understood("Name the finding at <box 10.00 10.00 30.00 20.00>.", BY_ID["a/detection"])
    assert known is not None and known.answer == "nodule (round)."
