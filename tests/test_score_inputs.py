"""What is given to `score` and does not belong together is refused with counts, ids and what to do."""

from __future__ import annotations

import dataclasses

import pytest

from tests.helpers.outcomes import A, dialogue, predicted, record
from unveil.core.grading import ScoreError
from unveil.core.jsonl import write_jsonl
from unveil.evaluate.score import score


@pytest.fixture
def given(tmp_path):
    """Seven closed questions, six of the test split and one of another, and answers to those of the test split."""
    records = [record(("mass", A), name=f"r{i}", split="test" if i else "val") for i in range(7)]
    asked = [dialogue("closed", "yes", name=f"q{i}", of=r.id, split=r.split) for i, r in enumerate(records)]
    return tmp_path, {"records": records, "dialogues": asked, "m": [predicted(d, "yes") for d in asked[1:]]}


def refused(given, said: str, *against: str, **models) -> None:
    folder, rows = given
    files = {name: folder / f"{name}.jsonl" for name in {**rows, **models}}
    for name, of in {**rows, **models}.items():
        write_jsonl(files[name], of)
    predictions = {name: file for name, file in files.items() if name not in ("records", "dialogues")}
    with pytest.raises(ScoreError, match=said):
        score(files["records"], files["dialogues"], predictions, folder / "out", against, resamples=10)
    assert not (folder / "out").exists(), "nothing is written"


def test_predictions_of_another_set(given):
    given[1]["m"] = [dataclasses.replace(p, id=f"other/{p.id}") for p in given[1]["m"]]
    refused(
        given,
        r"m\.jsonl: 6 of 6 predictions are without a dialogue \(other/q1, .*other/q5 and 1 more\); "
        "give the dialogues that were asked",
    )


def test_some_predictions_of_another_set(given):
    given[1]["m"].append(dataclasses.replace(given[1]["m"][0], id="stranger"))
    refused(given, r"m\.jsonl: 1 of 7 predictions are without a dialogue \(stranger\)")


def test_what_nothing_is_compared_with(given):
    """With the last model no later one is compared, and silence would be read as no difference."""
    more = {"n": given[1]["m"]}
    refused(given, "--against n: no model stands behind it in --predictions, so nothing would be", "n", **more)
    refused(given, "nothing to compare with base: there are m, n", "base", **more)


def test_half_a_benchmark(given):
    given[1]["m"] = given[1]["m"][:3]
    refused(given, r"m\.jsonl: predictions are incomplete: 3 of 6 dialogues have none \(q4, q5, q6\); finish predict")


def test_a_split_that_only_one_model_has_answered(given):
    asked = given[1]["dialogues"]
    more = {"n": [predicted(d, "yes") for d in asked]}
    refused(given, r"m\.jsonl: predictions are incomplete: 1 of 7 dialogues have none \(q0\)", **more)


def test_an_id_that_stands_twice(given):
    for name, what in (
        ("m", r"m\.jsonl: q1"),
        ("dialogues", r"dialogues\.jsonl: q0"),
        ("records", r"records\.jsonl: r0"),
    ):
        rows = given[1][name]
        refused((given[0], {**given[1], name: [*rows, rows[0]]}), what + " occur more than once; ids must be unique")


def test_an_empty_file(given):
    for name in given[1]:
        refused((given[0], {**given[1], name: []}), rf"{name}\.jsonl: there is not one row")


def test_records_that_are_not_those_of_the_dialogues(given):
    given[1]["records"] = given[1]["records"][:3]
    refused(given, r"4 of 6 dialogues are about records that are not there \(r3, r4, r5, r6\); give the records")


def test_an_answer_to_another_question(given):
    first, *rest = given[1]["m"]
    refused(
        (given[0], {**given[1], "m": [dataclasses.replace(first, kind="open"), *rest]}),
        r"m\.jsonl: q1: the prediction is of kind open, about 'r1'; the dialogue is of kind closed, about 'r1'",
    )
    elsewhere = [dataclasses.replace(first, record="r5"), *rest]
    refused((given[0], {**given[1], "m": elsewhere}), "of kind closed, about 'r5'; the dialogue")
    framed = [dataclasses.replace(first, frame=(0, 0)), *rest]
    refused((given[0], {**given[1], "m": framed}), r"m\.jsonl: q1: its boxes refer to 0 x 0 pixels; predict it again")


def test_an_empty_group_has_no_value(given):
    """Nobody was asked for a diagnosis: no value, with a reason, never 0."""
    folder, rows = given
    for name, of in rows.items():
        write_jsonl(folder / f"{name}.jsonl", of)
    files = folder / "records.jsonl", folder / "dialogues.jsonl"
    found = score(*files, {"m": folder / "m.jsonl"}, folder / "out", resamples=10)["models"]["m"]["metrics"]["iou"]
    assert (found["value"], found["n"], found["reason"]) == (None, 0, "no items")
