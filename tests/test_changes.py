"""What may be said of a difference, and the words that say it: each verdict with a case that has it and one that has
not."""

from __future__ import annotations

from typing import Any

import pytest

from unveil.core.measures import MEASURES
from unveil.core.records import Record, Source
from unveil.evaluate.changes import changes, doubts, headline, verdict
from unveil.evaluate.score import cluster_kind


def cell(value: float | None, clusters: int = 40, **more: Any) -> dict[str, Any]:
    return {"value": value, "low": value and value - 0.1, "high": value and value + 0.1, "clusters": clusters} | more


def apart(value: float | None, clusters: int = 40, zero: bool = False, **more: Any) -> dict[str, Any]:
    return cell(value, clusters, n=clusters, excludes_zero=not zero, **more)


def scores(differences: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Two models, "base" and "sft", with these differences."""
    metrics = {key: cell(0.5, d["clusters"], n=d["clusters"]) for key, d in differences.items()}
    models = {name: {"metrics": metrics} for name in ("base", "sft")}
    boot = {"cluster": "patient", "clusters": 40, "patients_known": True}
    return {"models": models, "differences": {"sft": {"base": differences}}, "bootstrap": boot} | more


def said(**differences: dict[str, Any]) -> str:
    return headline(changes(scores(differences)))


# ---------------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("difference", "metric", "expected"),
    [
        (apart(0.2), "iou", "better"),
        (apart(-0.2), "iou", "worse"),
        (apart(-0.2), "parse_failures", "better"),
        (apart(0.2), "parse_failures", "worse"),
        (apart(0.2, zero=True), "iou", "undecided"),
        (apart(0.2, clusters=19), "iou", "too few"),
        (apart(0.2, clusters=19, zero=True), "iou", "too few"),
        (apart(0.2, clusters=20), "iou", "better"),
        (apart(0.2, clusters=40, fewest=19), "detection", "too few"),
        (apart(0.2, clusters=40, fewest=20), "detection", "better"),
        (apart(0.2, low=None, high=None), "iou", "no interval"),
        (apart(0.2, clusters=5, low=None, high=None), "iou", "too few"),
        (apart(None), "iou", None),
        (apart(0.2), "a_new_metric", "different"),
        (apart(0.2, zero=True), "a_new_metric", "undecided"),
    ],
)
def test_a_difference_is_judged_by_its_interval_and_by_who_stands_behind(
    difference: dict[str, Any], metric: str, expected: str | None
) -> None:
    (row,) = changes(scores({metric: difference}))["rows"]
    assert row["differences"]["sft − base"]["verdict"] == expected
    if metric in MEASURES:
        assert verdict(difference, MEASURES[metric]) == expected


# ---------------------------------------------------------------------------------------------------------- sentence


def test_the_sentence_counts_kinds_of_measures() -> None:
    """Four figures of places and two of names' questions are two kinds; "all questions" adds up the others."""
    told = said(
        **{key: apart(0.2) for key in ("iou", "iou50", "f1_50", "f1_50_named", "question_accuracy")},
        recognition=apart(-0.1),
        recognition_refusal=apart(0.0, zero=True),
        accuracy=apart(0.0, zero=True),
        closed=apart(0.1, clusters=12),
    )
    assert told == (
        "Of 3 kinds of measures, sft is better than base on 1 (where findings are) and worse on 1 (the name for a "
        "place); on 1 the data cannot tell; on 1 more there are too few patients to tell. Measures of one kind count "
        "once."
    )


def test_saying_abnormal_more_often_is_not_better() -> None:
    """Sensitivity up and specificity down, which their mean does not see: no kind is better. Where the mean is not
    measured, and one is better and another worse, it is different."""
    both = {"sensitivity": apart(0.5), "specificity": apart(-0.5), "diagnosis_sensitivity": apart(0.5)}
    assert "Of 1 kind of measures, sft is better than base on none and worse on none; on 1 the" in said(
        detection=apart(0.0, zero=True), **both
    )
    assert "different, not better, on 1 (whether anything is abnormal)" in said(**both)
    assert "better than base on 1 (whether" in said(sensitivity=apart(0.5), specificity=apart(0.0, zero=True))


def test_too_few_patients_to_tell() -> None:
    told = said(accuracy=apart(0.9, clusters=6), iou=apart(0.9, clusters=5))
    assert told == ("Too few patients to tell whether sft is better than base: there are 6, a verdict takes 20.")
    alone = said(accuracy=apart(0.9, clusters=4, low=None, high=None))
    assert alone.endswith("there are 4, a verdict takes 20.")
    assert "Too few" not in said(accuracy=apart(0.9, clusters=20))


def test_nothing_to_compare_is_not_talked_about() -> None:
    assert said(accuracy=apart(None)) == ""
    one = scores({"accuracy": apart(0.1)})
    one["models"].pop("base")
    assert headline(changes(one)) == "" == headline(changes({}))


# ------------------------------------------------------------------------------------------------------------ doubts


def test_doubts_go_by_measure_and_group_not_by_all_clusters() -> None:
    """40 patients in all, of whom 12 are abnormal and 4 have a CT; the X-rays' best measure has 40."""
    told = scores({"accuracy": apart(0.1, clusters=12), "specificity": apart(0.1, clusters=40)})
    assert (
        doubts(told)
        == "Fewer than 20 patients stand behind Right name (12): their intervals are too narrow, or there are none."
    )
    groups = {"CT": {"accuracy": cell(1.0, 4)}, "X-ray": {"accuracy": cell(1.0, 12), "closed": cell(1.0, 40)}}
    by = {name: {"models": {"base": metrics}, "differences": {}} for name, metrics in groups.items()}
    told["sections"] = {"subgroups": {"by": {"modality": by}}}
    assert doubts(told).endswith("or there are none. Groups of fewer than 20 patients: CT (4).")
    assert doubts(scores({"accuracy": apart(0.1)})) == ""


def test_doubts_where_all_are_few_or_patients_unknown() -> None:
    few = scores({"accuracy": apart(0.1, clusters=6), "specificity": apart(0.1, clusters=9)})
    assert doubts(few) == "Only 9 patients: the intervals are too narrow, and no verdict is given."
    none = scores({"accuracy": apart(0.1, clusters=5)})
    assert doubts(none) == "Fewer than 6 patients (5): there are no percentile intervals, and no verdict is given."
    unknown = scores({"accuracy": apart(0.1)}, bootstrap={"cluster": "image", "clusters": 40, "patients_known": False})
    assert doubts(unknown) == ("Patients are not known for all images: whether images are independent is unknown.")


def image(name: str, patient: str | None, group: str | None = None, study: str | None = None) -> Record:
    return Record(name, "x.png", 9, 9, patient=patient, group=group, study=study, source=Source("d"))


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([image("a", "p"), image("b", "q")], "patient"),
        ([image("a", "p", "a"), image("b", "p", "a"), image("c", "q")], "patient"),  # after a new split
        ([image("a", "p", "a"), image("b", "q", "a")], "group"),  # copies of an image under two patients
        ([image("a", "p", "a"), image("b", "q", "a"), image("c", "r")], "mixed"),
        ([image("a", "p", "a"), image("b", "p", "b")], "group"),  # a patient torn apart
        ([image("a", None), image("b", None)], "image"),
        ([image("a", "p"), image("b", None)], "mixed"),
        ([image("a", None, study="s")], "study"),
    ],
)
def test_what_the_clusters_are(records: list[Record], kind: str) -> None:
    assert cluster_kind(records) == kind


# ------------------------------------------------------------------------------------------------------------- table


def test_many_models_stand_side_by_side() -> None:
    """From four models on: rows for all, differences from the second; the table of all measures shows the first three
    with the differences from the second, and of the second from the first, of which the sentence tells."""
    names = ("base", "sft", "dpo", "mmedpo", "more")
    apart_from = {name: names[: min(i, 2)] for i, name in enumerate(names)}
    given = {
        "models": {name: {"metrics": {"iou": cell(0.1 * i, n=40)}} for i, name in enumerate(names)},
        "differences": {
            name: {other: {"iou": apart(0.01 * names.index(name))} for other in others}
            for name, others in apart_from.items()
        },
    }
    found = changes(given)
    assert found["models"] == [*names[:3]] and found["pairs"] == ["sft − base", "dpo − sft"]
    beside = found["beside"]
    assert [row["model"] for row in beside["rows"]] == [*names] and [*beside["measures"]] == ["iou"]
    shown = [row["differences"]["iou"] and row["differences"]["iou"]["value"] for row in beside["rows"]]
    assert shown == [None, None, 0.02, 0.03, 0.04]
    assert headline(found).startswith("Of 1 kind of measures, sft is better than base on 1 (")
    few = changes({**given, "models": {name: given["models"][name] for name in names[:3]}})
    assert few["beside"] is None and headline(few).startswith("Of 1 kind of measures, dpo is better than base")


def test_sizes_stand_beside_a_measure() -> None:
    assert changes(scores({"parse_failures": apart(-0.2)}))["rows"][0]["sizes"] == [(40, 40)]
