"""The section of boxes: what is kept, what takes part, and what is told; figures by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.outcomes import A, B, C, diagnosis, dialogue, predicted, record
from unveil.core.grading import ScoreError
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Finding, Source
from unveil.evaluate import box_figures
from unveil.evaluate.box_calibration import calibration
from unveil.evaluate.box_figures import Boxes, curve_resamples
from unveil.evaluate.detections import BoxAnswer, Detections
from unveil.evaluate.metrics import cases
from unveil.evaluate.reliability import equal_width, rising
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.score import score
from unveil.evaluate.score_table import show_scores
from unveil.evaluate.sections.boxes import BOXES, keep
from unveil.evaluate.sections.section import Answers, Scoring

FAR = (30.0, 80.0, 40.0, 90.0)
SHIFTED = (5.0, 0.0, 15.0, 10.0)  # IoU with A: 50 / 150 = 1/3


def kept(r, d, answer: str, **more):
    [(case, prediction)] = cases([r], [d], [predicted(d, answer, **more)])
    return keep(case, prediction)


def boxes(
    name: str, said, true, exhaustive: bool = True, kind="diagnosis", cluster: str | None = None, image: str = ""
) -> BoxAnswer:
    """Said as (name, score, box), true as (name, box)."""
    return BoxAnswer(
        *(name, image or name, kind, cluster or name, 10_000.0, exhaustive, True, 0),
        boxes=tuple(box for *_, box in said),
        names=tuple(label for label, *_ in said),
        scores=tuple(score for _, score, _ in said),
        true=tuple(box for _, box in true),
        true_names=tuple(label for label, _ in true),
        iou=0.5 if true else None,
    )


def summary(validation=(), resamples: int = 50, **models):
    pairs = [(b, a) for i, b in enumerate(models) for a in list(models)[:i]]
    found = BOXES.summarise(Answers(models, dict.fromkeys(models, validation)), Scoring([], [], pairs, resamples, 0))
    assert found
    return found["kinds"]


# ------------------------------------------------------------------------------------------------------- what is kept


def test_an_answer_is_kept_with_its_confidence() -> None:
    """One token writes all: exp(-1) for the numbers, exp(-1) for the name."""
    text = diagnosis(("nodule", A))
    found = kept(record(("Nodule", A)), dialogue("diagnosis"), text, tokens=((len(text), -1.0),))
    assert (found.boxes, found.names, found.true, found.true_names) == ((A,), ("nodule",), (A,), ("nodule",))
    assert found.scores == (pytest.approx(math.exp(-2)),) and found.exhaustive and found.iou == 1


def test_questions_that_ask_for_no_place_take_no_part() -> None:
    assert kept(record(("nodule", A)), dialogue("detection", "Yes."), "Yes.") is None
    assert BOXES.summarise(Answers({"m": []}, {}), Scoring([], [], (), 10, 0)) is None


def test_the_name_that_is_asked_for_is_that_of_all_boxes() -> None:
    r = record(("nodule", A), ("cyst", B))
    found = kept(r, dialogue("localisation", target="cyst"), "[0, 0, 10, 10]")
    assert (found.names, found.true, found.true_names) == (("cyst",), (B,), ("cyst",))


def test_places_of_a_phrase_count_once_and_an_unknown_one_takes_no_part() -> None:
    seen = tuple(Finding(name, A, phrase="Opacity.") for name in ("mass", "nodule"))
    r = replace(record(), findings=seen)
    assert kept(r, dialogue("grounding", target="Opacity"), "[0, 0, 10, 10]").true == (A,)
    assert kept(r, dialogue("grounding", target="Effusion"), "[0, 0, 10, 10]").true is None


def test_a_finding_without_a_place_leaves_the_answer_out() -> None:
    found = kept(record(("nodule", A), ("cyst", None)), dialogue("diagnosis"), diagnosis(("nodule", A)))
    assert found.true is None
    of = summary(m=[found])["diagnosis"]
    assert of["left_out"] == {"no place known": 1, "not exhaustive": 0}
    assert of["models"]["m"]["figures"]["f1_50"] | {"fewest": 0} == {
        "value": None, "low": None, "high": None, "n": 0, "clusters": 0, "reason": "no items", "fewest": 0,
    }  # fmt: skip


@pytest.mark.parametrize("logp", [math.nan, 2.0])
def test_a_confidence_that_is_none_is_an_error_that_names_the_answer(logp: float) -> None:
    text = diagnosis(("nodule", A))
    with pytest.raises(ScoreError, match=r"^d: a token.* log-probability.*; predict (it )?again"):
        kept(record(("nodule", A)), dialogue("diagnosis"), text, tokens=((len(text), logp),))


# -------------------------------------------------------------------------------------------------------- the figures


def test_figures_by_hand() -> None:
    """Two images: on the first the nodule is hit (0.9) and a cyst is said where none is (0.8); on the second the cyst
    is missed.

    AP of nodule 1, of cyst 0: mAP 1/2. By place alone: hit, false, and one of two found: precision 1 up to recall
    0.5, which are 51 of 101 recalls. F1: 2 * 1 / (2 + 2). FROC: one false box on two images is 1/2: below that rate the
    first box only, and it is found: 1/2 at all rates. Acc@0.5 1/2; GIoU (1 - 1) / 2 = 0.
    """
    rows = [boxes("1", [("nodule", 0.9, A), ("cyst", 0.8, FAR)], [("nodule", A)]), boxes("2", [], [("cyst", B)])]
    found = summary(m=rows)["diagnosis"]["models"]["m"]
    values = {k: v["value"] for k, v in found["figures"].items()}
    assert (values["ap50"], values["ap"], values["froc"], values["f1_named_50"]) == pytest.approx((0.5,) * 4)
    assert values["ap50_any"] == pytest.approx(51 / 101)
    assert (values["precision_50"], values["recall_50"], values["acc50"], values["giou"]) == (0.5, 0.5, 0.5, 0)
    assert {name: ap["value"] for name, ap in found["names"].items()} == pytest.approx({"nodule": 1, "cyst": 0})
    assert [at["value"] for at in found["froc_at"]] == [0.5] * 7


def test_the_place_may_be_met_under_another_name_and_at_a_lower_iou() -> None:
    """IoU 1/3: a hit at 0.3, none at 0.4; with the name of the nodule only by place."""
    found = summary(m=[boxes("1", [("cyst", 0.9, SHIFTED)], [("nodule", A)])])["diagnosis"]["models"]["m"]["figures"]
    assert [found[f"f1_{iou}"]["value"] for iou in (30, 40)] == [1, 0] and found["f1_named_30"]["value"] == 0
    assert found["pointing"]["value"] == 0 and found["ap50"]["value"] == 0  # the centre, (10, 5), is not within [0, 10)
    assert found["giou"]["value"] == pytest.approx(1 / 3)  # the hull is the union


def test_of_boxes_in_one_place_one_to_one_pairs_are_taken() -> None:
    """Two boxes on one true one, and one box between two: no true box is met twice, no box meets two."""
    found = Detections.of(
        [
            boxes("1", [("a", 0.5, A), ("a", 0.4, SHIFTED)], [("a", A)]),
            boxes("2", [("a", 0.5, (4.0, 0.0, 14.0, 10.0))], [("a", A), ("b", (8.0, 0.0, 18.0, 10.0))]),
            boxes("3", [("a", 0.5, B), ("b", 0.5, C)], [("b", B), ("b", C)]),
        ]
    )
    answers, values, agree = found.matched
    pairs = sorted(zip(answers.tolist(), values.round(3).tolist(), agree.tolist(), strict=True))
    assert pairs == [(0, 1.0, True), (1, 0.429, True),
                     (2, 1.0, False), (2, 1.0, True)]  # fmt: skip


def test_where_annotation_is_not_exhaustive_no_box_is_proven_false() -> None:
    """The second image is partial: its boxes, one of them nowhere, count in recall and in the surest box only."""
    rows = [
        boxes("1", [("nodule", 0.9, A)], [("nodule", A)]),
        boxes("2", [("nodule", 0.9, B), ("nodule", 0.95, FAR)], [("nodule", B)], exhaustive=False),
    ]
    of = summary(m=rows)["diagnosis"]
    values = {k: v["value"] for k, v in of["models"]["m"]["figures"].items()}
    assert of["left_out"]["not exhaustive"] == 1
    assert (values["ap50"], values["f1_50"], values["precision_50"], values["recall_50"]) == pytest.approx((1,) * 4)
    assert values["acc50"] == 0.5  # the surest box of the second is that in the wrong place
    alone = summary(m=rows[1:])["diagnosis"]["models"]["m"]
    assert alone["reason"] == "no image is annotated exhaustively, so that no box is proven false"
    assert alone["figures"]["f1_50"]["reason"] == "no items" and alone["figures"]["recall_50"]["value"] == 1


def test_normal_images_count_as_images_of_froc() -> None:
    """A false box on the one image, surer than the hit. With 7 normal images one in 8 is the lowest rate: all found."""
    one = boxes("0", [("a", 0.9, FAR), ("a", 0.8, A)], [("a", A)])
    assert summary(m=[one])["diagnosis"]["models"]["m"]["froc_at"][0]["value"] == 0
    normal = [boxes(str(i), [], []) for i in range(1, 8)]
    found = summary(m=[one, *normal])["diagnosis"]
    assert found["models"]["m"]["froc_at"][0]["value"] == 1 and found["empty"] == 7


def test_false_boxes_of_all_questions_about_an_image_go_together_in_froc() -> None:
    """Two images, asked for four names each. From the surest box on: two false on "x", then the one true box on "y".
    That is one false box an image: at 1/2 nothing is found yet, from 1 on all. By question it would be 2 of 8, so that
    from 1/4 on all were found."""
    said = {"x0": [("a", 0.9, A)], "x1": [("b", 0.8, B)], "y0": [("a", 0.7, A)]}
    rows = [
        boxes(name, said.get(name, []), [("a", A)] if name == "y0" else [], kind="localisation", image=image)
        for image in "xy"
        for i in range(4)
        for name in [f"{image}{i}"]
    ]
    found = summary(m=[row._replace(cluster=row.image) for row in rows])["localisation"]
    assert (found["answers"], found["images"]) == (8, 2)
    assert [at["value"] for at in found["models"]["m"]["froc_at"]] == [0, 0, 0, 1, 1, 1, 1]


def test_a_name_that_only_answers_have_is_told() -> None:
    """It is no class of the mAP, as in COCO, but false in FROC and F1."""
    rows = [boxes("1", [("nodule", 0.9, A), ("mass", 0.95, B), ("", 0.1, C)], [("nodule", A)])]
    found = summary(m=rows)["diagnosis"]["models"]["m"]
    assert found["only_said"] == {"(no name)": 1, "mass": 1} and found["figures"]["ap50"]["value"] == pytest.approx(1)
    assert found["froc_at"][0]["value"] == 0 and found["figures"]["f1_named_50"]["value"] == 0.5


def test_sizes_are_shares_of_the_image() -> None:
    """10 x 10 of 100 x 100 pixels is 1 %: medium, whatever the pixels; there is nothing small or large."""
    found = summary(m=[boxes("1", [("a", 0.9, A)], [("a", A)])])["diagnosis"]["models"]["m"]["figures"]
    assert found["ap50_medium"]["value"] == pytest.approx(1)
    assert found["ap50_small"]["value"] is None and found["ap50_small"]["reason"] == "nothing to count"


def test_without_a_true_box_there_is_a_reason() -> None:
    found = summary(m=[boxes("1", [("a", 0.9, A)], [])])["diagnosis"]["models"]["m"]
    assert found["reason"] == "no image has a true box" and found["figures"]["f1_50"]["value"] == 0


def many(shift: float, score: float | None, images: int = 30) -> list[BoxAnswer]:
    """Every other image is missed by ``shift``."""
    places = [A, (A[0] + shift, A[1], A[2] + shift, A[3])]
    return [boxes(str(i), [("a", score, places[i % 2])], [("a", A)]) for i in range(images)]


def test_differences_are_paired_on_the_same_resamples() -> None:
    """The second model hits all, the first every other: F1 1 against 1/2. A model apart from itself: 0, all alike.

    All boxes of the first are equally sure, hits and false ones, of which there is 1/2 an image: sensitivity 0 at 1/8
    and 1/4, 1/2 at the other five rates, so FROC is 5/14.
    """
    found = summary(base=many(20, 0.5), sft=many(0, 0.5), same=many(0, 0.5))["diagnosis"]["differences"]
    for figure, value in (("f1_50", 0.5), ("f1_named_50", 0.5), ("acc50", 0.5), ("froc", 9 / 14)):
        d = found["sft"]["base"][figure]
        assert d["value"] == pytest.approx(value) and d["low"] > 0 and d["excludes_zero"] and d["differing"] == 15
        assert d["p"] == 1 / 51 and d["p_holm"] == 5 / 51, "of 50 swaps none is as large; five figures are a family"
    d = found["same"]["sft"]["ap50"]
    assert (
        d["p"] == 1 and d["value"] == 0 and d["differing"] == 0 and not d["excludes_zero"] and d["low"] < 0 < d["high"]
    )


def test_a_model_without_confidences_is_compared_in_what_needs_none() -> None:
    found = summary(base=many(20, None), sft=many(0, 0.5))["diagnosis"]
    assert set(found["differences"]["sft"]["base"]) == {"f1_50", "f1_named_50", "acc50"}
    assert found["models"]["base"]["curves"] is None and found["models"]["sft"]["curves"]


def test_copies_within_patients_leave_intervals_as_they_are() -> None:
    """Every answer twice in its cluster: the same resamples of the same clusters."""
    once = many(20, 0.5)
    twice = [a._replace(id=f"{a.id}{copy}") for a in once for copy in "ab"]
    figures = [summary(m=rows)["diagnosis"]["models"]["m"]["figures"] for rows in (once, twice)]
    intervals = [{k: (v["value"], v["low"], v["high"]) for k, v in of.items()} for of in figures]
    assert intervals[0]["f1_50"] == pytest.approx(intervals[1]["f1_50"])
    assert intervals[0]["acc50"] == pytest.approx(intervals[1]["acc50"])


def test_kinds_stand_apart_and_the_caveats_of_the_data_are_told() -> None:
    rows = [boxes("1", [("a", 0.9, A)], [("a", A)]), boxes("2", [("a", 0.9, A)], [("a", B)], kind="localisation")]
    r, d = replace(record(), source=Source("deeplesion")), dialogue("localisation", target="a")
    found = BOXES.summarise(Answers({"m": rows}, {}), Scoring([r], [d], (), 10, 0))
    assert found and list(found["kinds"]) == ["diagnosis", "localisation"]
    assert [told.split()[0] for told in found["caveats"]] == ["DeepLesion"]
    assert "f1_named_50" not in found["kinds"]["localisation"]["models"]["m"]["figures"]


def test_many_boxes_take_fewer_resamples() -> None:
    few, lots = Boxes(many(0, 0.5, 4), list("0123")), Boxes(many(0, 0.5, 20) * 1000, [str(i) for i in range(20)])
    assert curve_resamples([few], 2000) == 2000
    assert curve_resamples([few, lots], 2000) == 1000 and curve_resamples([few], 10) == 10


# ------------------------------------------------------------------------------------------------------- calibration


def test_isotonic_regression_pools_what_falls() -> None:
    """Right, wrong, right by rising score: the second is pooled with the first, (1 + 0) / 2; the third is 1."""
    x, y = rising(np.array([0.2, 0.4, 0.6]), np.array([True, False, True]))
    assert np.interp([0.1, 0.2, 0.4, 0.6, 0.9], x, y).tolist() == pytest.approx([0.5, 0.5, 0.5, 1, 1])


def test_calibration_by_hand() -> None:
    """Boxes of 0.9, half of them right: |0.9 - 0.5| = 0.4; Brier (0.01 + 0.81) / 2 = 0.41. Half of those of the
    validation split are right too, so afterwards 0.5 stands for 0.9: 0 and 0.25."""
    asked = many(20, 0.9)
    of = Boxes(asked, sorted({a.cluster for a in asked}))
    found = calibration(of, many(20, 0.9), 50, 0)
    assert (found["boxes"], found["right"], found["validation"]) == (30, 15, {"boxes": 30, "right": 15})
    assert [found["before"][k]["value"] for k in ("ece", "brier")] == pytest.approx([0.4, 0.41])
    assert [found["after"][k]["value"] for k in ("ece", "brier")] == pytest.approx([0, 0.25], abs=1e-12)
    assert found["before"]["bins"] == [[0.9, 0.5, 30]] and found["before"]["ece"]["n"] == 30


def test_one_half_is_one_half_after_rounding_too() -> None:
    """The upper half of a true box, whose IoU is 0.49999999999999994: right for Acc@0.5, F1 and calibration alike."""
    of = Boxes([boxes("1", [("a", 0.9, (0.8, 4.0, 4.0, 8.5))], [("a", (0.8, 4.0, 4.0, 13.0))])], ["1"])
    values = of.values(np.ones((1, 1)))
    assert values["acc50"] == values["f1_50"] == 1 and calibration(of, (), 20, 0)["right"] == 1


def test_calibration_needs_right_and_wrong_boxes() -> None:
    """Of validation boxes that are all right nothing can be learnt, and 1 for every box would be no calibration."""
    asked = many(20, 0.9)
    found = calibration(Boxes(asked, sorted({a.cluster for a in asked})), many(0, 0.9, 30), 20, 0)
    assert "after" not in found and found["reason"].endswith("all 30 are right: there is nothing to fit")


def test_bins_are_those_of_other_confidences() -> None:
    """A confidence on an edge, 3/15, belongs to the bin below it, where 0.15 is too: one bin of two boxes. Calibrated
    confidences are often such."""
    asked = [*many(0, float(equal_width()[3]), 1), *many(0, 0.15, 1)]
    found = calibration(Boxes(asked, sorted({a.cluster for a in asked})), (), 20, 0)
    assert found["before"]["bins"] == [[0.175, 1.0, 2]]


def test_without_a_validation_split_or_confidences_nothing_is_calibrated() -> None:
    of = Boxes(many(20, 0.9), sorted(str(i) for i in range(30)))
    found = calibration(of, (), 20, 0)
    assert "after" not in found and found["before"] and "--validation" in found["reason"]
    assert "hold 0 with" in calibration(of, [boxes("v", [], [("a", A)])], 20, 0)["reason"]
    few = calibration(of, many(20, 0.9, 19), 20, 0)
    assert "after" not in few and "and 20 are needed" in few["reason"], "of two wrong boxes the error would be 0"
    bare = Boxes(many(20, None), sorted(str(i) for i in range(30)))
    assert "without a confidence" in calibration(bare, many(20, 0.9), 20, 0)["reason"]
    assert calibration(Boxes([boxes("1", [], [("a", A)])], ["1"]), (), 20, 0) == {"reason": "no box with a confidence"}


# ------------------------------------------------------------------------------------------------------------ the page


def test_the_page_and_the_terminal_tell_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From files, one model with confidences and one without; a name is escaped, and of the second the reason stands
    there instead of a curve. Where there are too many boxes for all resamples, that is said in both. Each image is
    asked for two names that it has not, so that more answers than images have nothing to find."""
    monkeypatch.setattr(box_figures, "BOXES_DRAWN", 1)
    records = [record(("<i>nodule", A), ("cyst", B), name=f"r{i}", split="test") for i in range(3)]
    dialogues = [dialogue("diagnosis", name=f"d{i}", of=r.id) for i, r in enumerate(records)]
    absent = [dialogue("localisation", target=t, name=f"{t}{r.id}", of=r.id) for r in records for t in ("mass", "scar")]
    text = diagnosis(("<i>nodule", A), ("mass", B))
    for model, tokens in (("bare", ()), ("sure", ((len(text), -0.1),))):
        rows = [predicted(d, text, tokens=tokens) for d in dialogues] + [predicted(d, "No.") for d in absent]
        write_jsonl(tmp_path / f"{model}.jsonl", rows)
    files = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl"
    write_jsonl(files[0], records)
    write_jsonl(files[1], dialogues + absent)
    models = {model: tmp_path / f"{model}.jsonl" for model in ("bare", "sure")}
    scores = score(*files, models, tmp_path, resamples=201)
    show_scores(scores)
    told = " ".join(capsys.readouterr().err.split())
    assert "Diagnosis: intervals of AP and FROC come from 200 of the 201 resamples" in told
    assert "mAP at IoU 0.5" in told and "bare: no AP and no FROC, since 3 of 3 answers" in told
    inputs = Inputs("x", files[0], tmp_path / "scores.json", None, models, files[1], {}, None, None, [])
    page = write_report(inputs, tmp_path).read_text()
    section = page.partition('<section id="boxes"')[2].partition("</section>")[0]
    assert "&lt;i&gt;nodule" in section and "<i>nodule" not in section
    assert len(re.findall(r'<path style="stroke:var\(--m1\)', section)) == 4  # two curves, and their legends
    assert "<b>bare: no AP and no FROC.</b> 3 of 3 answers" in section and "mass (3)" in section
    assert '<p class="fine">Intervals of AP and FROC come from 200 of the 201' in section
    assert not re.search(r">\s*(None|nan)\b", section)
    seen = " ".join(section.split())
    assert "6 answers about 3 images. 6 of the answers are to questions with nothing to find" in seen
