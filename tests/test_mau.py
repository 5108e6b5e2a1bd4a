"""MAU data: what the rules ask about a record, derived by hand, and that true answers are read back as the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.cases import at
from unveil.core.answers import parse
from unveil.core.box_formats import BOX_FORMATS, View, mark, render, unmark
from unveil.core.geometry import ious
from unveil.core.records import Dialogue, Finding, Question, Record, Source
from unveil.core.wordings import QUESTIONS
from unveil.curate.mau import MauOptions, mau
from unveil.curate.rules import vocabulary

LUNG = {"side": "left", "body_part": "lung", "shape": "round", "edge": "sharp edge"}
NODULE = Finding("nodule", (40.0, 10.0, 60.0, 30.0), attributes=LUNG)
CYST = Finding("cyst", (5.0, 50.0, 25.0, 80.0))
OTHER = Finding("mass", (1.0, 1.0, 9.0, 9.0))


def record(*findings: Finding, name: str = "a", **more) -> Record:
    fields: dict[str, Any] = {
        "split": "val",
        "completeness": "exhaustive",
        "modality": "xray",
        "source": Source("set"),
    } | more
    return Record(name, f"{name}.png", 100, 100, findings=findings, **fields)


#: A training record of the same data set, whose names are known to be sought.
KNOWN = record(OTHER, CYST, NODULE, name="known", split="train")


def asked(
    one: Record, rules: MauOptions = MauOptions(), seed: int = 0, skipped: Counter | None = None
) -> list[Dialogue]:
    """The dialogues of one record, with the vocabulary of the known one."""
    return [d for d in mau([KNOWN, one], rules, seed, skipped) if d.record == one.id]


def told(dialogues: list[Dialogue]) -> list[tuple[str, str, str]]:
    return [(d.id, d.question, d.answer) for d in dialogues]


def test_two_findings_by_hand() -> None:
    """Findings come from left to right: the cyst at x = 5 before the nodule at x = 40; mass is the absent name."""
    one = record(NODULE, CYST)
    cyst, nodule = "<box 5.00 50.00 25.00 80.00>", "<box 40.00 10.00 60.00 30.00>"
    diagnosis = (
        f"Detection: abnormal.\nLocalisation: {cyst}; {nodule} in the left lung.\n"
        "Recognition: cyst; nodule (round, sharp edge)."
    )
    assert told(asked(one, MauOptions(empty_regions=0))) == [
        ("a/detection", "Is anything abnormal in this image?", "Yes."),
        ("a/diagnosis", "Give the diagnosis: detection, localisation, recognition.", diagnosis),
        ("a/localisation/cyst", "Where is the cyst?", f"{cyst}."),
        ("a/localisation/nodule", "Where is the nodule?", f"{nodule} in the left lung."),
        ("a/localisation/mass", "Where is the mass?", "There is no mass."),
        (f"a/recognition/{cyst}", f"What is in this region: {cyst}?", "cyst."),
        (f"a/recognition/{nodule}", f"What is in this region: {nodule}?", "nodule (round, sharp edge)."),
    ]
    for d in asked(one):
        assert (d.record, d.image, d.split, d.writer) == ("a", "a.png", "val", "rules")
        assert d.target == (None if d.kind in ("detection", "diagnosis") else d.id.split("/", 2)[2])


def test_several_of_one_name_are_one_question() -> None:
    far = replace(NODULE, box=(70.0, 10.0, 90.0, 30.0), attributes={})
    (where,) = [d for d in asked(record(far, NODULE), MauOptions(absent=0)) if d.kind == "localisation"]
    assert where.answer == "<box 40.00 10.00 60.00 30.00> in the left lung; <box 70.00 10.00 90.00 30.00>."


def test_no_finding_by_hand() -> None:
    """An image that is known to show nothing: three negatives, each drawn once."""
    normal = "Detection: normal.\nLocalisation: none.\nRecognition: nothing abnormal."
    dialogues = asked(record())
    detection, diagnosis, absent, empty = dialogues
    assert told([detection, diagnosis]) == [
        ("a/detection", "Is anything abnormal in this image?", "No."),
        ("a/diagnosis", "Give the diagnosis: detection, localisation, recognition.", normal),
    ]
    assert absent.kind == "localisation" and absent.target in ("cyst", "mass", "nodule")
    assert absent.answer == f"There is no {absent.target}."
    assert empty.kind == "recognition" and empty.answer == "Nothing abnormal."


@pytest.mark.parametrize("completeness", ["partial", "unknown"])
def test_a_partly_annotated_record_gives_no_negatives(completeness: str) -> None:
    """What is annotated is there, but nothing is known of the rest: neither absent names nor empty regions."""
    kinds = Counter(d.kind for d in asked(record(NODULE, completeness=completeness)))
    assert kinds == {"detection": 1, "diagnosis": 1, "localisation": 1, "recognition": 1}
    assert not asked(record(completeness=completeness)), "no finding proves nothing there"


def test_a_finding_without_a_box_has_no_place() -> None:
    """It is detected, but no answer that would have to give its place is asked for; nor is its name absent.

    The cyst with a box keeps its questions; the second nodule spoils that of all nodules.
    """
    skipped: Counter[str] = Counter()
    bare = Finding("nodule")
    names = [d.id for d in asked(record(bare, CYST, NODULE), MauOptions(absent=9, empty_regions=0), skipped=skipped)]
    assert names == [
        "a/detection",
        "a/localisation/cyst",
        "a/localisation/mass",
        f"a/recognition/{mark(at(CYST))}",
        f"a/recognition/{mark(at(NODULE))}",
    ]
    assert skipped == {"diagnosis: a finding without a box": 1}
    assert [d.kind for d in asked(record(bare), MauOptions(absent=0, empty_regions=0))] == ["detection"]


def test_too_many_findings_are_counted() -> None:
    """Five in a row with at most four listed: no diagnosis, no question for all of them, but some of single regions."""
    skipped: Counter[str] = Counter()
    row = [replace(CYST, box=(10.0 * i, 0.0, 10.0 * i + 8, 8.0)) for i in range(5)]
    rules = MauOptions(max_findings=4, regions=3, absent=0, empty_regions=0)
    kinds = Counter(d.kind for d in asked(record(*row), rules, skipped=skipped))
    assert kinds == {"detection": 1, "recognition": 3}
    assert skipped == {"diagnosis and localisation: more than 4 findings": 1}
    assert Counter(d.kind for d in asked(record(*row[:4]), rules))["diagnosis"] == 1


def test_a_name_that_is_rare_enough_is_still_asked_for() -> None:
    row = [replace(CYST, box=(10.0 * i, 0.0, 10.0 * i + 8, 8.0)) for i in range(5)]
    names = [d.id for d in asked(record(*row, NODULE), MauOptions(max_findings=4)) if d.kind == "localisation"]
    assert "a/localisation/nodule" in names and "a/localisation/cyst" not in names


def test_names_come_from_the_training_split_of_the_same_set_and_modality() -> None:
    records = [
        record(CYST, name="t", split="train"),
        record(OTHER, name="v", split="val"),
        record(NODULE, name="ct", split="train", modality="ct"),
        record(Finding("polyp", (1, 1, 2, 2)), name="far", split="train", source=Source("other")),
    ]
    assert vocabulary(records) == {("set", "xray"): ["cyst"], ("set", "ct"): ["nodule"], ("other", "xray"): ["polyp"]}
    absent = [d.target for d in mau(records, MauOptions(absent=9)) if d.answer.startswith("There is no")]
    assert absent == ["cyst"], "asked of the validation image, which shows a mass"
    undivided = [replace(r, split=None) for r in records]
    assert vocabulary(undivided)["set", "xray"] == ["cyst", "mass"], "without splits, all of them"


def test_the_wording_varies_in_training_only() -> None:
    """The first wording in validation, test and undivided data; all three in training."""
    for split in ("val", "test", None):
        questions = {
            d.question for i in range(20) for d in asked(record(name=f"n{i}", split=split)) if d.kind == "detection"
        }
        assert questions == {QUESTIONS["detection"][0]}
    training = [record(name=f"n{i}", split="train") for i in range(40)]
    assert {d.question for d in mau(training) if d.kind == "detection"} == set(QUESTIONS["detection"])


def test_a_record_has_a_generator_of_its_own() -> None:
    """Its dialogues do not depend on its neighbours or their order, but on the seed."""
    records = [KNOWN, *(record(NODULE, name=f"n{i}", split="train") for i in range(6))]
    alone = {r.id: [d for d in mau([KNOWN, r]) if d.record == r.id] for r in records[1:]}
    for order in (records, records[::-1]):
        dialogues = list(mau(order))
        assert all([d for d in dialogues if d.record == name] == own for name, own in alone.items())
    assert list(mau(records)) == list(mau(records)) != list(mau(records, seed=1))


def test_ids_are_unique_also_in_one_place() -> None:
    """Two findings with one box: "recognition/<box>" and "recognition/<box>#2"; a question named like a rule's too."""
    twin = replace(CYST, box=NODULE.box)
    own = (Question("Q?", "A.", id="detection"), Question("R?", "B."), Question("S?", "C.", id="q1"))
    names = [d.id for d in asked(record(NODULE, twin, questions=own), MauOptions(empty_regions=0, absent=0))]
    assert len(set(names)) == len(names)
    assert [n for n in names if n.startswith("a/recognition")] == [
        f"a/recognition/{mark(at(NODULE))}{e}" for e in ("", "#2")
    ]
    assert names[-3:] == ["a/detection#2", "a/q1", "a/q1#2"]


def test_own_questions_are_cleaned() -> None:
    """Control tokens and invisible characters go; what is then empty is left out and counted."""
    own = (
        Question("<image>\nIs it <|im_end|>big?", "Y\u200bes</s>", "closed", "x"),
        Question("<|im_start|>", "Yes.", id="y"),
        Question("Why?", " <pad> ", id="z"),
    )
    skipped: Counter[str] = Counter()
    one = record(completeness="unknown", questions=own)
    (kept,) = asked(one, skipped=skipped)
    assert (kept.id, kept.kind, kept.question, kept.answer) == ("a/x", "closed", "Is it big?", "Yes")
    assert kept.writer == "set", "the data set wrote it, not the rules"
    assert skipped == {"own question: empty": 2}
    assert not asked(one, MauOptions(own_questions=False))


def test_empty_regions_touch_no_finding_and_lie_inside() -> None:
    """Sides of 10 to 30 of 100 pixels. Where a finding covers all there is no room, which is counted."""
    skipped: Counter[str] = Counter()
    seen = 0
    for i in range(50):
        for d in asked(record(NODULE, CYST, name=f"n{i}"), MauOptions(empty_regions=2), skipped=skipped):
            if d.answer == "Nothing abnormal.":
                (box,) = unmark(d.question)
                assert ious([box], [at(NODULE), at(CYST)]).max() == 0
                assert 0 <= box[0] < box[2] <= 100 and 0 <= box[1] < box[3] <= 100
                assert 9.98 <= box[2] - box[0] <= 30.02 and 9.98 <= box[3] - box[1] <= 30.02
                seen += 1
    assert seen + skipped["empty region: no room"] == 100 and seen > 80
    full = replace(NODULE, box=(0.0, 0.0, 100.0, 100.0))
    none: Counter[str] = Counter()
    asked(record(full), skipped=none)
    assert none == {"empty region: no room": 1}


# ---------------------------------------------------------------------------------------------- read back as the truth

LABELS = ("nodule", "cyst", "pleural effusion", "mass")
sides = st.integers(0, 80).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 8, low + 20)))


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    (x1, x2), (y1, y2) = draw(sides), draw(sides)
    attributes = draw(st.dictionaries(st.sampled_from(["side", "body_part", "shape", "edge"]), st.just("round")))
    return Finding(draw(st.sampled_from(LABELS)), (float(x1), float(y1), float(x2), float(y2)), attributes=attributes)


@given(st.lists(findings(), max_size=5), st.sampled_from(sorted(BOX_FORMATS)))
def test_true_answers_are_read_as_the_truth(found: list[Finding], box_format: str) -> None:
    """In every box format: the same names and boxes (to 1.5 of 64 bins), the same verdict, nothing malformed."""
    one = record(*found)
    view = View(BOX_FORMATS[box_format], one.size, (560, 560))
    for d in asked(one):
        parsed = parse(d.kind, render(d.answer, view), view, LABELS)
        assert parsed.status == "ok" and parsed.malformed == 0
        if d.kind == "detection":
            assert parsed.abnormal == bool(found)
        elif d.kind == "diagnosis":
            assert parsed.abnormal == bool(found)
            same(parsed.boxes, [f.box for f in one.boxed])
            assert parsed.labels == [f.label for f in one.boxed]
        elif d.kind == "localisation":
            same(parsed.boxes, [f.box for f in one.boxed if f.label == d.target])
        else:
            there = [f.label for f in found if mark(at(f)) == d.target]
            assert parsed.labels in [[label] for label in there] if there else parsed.abnormal is False


def same(read: list, true: list) -> None:
    """Boxes in the same order, each edge within 1.5 x 100 / 64 pixels."""
    assert len(read) == len(true)
    if true:
        assert np.abs(np.asarray(read) - np.asarray(true)).max() <= 1.5 * 100 / 64 + 0.01
