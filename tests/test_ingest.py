"""Readers: the boxes that went in come out, in every format; what is wrong is set aside with file, row and reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.annotated import (
    BOXES,
    WRITERS,
    bomb,
    coco,
    draw,
    every_format,
    run,
    truncate,
    write_csv,
    write_yolo,
    xml,
)
from tests.helpers.real import DATA, needs_data
from unveil.core import geometry
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Finding, Question, Record, image_path
from unveil.ingest import runner
from unveil.ingest.reading import IngestError
from unveil.ingest.runner import ingest


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# The same boxes in, the same boxes out


@every_format
def test_round_trip(format: str, data: Path) -> None:
    WRITERS[format](data)
    summary, (a, b), rejected = run(data.parent, format, dataset="set", licence="MIT", modality="CT")
    if a.findings == ():
        a, b = b, a
    assert [(f.label, f.box) for f in a.findings] == [(name, pytest.approx(box)) for name, box in BOXES]
    assert (a.size, a.split, a.modality, a.patient) == ((40, 20), "train", "CT", None)
    assert (b.findings, b.split, b.completeness) == ((), "test", "exhaustive")
    assert a.completeness == ("unknown" if format == "csv" else "exhaustive")
    assert a.id == f"set/{a.source.file}" and a.source.licence == "MIT" and len(a.source.sha256 or "") == 64
    assert image_path(a, summary.records_file).samefile(data / (a.source.file or ""))
    assert (summary.records, summary.findings, rejected) == (2, 2, [])


@every_format
def test_options_of_all_formats(format: str, data: Path) -> None:
    WRITERS[format](data)
    _, records, _ = run(data.parent, format, splits="none", patient_pattern=r"(?P<patient>[ab])\.png$")
    assert {(r.split, r.patient) for r in records} == {(None, "a"), (None, "b")}


def test_image_below_the_output_folder_is_named_relative_to_it(data: Path) -> None:
    write_csv(data)
    ingest(data, "csv", data)
    assert {r.image for r in read_jsonl(data / "records.jsonl", Record)} == {"a.png", "b.png"}


box_strategy = st.tuples(*[st.integers(0, 300)] * 4).map(
    lambda v: (float(min(v[0], v[2])), float(min(v[1], v[3])), max(v[0], v[2]) + 1.0, max(v[1], v[3]) + 1.0)
)


@settings(max_examples=20, deadline=None)
@given(boxes=st.lists(box_strategy, min_size=1, max_size=4, unique=True))
@pytest.mark.parametrize("format", ["voc", "coco", "yolo", "csv"])
def test_any_boxes_round_trip(format: str, boxes: list[geometry.Box], tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("any") / "data"
    draw(data / "images/a.png", 320, 310)
    if format == "voc":
        (data / "a.xml").write_text(xml("a.png", [("x", box) for box in boxes], (320, 310)))
    elif format == "coco":
        bboxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]
        annotations = [{"id": n, "image_id": 7, "category_id": 1, "bbox": b} for n, b in enumerate(bboxes)]
        (data / "a.json").write_text(json.dumps(coco() | {"annotations": annotations, "images": [IMAGE_320]}))
    elif format == "yolo":
        (data / "labels").mkdir()
        (data / "data.yaml").write_text("names: {0: x}")
        rows = [f"0 {(a + c) / 640} {(b + d) / 620} {(c - a) / 320} {(d - b) / 310}" for a, b, c, d in boxes]
        (data / "labels/a.txt").write_text("\n".join(rows))
    else:
        rows = [f"a,x,{','.join(map(str, box))}" for box in boxes]
        (data / "a.csv").write_text("\n".join(["image,label,x1,y1,x2,y2", *rows]))
    _, (record,), rejected = run(data.parent, format, box_units=None if format == "yolo" else "pixels")
    assert rejected == []
    assert [f.box for f in record.findings] == [pytest.approx(box, abs=1e-6) for box in boxes]


IMAGE_320 = {"id": 7, "file_name": "a.png", "width": 320, "height": 310}


# Bad input of every kind


@every_format
def test_missing_folder(format: str, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no such folder"):
        ingest(tmp_path / "ghost", format, tmp_path / "out")


@every_format
def test_empty_folder(format: str, data: Path) -> None:
    with pytest.raises(IngestError, match="looked for"):
        run(data.parent, format)


@every_format
def test_wrong_format_names_the_right_one(format: str, data: Path) -> None:
    WRITERS[format](data)
    for other in set(WRITERS) - {format}:
        with pytest.raises(IngestError, match=f"it is not {other}.*. --format {format} reads"):
            run(data.parent, other)


def test_unknown_format_and_pattern(data: Path) -> None:
    write_csv(data)
    with pytest.raises(IngestError, match="'bmp' is none of auto, voc, coco, yolo, csv, "):
        run(data.parent, "bmp")
    with pytest.raises(IngestError, match="not a regular expression"):
        run(data.parent, "csv", patient_pattern="(")


SPOILERS: dict[str, Callable[[Path], object]] = {
    "decoding failed": truncate,
    "limit": bomb,
    "broken at its start": lambda path: path.write_bytes(b"GIF89a"),
    "empty": lambda path: path.write_bytes(b""),
}


@every_format
@pytest.mark.parametrize("reason", SPOILERS)
def test_unusable_image_is_rejected_and_the_run_goes_on(format: str, reason: str, data: Path) -> None:
    WRITERS[format](data)
    SPOILERS[reason](next(data.rglob("a.png")))
    summary, (record,), rejected = run(data.parent, format)
    assert record.findings == () and summary.records == len(rejected) == 1
    assert reason in rejected[0]["reason"] or reason == "empty"


def test_without_decoding_only_the_header_is_read(data: Path) -> None:
    write_csv(data)
    path = data / "c.jpg"
    draw(path, 200, 200)
    path.write_bytes(path.read_bytes()[:2000])
    with (data / "labels.csv").open("a") as rows:
        rows.write("c.jpg,,,,,,\n")
    assert run(data.parent, "csv", decode=False)[0].records == 3
    assert run(data.parent, "csv")[0].records == 2


@pytest.mark.parametrize("name", ["../secret.png", "{root}/secret.png", "link.png"])
@pytest.mark.parametrize("format", ["coco", "csv"])
def test_image_that_leads_outside(format: str, name: str, data: Path) -> None:
    """By dots, by an absolute path, and by a link inside the folder."""
    secret = draw(data.parent / "secret.png")
    deep = {"coco": "../../", "csv": "../"}[format]
    WRITERS[format](data, first=name.replace("../", deep).format(root=data.parent))
    (data / "link.png").symlink_to(secret)
    _, (record,), rejected = run(data.parent, format)
    assert record.findings == ()
    assert any("no image" in r["reason"] for r in rejected)
    assert any(r["file"] == "link.png" and "leads outside" in r["reason"] for r in rejected)


def test_yolo_link_that_leads_outside(data: Path) -> None:
    write_yolo(data)
    (data / "train/images/a.png").unlink()
    (data / "train/images/a.png").symlink_to(draw(data.parent / "secret.png"))
    summary, _, rejected = run(data.parent, "yolo")
    assert summary.records == 1 and "leads outside" in rejected[0]["reason"]
    assert run(data.parent, "yolo", links="all")[0].records == 2


@every_format
def test_only_regular_files_of_the_folder_are_opened_as_annotations(format: str, data: Path) -> None:
    """Pipes and devices, called as annotations are, would never end; a link may lead to any file of the machine."""
    WRITERS[format](data)
    _, expected, _ = run(data.parent, format)
    for suffix in ("csv", "xml", "json", "yaml", "txt"):
        os.mkfifo(data / f"pipe.{suffix}")
        (data / f"endless.{suffix}").symlink_to("/dev/zero")
        (data.parent / f"secret.{suffix}").write_text("names: [secret]\n")
        (data / f"link.{suffix}").symlink_to(data.parent / f"secret.{suffix}")
    _, records, rejected = run(data.parent, format, allow_rejected=1.0)
    assert records == expected
    why = {"pipe": "a named pipe", "endless": "a device", "link": "leads outside"}
    told = [(r["file"], r["reason"]) for r in rejected if Path(r["file"]).stem in why]
    assert len(told) == 15 and all(why[Path(file).stem] in reason for file, reason in told)


@every_format
def test_nothing_usable_raises_and_still_says_why(format: str, data: Path) -> None:
    WRITERS[format](data)
    for path in data.rglob("*.png"):
        bomb(path)
    with pytest.raises(IngestError, match="not one record: 2 x"):
        run(data.parent, format)
    assert len((data.parent / "out/rejected.jsonl").read_text().splitlines()) == 2
    assert not (data.parent / "out/records.jsonl").exists()


@pytest.mark.parametrize("format", ["voc", "coco"])
def test_other_size_than_annotated(format: str, data: Path) -> None:
    WRITERS[format](data)
    draw(next(data.rglob("a.png")), 80, 40)
    summary, _, rejected = run(data.parent, format)
    assert summary.records == 1 and "says 40 x 20, the image has 80 x 40" in rejected[0]["reason"]


@pytest.mark.parametrize("format", ["voc", "coco"])
def test_image_that_no_annotation_names(format: str, data: Path) -> None:
    WRITERS[format](data)
    draw(next(data.rglob("a.png")).with_name("c.png"))
    _, records, rejected = run(data.parent, format)
    assert len(records) == 2 and [r["reason"] for r in rejected] == ["no annotation names this image"]


def test_no_torch() -> None:
    code = "import sys, unveil.ingest, unveil.audit.records; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The real sets: the numbers of their PROVENANCE.md


@needs_data
def test_bccd(tmp_path: Path) -> None:
    """364 images, 4888 boxes (RBC 4155, WBC 372, Platelets 361), two of them without area; 205 / 87 / 72 images."""
    summary = ingest(DATA / "bccd_bloodcells", "voc", tmp_path)
    records = list(read_jsonl(summary.records_file, Record))
    assert (summary.records, summary.findings, summary.rejected) == (364, 4886, 2)
    rejected = [json.loads(line) for line in summary.rejected_file.read_text().splitlines()]
    assert [Path(r["file"]).stem for r in rejected] == ["BloodImage_00338", "BloodImage_00343"]
    assert Counter(r.split for r in records) == {"train": 205, "val": 87, "test": 72}
    assert Counter(r.completeness for r in records) == {"exhaustive": 362, "partial": 2}
    labels = Counter(f.label for r in records for f in r.findings)
    assert {name: labels[name] for name in ("WBC", "Platelets", "RBC")} == {"WBC": 372, "Platelets": 361, "RBC": 4153}


@needs_data
@pytest.mark.parametrize(
    ("name", "images", "findings", "negatives", "masks"),
    [("brain_mri_tumor", 95, 44, 52, 44), ("dental_panoramic", 80, 588, 0, 0)],
)
def test_real_yolo(name: str, images: int, findings: int, negatives: int, masks: int, tmp_path: Path) -> None:
    summary = ingest(DATA / name, "yolo", tmp_path)
    records = list(read_jsonl(summary.records_file, Record))
    assert (summary.records, summary.findings, summary.rejected) == (images, findings, 0)
    assert sum(not r.findings and r.completeness == "exhaustive" for r in records) == negatives
    assert sum(f.mask is not None for r in records for f in r.findings) == masks
    assert all(r.split for r in records)


@pytest.mark.parametrize(
    "more",
    [
        {"findings": (Finding("x", phrase="half \ud800"),)},
        {"findings": (Finding("x", translations={"es": "half \ud800"}),)},
        {"findings": (Finding("x", readers=("half \ud800",)),)},
        {"questions": (Question("?", "a", choices=("a", "half \ud800")),)},
        {"sections": {"findings": "half \ud800"}},
        {"report": "half \ud800"},
        {"readers": ("half \ud800",)},
    ],
)
def test_half_a_character_is_found_in_every_text(more: dict[str, Any]) -> None:
    """No file in UTF-8 can hold it, so the image is rejected and the others are written."""
    whole = Record(
        "a", "a.png", 9, 9, findings=(Finding("x", attributes={"side": "left"}),), sections={"findings": "ok"}
    )
    assert runner._half_a_character(whole) is None
    assert "half a character" in (runner._half_a_character(replace(whole, **more)) or "")
