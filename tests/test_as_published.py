"""The section that shows closed and open questions as others score them, beside ours: figures, intervals, page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.helpers.outcomes import dialogue, predicted, record
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Dialogue
from unveil.evaluate.metrics import cases
from unveil.evaluate.score import score
from unveil.evaluate.sections.as_published import FIGURES, keep, show, summarise
from unveil.evaluate.sections.section import Answers, Scoring


def asked(kind, question: str, gold: str, number) -> Dialogue:
    return replace(dialogue(kind, gold, name=f"r{number}/q", of=f"r{number}"), question=question)


def told(rows: list[tuple], **models: list[str]) -> dict:
    """The section of models' answers to questions (kind, question, gold), each about a patient of its own."""
    dialogues = [asked(kind, question, gold, i) for i, (kind, question, gold) in enumerate(rows)]
    records = [record(name=f"r{i}", patient=str(i)) for i in range(len(rows))]
    kept = {}
    for name, texts in models.items():
        said = [predicted(d, text) for d, text in zip(dialogues, texts, strict=True)]
        kept[name] = [one for case, p in cases(records, dialogues, said) if (one := keep(case, p))]
    found = summarise(Answers(kept, {}), Scoring(records, dialogues, (), 100, 0))
    assert found is not None
    return found


YES, NO = ("closed", "Is there a dog?", "yes"), ("closed", "Is there a cat?", "no")


def values(section: dict, name: str, model: str = "m") -> tuple:
    of = section["models"][model][name]
    return of["published"]["value"], of["ours"]["value"], of["n"]


def test_figures_stand_beside_ours() -> None:
    """Gold yes, no, no; said "Yes.", "normal", "no". LLaVA-Med finds all right (no in normal), lmms-eval's POPE only
    the last (of one bare no: F1 0), its yes-ratio is the truth's, 1/3; ours 2 of 3, and one answer of three is yes."""
    found = told([YES, NO, NO], m=["Yes.", "normal", "no"])
    assert values(found, "llava_med_closed") == pytest.approx((1, 2 / 3, 3))
    assert values(found, "lmms_eval_pope_accuracy") == pytest.approx((1 / 3, 2 / 3, 3))
    assert values(found, "lmms_eval_pope_yes_ratio") == pytest.approx((1 / 3, 1 / 3, 3))
    assert values(found, "pope_accuracy") == pytest.approx((2 / 3, 2 / 3, 3))
    assert found["models"]["m"]["llava_med_closed"]["difference"]["value"] == pytest.approx(1 / 3)
    assert "llava_med_open_recall" not in found["figures"], "nothing open was asked"
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_all_no_has_an_f1_of_0_and_no_precision() -> None:
    """Gold yes and no, both answered no: no hit, one missed: F1 0 / 1, recall 0 / 1, precision of nothing."""
    found = told([YES, NO], m=["No", "No"])
    assert values(found, "pope_f1") == (0, 0, 2) and values(found, "lmms_eval_pope_recall") == (0, 0, 2)
    assert found["models"]["m"]["lmms_eval_pope_precision"]["ours"]["reason"] == "nothing to count"


def test_the_yes_ratio_follows_the_answers_and_the_unreadable_is_missed() -> None:
    """Gold yes, yes, no; said yes, "maybe", "Yes.": ours has 2 of 3 yes, and finds 1 of 2 positives; lmms-eval's POPE
    1 of 1. Ours in another order of questions is the same."""
    found = told([YES, YES, NO], m=["yes", "maybe", "yes"])
    assert values(found, "lmms_eval_pope_yes_ratio") == pytest.approx((2 / 3, 2 / 3, 3))
    assert values(found, "lmms_eval_pope_recall") == (1, 0.5, 3)
    other = told([NO, YES, YES], m=["yes", "maybe", "yes"])
    assert {name: values(other, name) for name in other["figures"]} == {
        name: values(found, name) for name in found["figures"]
    }
    always = told([YES, NO, NO], m=["yes", "yes", "yes"])
    assert values(always, "lmms_eval_pope_yes_ratio") == pytest.approx((1 / 3, 1, 3))


def test_open_questions() -> None:
    """ "left left" to "left lung": LLaVA-Med's recall 2 / 3, ours 1 / 2. MedEvalKit prints the F1 of 2/3 (sets: P 1,
    R 1/2) as its precision; ours is 1 / 2."""
    found = told([("open", "Where?", "left lung")], m=["left left"])
    assert values(found, "llava_med_open_recall") == pytest.approx((2 / 3, 0.5, 1))
    assert values(found, "medevalkit_open_precision") == pytest.approx((2 / 3, 0.5, 1))
    assert values(found, "llava_med_open_exact") == (0.5, 0, 1)
    assert found["models"]["m"]["llava_med_open_recall"]["ours"]["reason"] == "one cluster only"


def test_closed_questions_that_nobody_answers_by_yes_or_no() -> None:
    """LLaVA-Med takes "left" for wrong; where no gold is yes or no, POPE has nothing to count."""
    found = told([("closed", "Which side?", "Left")] * 2, m=["left", "left"])
    assert values(found, "llava_med_closed") == (0, 1, 2) and values(found, "lmms_eval_slake_closed") == (1, 1, 2)
    assert values(found, "pope_accuracy") == (None, None, 2)


def test_an_interval_is_paired_and_never_of_no_width() -> None:
    """Both say the same of two patients: the difference is 0 in every resample, and its interval the exact one."""
    found = told([YES, NO], m=["yes", "no"])
    difference = found["models"]["m"]["llava_med_closed"]["difference"]
    assert difference["value"] == 0 and difference["low"] < 0 < difference["high"]


def test_one_patient_with_something_to_count_gives_no_interval() -> None:
    """Of 40 patients one is called positive, rightly: a precision of 1 that rests on one patient, not on 40. Ours and
    theirs alike, so that their difference of 0 rests on it too. The accuracy rests on all."""
    found = told([YES, *[NO] * 39], m=["yes", *["no"] * 39])["models"]["m"]
    precision, accuracy = found["lmms_eval_pope_precision"], found["pope_accuracy"]
    assert precision["ours"]["value"] == 1 and precision["difference"]["value"] == 0
    assert {precision[k]["reason"] for k in ("published", "ours", "difference")} == {"one cluster only"}
    assert accuracy["ours"]["low"] == pytest.approx(0.025 ** (1 / 40))


def test_there_is_no_section_without_such_questions() -> None:
    dialogues, records = [dialogue("detection", "No.")], [record()]
    rows = [keep(case, p) for case, p in cases(records, dialogues, [predicted(dialogues[0], "No.")])]
    assert rows == [None] and summarise(Answers({"m": []}, {}), Scoring(records, dialogues, (), 10, 0)) is None


def test_scores_and_terminal_have_it(tmp_path, capsys) -> None:
    dialogues = [asked(*YES, 0), asked(*NO, 1)]
    write_jsonl(tmp_path / "records.jsonl", [record(name=f"r{i}") for i in range(2)])
    write_jsonl(tmp_path / "dialogues.jsonl", dialogues)
    write_jsonl(tmp_path / "m.jsonl", [predicted(d, "Yes, there is") for d in dialogues])
    files = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl", {"m": tmp_path / "m.jsonl"}
    section = score(*files, tmp_path / "out", resamples=20)["sections"]["as_published"]
    assert values(section, "llava_med_closed") == (0.5, 0.5, 2)
    show(section)
    shown = capsys.readouterr().err.split("\n")
    row = next(line.split() for line in shown if "lmms_eval_slake_closed" in line)
    assert row == ["lmms_eval_slake_closed", "2", "0.00", "(0.50)"], "with n: a sentence is wrong there"
    assert "llava_med_closed" not in "".join(shown), "which is as ours: 0.50"


def test_every_figure_has_a_reason_and_a_name_of_its_own() -> None:
    assert len({one.name for one in FIGURES}) == len(FIGURES) and all(one.why for one in FIGURES)
