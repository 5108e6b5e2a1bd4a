"""Kvasir-SEG as it is distributed: masks that ring, a misspelt name, no patient and no split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.sets import kvasir_seg
from unveil.core.geometry import decode_mask
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import Summary, ingest


def read(folder: Path, out: Path) -> tuple[list[Record], Summary]:
    summary = ingest(folder, "auto", out)
    return list(read_jsonl(summary.records_file, Record)), summary


def test_masks_of_jpeg_are_cut_at_half(tmp_path: Path) -> None:
    """Ringing leaves greys beside the outline: cut at 127, the mask fills its box of 20 x 16 pixels but for a rim of at
    most one pixel."""
    kvasir_seg.write(tmp_path / "set")
    records, summary = read(tmp_path / "set", tmp_path / "out")
    assert summary.format == "kvasir-seg" and summary.rejected == 0
    [finding] = records[0].findings
    assert finding.box == (10, 8, 30, 24) and finding.mask
    assert 18 * 14 <= decode_mask(finding.mask).sum() <= 20 * 16


def test_several_boxes_share_the_mask(tmp_path: Path) -> None:
    kvasir_seg.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert [finding.box for finding in records[1].findings] == [(4, 4, 20, 20), (24, 40, 44, 60)]
    areas = [decode_mask(finding.mask).sum() for finding in records[1].findings if finding.mask]
    assert len(areas) == 2 and all(14 * 14 <= area <= 20 * 20 for area in areas)


def test_a_box_a_pixel_over_the_edge_keeps_its_mask(tmp_path: Path) -> None:
    """Tools round outwards: the box is cut at the edge, and so is what it takes of the mask."""
    kvasir_seg.write(tmp_path / "set")
    file = tmp_path / "set" / "kavsir_bboxes.json"
    content = json.loads(file.read_text())
    content["cju00"]["bbox"][0]["xmin"] = -1
    file.write_text(json.dumps(content))
    records, _ = read(tmp_path / "set", tmp_path / "out")
    [finding] = records[0].findings
    assert finding.box == (0, 8, 30, 24) and finding.mask and 18 * 14 <= decode_mask(finding.mask).sum() <= 20 * 16


def test_there_is_neither_patient_nor_split(tmp_path: Path) -> None:
    kvasir_seg.write(tmp_path / "set")
    records, _ = read(tmp_path / "set", tmp_path / "out")
    assert {(r.patient, r.split, r.completeness, r.source.dataset) for r in records} == {
        (None, None, "exhaustive", "kvasir-seg")
    }


def test_the_name_as_it_is_meant_is_read_too(tmp_path: Path) -> None:
    kvasir_seg.write(tmp_path / "set")
    (tmp_path / "set" / "kavsir_bboxes.json").rename(tmp_path / "set" / "kvasir_bboxes.json")
    assert len(read(tmp_path / "set", tmp_path / "out")[0]) == 6


def test_what_is_no_box_is_rejected_and_the_image_not_complete(tmp_path: Path) -> None:
    """One of eight boxes is none, so its image is partial; one image has another size than its entry says."""
    kvasir_seg.write(tmp_path / "set")
    file = tmp_path / "set" / "kavsir_bboxes.json"
    content = json.loads(file.read_text())
    content["cju00"]["bbox"].append({"label": "polyp", "xmin": 1})
    content["cju02"]["width"] = 99
    file.write_text(json.dumps(content))
    summary = ingest(tmp_path / "set", "auto", tmp_path / "out", Options(allow_rejected=0.5))
    records = list(read_jsonl(summary.records_file, Record))
    assert [r.completeness for r in records] == ["partial", *["exhaustive"] * 4]
    reasons = {str(reason) for reason in summary.reasons}
    assert summary.rejected == 2 and any("annotated on another version" in text for text in reasons)


def test_a_mask_is_not_taken_for_its_image(tmp_path: Path) -> None:
    """They are called alike, and the images may lie elsewhere."""
    kvasir_seg.write(tmp_path / "set")
    (tmp_path / "set" / "images").rename(tmp_path / "pictures")
    with pytest.raises(IngestError, match=r"not one record.* only its mask masks/cju00.jpg is here"):
        ingest(tmp_path / "set", "auto", tmp_path / "out", Options())
    summary = ingest(tmp_path / "set", "auto", tmp_path / "out", Options(images=tmp_path / "pictures"))
    assert (summary.rejected, summary.findings) == (0, 7)
