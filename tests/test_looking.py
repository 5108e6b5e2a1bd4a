"""The section "Does it look at the image?" of the page: tables, and one image in each way with the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import draw
from tests.helpers.outcomes import NORMAL, A, B, diagnosis, dialogue, predicted, record
from unveil.core.answers import write_diagnosis
from unveil.core.jsonl import write_jsonl
from unveil.core.records import Record, RecordError
from unveil.evaluate.report import write_report
from unveil.evaluate.report_data import Inputs
from unveil.evaluate.score import score
from unveil.evaluate.sections.looking import CONDITIONS, LOOKING

RECORDS = [
    record(("mass", A), name="a", split="test", patient="1"),
    record(("cyst", B), name="b", split="test", patient="2"),
    record(name="n", split="test", patient="3"),
]
ASKED = [dialogue("diagnosis", write_diagnosis(r.findings), name=f"{r.id}/d", of=r.id) for r in RECORDS]
OTHER = {"a": "b", "b": "n", "n": "a"}


def page(folder: Path, seed: int | None = 0, records: Sequence[Record] = RECORDS) -> tuple[str, Any]:
    """A report on a model that says everywhere that there is a mass <at A>, and the section that it was made from."""
    for i, r in enumerate(records):
        draw(folder / r.image, (100, 100), i)
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", ASKED)
    write_jsonl(folder / "own.jsonl", [predicted(d, diagnosis(("mass", A))) for d in ASKED])
    files = []
    for shown in CONDITIONS:
        lesions = shown in ("lesion-hidden", "elsewhere-hidden", "lesion-only")
        rows = [
            predicted(
                d,
                NORMAL if shown == "lesion-hidden" else diagnosis(("<b>", A)),
                shown=shown,
                shown_record=OTHER[d.record] if shown == "other-patient" else None,
            )
            for d in (ASKED[:2] if lesions else ASKED)
        ]
        write_jsonl(folder / f"{shown}.jsonl", rows)
        if seed is not None:
            about = {"command": "predict", "config": {"image_seed": seed}, "inputs": {}}
            (folder / f"{shown}.jsonl.run.json").write_text(json.dumps(about))
        files.append(folder / f"{shown}.jsonl")
    given = folder / "records.jsonl", folder / "dialogues.jsonl"
    own = {"sft": folder / "own.jsonl"}
    scores = score(*given, own, folder, resamples=50, sensitivity={"sft": files})
    return write_report(inputs(folder, folder / "dialogues.jsonl"), folder).read_text(), scores["sections"]["looking"]


def inputs(folder: Path, dialogues: Path) -> Inputs:
    return Inputs(
        title="Report",
        records=folder / "records.jsonl",
        scores=folder / "scores.json",
        outcomes=None,
        predictions={"sft": folder / "own.jsonl"},
        dialogues=dialogues,
        training={},
        rejected=None,
        check=None,
        runs=[],
    )


def of_section(html: str) -> str:
    found = re.search(r'<section id="looking".*?</section>', html, re.DOTALL)
    assert found
    return found[0]


def test_the_same_image_stands_there_in_each_way_with_the_answers(tmp_path: Path) -> None:
    """Of both images with a lesion, the own one and seven others, all unlike; what a model says is escaped."""
    html, section = page(tmp_path)
    shown = of_section(html)
    assert {one["id"] for one in section["examples"]} == {"a/d", "b/d"}
    assert [list(one["ways"]) for one in section["examples"]] == [["own", *CONDITIONS]] * 2
    urls = re.findall(r'<img src="(data:image/webp[^"]*)"', shown)
    assert len(urls) == 16 and len(set(urls)) == 14, "both blanks are alike, and a's other patient is b"
    assert shown.count("drawn at random") == 2 and "Detection: normal." in shown
    assert "&lt;b&gt;" in shown and "Recognition: <b>" not in shown
    assert shown.count("✓ right of the own image") == 1, "a mass at A is right of a"


def test_what_cannot_be_drawn_again_is_said_so(tmp_path: Path) -> None:
    """Without run.json the seed is not known: of noise, patches and places elsewhere there is no picture."""
    shown = of_section(page(tmp_path, seed=None)[0])
    assert shown.count("<img src=") == 10 and shown.count("The seed of what was shown is not known") >= 6


def test_a_lesion_that_is_hidden_is_shown_as_worth_what_it_costs(tmp_path: Path) -> None:
    """Right names: 1/2 with the own images (a's mass), with the lesion hidden none, and with another place hidden
    none either, since there the model says "<b>": it is worth nothing beyond that."""
    html, section = page(tmp_path)
    drop = section["models"]["sft"]["lesion-hidden"]["metrics"]["accuracy"]["drop"]
    assert (drop["value"], drop["n"]) == (0.5, 2)
    assert section["lesion"]["sft"]["more_than_elsewhere"]["accuracy"]["value"] == 0
    assert "What the lesion is worth" in of_section(html) and "+0.50" in of_section(html)
    assert '<a href="#looking">' in html


def test_what_is_absent_is_said_in_words(tmp_path: Path) -> None:
    """Three patients have no percentile interval, and no question for a place of a name was asked."""
    shown = of_section(page(tmp_path)[0])
    assert "no interval from fewer than 6 patients or groups" in shown and "fewer than 6 clusters" not in shown
    assert "no items" not in shown and ": nothing to count" not in shown


def test_that_another_patient_may_be_the_same_person_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows whose b is: a is shown it, and it is shown n; n is shown a, whose patients are known."""
    html, section = page(tmp_path, records=[RECORDS[0], replace(RECORDS[1], patient=None), RECORDS[2]])
    assert section["models"]["sft"]["other-patient"]["perhaps_one_person"] == 2
    said = "Other patient: of 2 of 3 images it is not known whose they are or whose was shown"
    assert said in of_section(html)
    assert LOOKING.shown
    LOOKING.shown(section)
    assert said in " ".join(capsys.readouterr().err.split())
    assert not page(tmp_path)[1]["note"]


def test_a_page_on_other_dialogues_is_refused(tmp_path: Path) -> None:
    page(tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())
    scores["sections"]["looking"]["examples"][0]["id"] = "z"
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(RecordError, match="z: no such dialogue or record; give the files that were scored"):
        write_report(inputs(tmp_path, tmp_path / "dialogues.jsonl"), tmp_path)
