"""Tasks that were exported, changed as Label Studio changes them, and carried out on the records that they show."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.annotated import draw
from unveil.core import geometry
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Finding, Record, RecordError
from unveil.curate import corrections
from unveil.export import records as export

MASK = geometry.mask_from_polygons([(4.0, 2.0, 20.0, 2.0, 20.0, 12.0, 4.0, 12.0)], 40, 20)
MASS = Finding("mass", (4.0, 2.0, 20.0, 12.0), MASK, {"side": "left"}, "A mass.")
EDGE = Finding("cyst", (33.3, 0.0, 40.0, 7.77))
WHOLE = Finding("large heart")
ROWS = [Record(f"r{n}", "a.png", 40, 20, split="train", findings=(MASS, EDGE, WHOLE)) for n in range(2)]
ANNA = {"completed_by": {"id": 7, "email": "anna@ward"}, "lead_time": 12.5, "was_cancelled": False}
ANNA |= {"updated_at": "2026-05-01T10:00:00Z"}


@pytest.fixture
def exported(tmp_path: Path) -> list[dict[str, Any]]:
    """Tasks as they are before anybody has opened one."""
    draw(tmp_path / "a.png")
    write_jsonl(tmp_path / "records.jsonl", ROWS)
    export.main(export.Config(records=tmp_path / "records.jsonl", form="label-studio", out=tmp_path / "out"))
    found: list[dict[str, Any]] = json.loads((tmp_path / "out/tasks.json").read_text())
    return found


def signed(task: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The task as somebody has left it."""
    task = copy.deepcopy(task)
    task["annotations"][0] |= ANNA | changes
    return task


def region(label: str, **value: Any) -> dict[str, Any]:
    """One that was drawn there."""
    size = {"original_width": 40, "original_height": 20, "image_rotation": 0}
    key = "polygonlabels" if "points" in value else "rectanglelabels"
    return {"id": "xYz-1", "from_name": "label", "to_name": "image", **size, "value": {**value, key: [label]}}


def corrected(folder: Path, tasks: list[dict[str, Any]], **options: Any) -> list[Record]:
    (folder / "tasks.json").write_text(json.dumps(tasks))
    given: dict[str, Any] = {
        "reviews": (folder / "tasks.json",),
        "records": folder / "records.jsonl",
        "restart": True,
    } | options
    made = corrections.main(corrections.Config(out=folder / "new.jsonl", **given))
    return list(read_jsonl(made, Record))


def changes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "new.changes.jsonl").read_text().splitlines()]


def test_what_nobody_has_changed_is_accepted(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """Masks, boxes to the last digit and findings of the whole image are those of before, though a browser has moved an
    edge by 1 % of 40 pixels; who it was is kept."""
    task = signed(exported[0])
    task["annotations"][0]["result"][0]["value"]["x"] += 1
    row, other = corrected(tmp_path, [task, exported[1]])
    assert row.findings == tuple(replace(f, readers=("7",)) for f in ROWS[0].findings) and row.readers == ("7",)
    assert other == ROWS[1]
    [told] = changes(tmp_path)
    [reader] = told["readers"]
    assert (told["outcome"], reader["reviewer"], reader["lead_time"]) == ("accepted", "7", 12.5)
    assert (reader["time"], reader["verdict"]) == ("2026-05-01T10:00:00Z", "accept")


def test_changes_come_back(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """The mass was moved by 10 % of 40 pixels, the cyst is called a nodule, the large heart is gone, an outline is new:
    the triangle (0, 0), (20, 0), (0, 10)."""
    task = signed(exported[0])
    mass, cyst, _ = task["annotations"][0]["result"]
    mass["value"]["x"] += 10
    cyst["value"]["rectanglelabels"] = ["nodule"]
    task["annotations"][0]["result"] = [cyst, mass, region("scar", points=[[0, 0], [50, 0], [0, 50]])]
    nodule, moved, scar = corrected(tmp_path, [task])[0].findings
    assert (nodule.label, nodule.box) == ("nodule", EDGE.box)
    assert (moved.label, moved.mask, moved.attributes) == ("mass", None, {"side": "left"})
    assert moved.box == pytest.approx((8.0, 2.0, 24.0, 12.0))
    assert (scar.label, scar.box) == ("scar", (0.0, 0.0, 20.0, 10.0)) and scar.mask is not None
    assert changes(tmp_path)[0]["done"] == ["renamed", "moved", "added", "removed"]


def test_pixels_to_per_cent_and_back_within_half_a_pixel(tmp_path: Path) -> None:
    """Boxes at the border and of parts of a pixel, each drawn anew with per cents of two digits, on 4000 x 3000."""
    draw(tmp_path / "a.png", 4000, 3000)
    drawn = np.random.default_rng(0).uniform(1.0, 1000.0, (20, 4)).tolist()
    boxes = [(x, y, x + w, y + h) for x, y, w, h in drawn]
    boxes += [(0.0, 0.0, 4000.0, 3000.0), (3999.5, 0.0, 4000.0, 0.5), (0.0, 2999.25, 1.5, 3000.0)]
    row = Record("r", "a.png", 4000, 3000, findings=tuple(Finding(f"f{n}", box) for n, box in enumerate(boxes)))
    write_jsonl(tmp_path / "records.jsonl", [row])
    export.main(export.Config(records=tmp_path / "records.jsonl", form="label-studio", out=tmp_path / "out"))
    [task] = json.loads((tmp_path / "out/tasks.json").read_text())
    for result in task["annotations"][0]["result"]:
        value = result["value"]
        result["id"] = f"new {result['id']}"
        value |= {name: round(value[name], 2) for name in ("x", "y", "width", "height")}
    [back] = corrected(tmp_path, [signed(task)])
    assert [f.label for f in back.findings] == [f.label for f in row.findings]
    for finding, box in zip(back.findings, boxes, strict=True):
        assert finding.box and max(abs(a - b) for a, b in zip(finding.box, box, strict=True)) <= 0.5


def test_who_has_not_decided(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    """An annotation without a name; one that was imported with the task and never opened; one that was skipped."""
    nobody, imported, skipped = (
        exported[0],
        signed(exported[0], lead_time=None),
        signed(exported[1], was_cancelled=True),
    )
    assert corrected(tmp_path, [nobody, skipped]) == ROWS and changes(tmp_path)[0]["done"] == ["skipped"]
    assert corrected(tmp_path, [imported, signed(exported[1])])[0] == ROWS[0]


def test_two_annotators_are_two_readers(
    exported: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = signed(exported[0])
    task["annotations"].append({**ANNA, "completed_by": 8, "result": []})
    assert [row.id for row in corrected(tmp_path, [task])] == ["r1"]
    assert changes(tmp_path)[0]["done"] == ["readers differ: verdict"] and "Cohen's kappa" in capsys.readouterr().err


def test_what_cannot_be_read_is_counted(
    exported: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Strokes of a brush, an image of another size, a record that is not there: no row is changed by them."""
    brush, other, stranger = (signed(exported[n]) for n in (0, 1, 1))
    brush["annotations"][0]["result"].append({"id": "b", "value": {"rle": [1], "brushlabels": ["x"]}})
    brush["annotations"][0]["result"][-1] |= {"original_width": 40, "original_height": 20}
    other["annotations"][0]["result"][0]["original_width"] = 41
    stranger["data"]["record"] = "z"
    good = copy.deepcopy(exported[1])
    good["annotations"].append({**ANNA, "result": good["annotations"][0]["result"]})
    assert corrected(tmp_path, [brush, other, stranger, good])[0] == ROWS[0]
    told = capsys.readouterr().err
    assert "strokes of a brush" in told and "of another size" in told and "not among the records" in told


def test_tasks_that_do_not_tell_their_record_are_refused(exported: list[dict[str, Any]], tmp_path: Path) -> None:
    stale = signed(exported[0])
    stale["data"]["sha256"] = "0"
    with pytest.raises(RecordError, match=r"have changed since they were shown \(r0\)"):
        corrected(tmp_path, [stale])
    del stale["data"]["sha256"]
    with pytest.raises(RecordError, match="task 1: it does not tell which record it shows"):
        corrected(tmp_path, [stale])
    with pytest.raises(RecordError, match="tasks of Label Studio are about records"):
        corrected(tmp_path, [stale], records=None, dialogues=tmp_path / "records.jsonl")
