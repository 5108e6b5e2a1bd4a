"""SLAKE: two languages with splits of their own, organs beside lesions, and boxes whose order only the masks tell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.annotated import run
from tests.helpers.sets import slake
from unveil.core.geometry import decode_mask
from unveil.core.records import Record


@pytest.fixture
def data(tmp_path: Path) -> Path:
    slake.write(tmp_path / "data")
    return tmp_path / "data"


def first(records: list[Record]) -> Record:
    return next(record for record in records if record.source.file == "imgs/xmlab1/source.jpg")


def test_both_languages_are_kept_and_told(data: Path) -> None:
    summary, records, _ = run(data.parent, "auto")
    asked = [(q.text, q.answer, q.kind, q.language, q.id) for q in first(records).questions]
    assert summary.format == "slake" and asked == [
        ("Is the lung healthy?", "No", "closed", "en", "0"),
        ("Which organ is it?", "Lung", "open", "en", "1"),
        ("肺部健康吗?", "不健康", "closed", "zh", "16"),
    ]


def test_an_image_that_the_languages_split_apart_is_in_both(data: Path) -> None:
    """The fifth image is in train in English and in test in Chinese, the sixth the reverse: each is a record in both,
    with the questions of its own language only."""
    _, records, _ = run(data.parent, "auto")
    told = {r.id.rpartition("xmlab")[2]: {q.language for q in r.questions} for r in records if "@" in r.id}
    assert told == {
        "5/source.jpg@train": {"en"},
        "5/source.jpg@test": {"zh"},
        "6/source.jpg@train": {"zh"},
        "6/source.jpg@test": {"en"},
    }
    assert {r.source.benchmark for r in records if "@" in r.id} == {"slake"}, "learnt from in no language"


def test_whole_images_may_be_dealt_anew(data: Path) -> None:
    """Without the published splits an image is one record with the questions of both languages."""
    _, records, _ = run(data.parent, "auto", splits="none")
    assert len({r.source.file for r in records}) == len(records) and {r.split for r in records} == {None}
    assert {q.language for q in first(records).questions} == {"en", "zh"}


def test_closed_questions_need_not_be_answered_by_yes_or_no(data: Path) -> None:
    """61 of the 416 closed English test questions are answered by Lung, Left, T2 …: they stay closed, as the file says,
    and are not taken for open ones."""
    rows = slake.rows()["train"]
    rows[1] |= {"answer": "Left", "answer_type": "CLOSED"}
    (data / "train.json").write_text(json.dumps(rows))
    _, records, _ = run(data.parent, "auto")
    assert [(q.answer, q.kind) for q in first(records).questions][:2] == [("No", "closed"), ("Left", "closed")]


def test_the_empty_answer_is_dropped_and_counted(data: Path) -> None:
    rows = slake.rows()["train"]
    rows[1]["answer"] = ""
    (data / "train.json").write_text(json.dumps(rows))
    _, records, rejected = run(data.parent, "auto")
    assert [(item["row"], item["reason"]) for item in rejected] == [(2, "a question without an answer")]
    assert len(first(records).questions) == 2


def test_an_organ_is_no_abnormal_finding(data: Path) -> None:
    """Lung Left is not among the findings, with its mask within the cancer's box; of an image without a lesion nothing
    says that it is healthy."""
    _, records, _ = run(data.parent, "auto")
    [finding] = first(records).findings
    assert (finding.label, finding.box) == ("Lung Cancer", slake.CANCER) and finding.mask
    assert decode_mask(finding.mask).sum() == 12 * 10
    assert {r.completeness for r in records} == {"unknown"}


def test_organs_are_findings_for_those_who_ask(data: Path) -> None:
    _, records, _ = run(data.parent, "auto", anatomy=True)
    assert [f.label for f in first(records).findings] == ["Lung Left", "Lung Cancer"]


@pytest.mark.parametrize("order", ["xywh", "xyxy"])
def test_masks_tell_the_order_of_a_box(order: str, tmp_path: Path) -> None:
    slake.write(tmp_path / "data", order)
    summary, records, _ = run(tmp_path, "auto")
    assert first(records).findings[0].box == slake.CANCER
    assert any(note.startswith(f"boxes were read as {order}") for note in summary.notes)


def test_without_masks_no_order_is_guessed(data: Path) -> None:
    """No box is taken, the images are partial, and the option says the order."""
    for path in data.rglob("mask.png"):
        path.unlink()
    summary, records, rejected = run(data.parent, "auto")
    assert first(records).findings == () and first(records).completeness == "partial" and not rejected
    assert any("--box-convention" in note for note in summary.notes)
    _, records, _ = run(data.parent, "auto", box_convention="xywh")
    assert [f.box for f in first(records).findings] == [slake.CANCER]


def test_a_mask_that_is_none_of_its_image_is_told(data: Path) -> None:
    """One is cut off, one is smaller than its image. The boxes stay, without masks, and the images are partial."""
    masks = [data / "imgs" / case / "mask.png" for case in ("xmlab1", "xmlab3")]
    masks[0].write_bytes(masks[0].read_bytes()[:60])
    Image.new("L", (8, 8)).save(masks[1])
    _, records, rejected = run(data.parent, "auto", allow_rejected=1.0)
    assert {item["file"] for item in rejected} == {"imgs/xmlab1/mask.png", "imgs/xmlab3/mask.png"}
    assert any("its mask has 8 x 8 pixels, the image" in item["reason"] for item in rejected)
    lost = [r for r in records if "xmlab1/" in r.id or "xmlab3/" in r.id]
    assert {r.completeness for r in lost} == {"partial"}
    assert {(f.box, f.mask) for r in lost for f in r.findings} == {(slake.CANCER, None)}


def test_validation_is_another_name_and_images_may_lack_boxes(data: Path) -> None:
    (data / "validate.json").rename(data / "validation.json")
    _, records, rejected = run(data.parent, "auto")
    bare = next(record for record in records if "xmlab8" in record.id)
    assert {r.split for r in records} == {"train", "val", "test"} and rejected == []
    assert bare.findings == () and bare.completeness == "unknown" and bare.patient is None


def test_all_images_are_called_source(data: Path) -> None:
    """With one case downloaded, its picture is not that of the others."""
    for case in (data / "imgs").iterdir():
        if case.name != "xmlab1":
            shutil.rmtree(case)
    summary, records, _ = run(data.parent, "auto", allow_rejected=1.0)
    assert {r.source.file for r in records} == {"imgs/xmlab1/source.jpg"}
    assert any("no image 'xmlab2/source.jpg'" in str(reason) for reason in summary.reasons)
