"""``unveil export records`` to COCO and YOLO, read back by our own readers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.annotated import draw
from tests.helpers.exporting import BOX, OPEN, L, export, record, turned
from tests.helpers.images import dicom
from unveil.core.geometry import encode_mask
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Finding, Record
from unveil.ingest.reading import Options
from unveil.ingest.runner import ingest

WHOLE = Finding("cardiomegaly")


def rows_of(root: Path) -> list[Record]:
    """Masks, a negative, a turned photo, names of other scripts, two images of one name, four splits."""
    turned(root, "turned.jpg")
    return [
        record(root, "a/1.png", L, BOX, split="train"),
        record(root, "b/1.png", BOX, split="val"),
        record(root, "turned.jpg", BOX, split="test"),
        record(root, "胸部 é.png", split="test"),
        record(root, "train/none.png", L, completeness="partial"),
    ]


def back(root: Path, form: str, **options: object) -> dict[str, Record]:
    """What the reader of a form finds in an export, by the names of the image files."""
    summary = ingest(root / "out", form, root / "back", Options(**options))  # type: ignore[arg-type]
    assert summary.rejected == 0
    return {Path(row.image).name: row for row in read_jsonl(summary.records_file, Record)}


def same(found: dict[str, Record], rows: Sequence[Record], names: Sequence[str], masks: bool) -> None:
    assert sorted(found) == sorted(names)
    for name, row in zip(names, rows, strict=True):
        given = found[name]
        assert (given.size, given.split) == (row.size, row.split), name
        assert [f.label for f in given.findings] == [f.label for f in row.findings], name
        for mine, theirs in zip(row.findings, given.findings, strict=True):
            assert mine.box and theirs.box == pytest.approx(mine.box, abs=1e-5), name
            assert theirs.mask == (mine.mask if masks else None), name


NAMES = ["a_1.png", "b_1.png", "turned.jpg", "胸部_é.png", "train_none.png"]


def test_coco_is_read_back_as_it_was(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    assert export(tmp_path, rows, "coco") == 0
    same(back(tmp_path, "coco"), rows, NAMES, masks=True)
    files = sorted(path.name for path in (tmp_path / "out/annotations").iterdir())
    assert files == ["instances.json", "instances_test.json", "instances_train.json", "instances_val.json"]


def test_a_coco_file_by_hand(tmp_path: Path) -> None:
    """The L is 5 pixels in a box of 3 x 3; the other box is 9.75 x 14.5, 141.375."""
    export(tmp_path, [record(tmp_path, "a.png", L, BOX, split="train")], "coco")
    content = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    about = {"id": 1, "file_name": "a.png", "width": 40, "height": 20, "license": 1, "record": "ward/a.png"}
    assert content["images"] == [about] and content["licenses"] == [{"id": 1, "name": "CC BY 4.0"}]
    assert [c["name"] for c in content["categories"]] == ["größere Masse", "nodule"]
    first, second = content["annotations"]
    assert first == {
        "id": 1, "image_id": 1, "category_id": 2, "bbox": [4, 2, 3, 3], "area": 5, "segmentation": L.mask,
        "iscrowd": 0, "attributes": {"phrase": "A nodule on the left.", "readers": ["A"]},
    }  # fmt: skip
    assert (second["bbox"], second["area"]) == ([30.25, 5.5, 9.75, 14.5], 141.375)
    assert second["segmentation"] == [] and second["attributes"] == {"side": "left"}


def test_yolo_is_read_back_as_it_was(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    assert export(tmp_path, rows, "yolo") == 0
    same(back(tmp_path, "yolo"), rows, NAMES, masks=False)
    text = (tmp_path / "out/data.yaml").read_text()
    assert text == (
        'train: images/train\nval: images/val\ntest: images/test\nnc: 2\nnames:\n  0: "größere Masse"\n  1: "nodule"\n'
    )


def test_a_yolo_row_by_hand(tmp_path: Path) -> None:
    """(4, 2, 7, 5) of 40 x 20: centre (5.5, 3.5), extent (3, 3)."""
    export(tmp_path, [record(tmp_path, "a.png", L, split="train"), record(tmp_path, "b.png", split="train")], "yolo")
    labels = tmp_path / "out/labels/train"
    assert (labels / "a.txt").read_text() == "0 0.13750000 0.17500000 0.07500000 0.15000000\n"
    assert (labels / "b.txt").read_text() == ""


def test_what_two_phrases_say_of_one_place_is_one_object(tmp_path: Path) -> None:
    """As in sets of phrases; a second lesion of the same name elsewhere stays a second one."""
    said = [replace(BOX, phrase="On the right."), L, replace(BOX, phrase="Larger than before.")]
    row = record(tmp_path, "a.png", *said, split="train")
    export(tmp_path, [row], "coco", out="coco")
    export(tmp_path, [row], "yolo", out="yolo")
    found = json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())["annotations"]
    assert [one["attributes"]["phrase"] for one in found] == [
        "On the right.\nLarger than before.",
        "A nodule on the left.",
    ]
    assert len((tmp_path / "yolo/labels/train/a.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize("form", ["coco", "yolo"])
def test_an_image_that_may_have_findings_is_no_negative(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        record(tmp_path, "good.png", L),
        record(tmp_path, "partial.png", completeness="partial"),
        record(tmp_path, "unknown.png", completeness="unknown"),
        record(tmp_path, "whole.png", WHOLE),
        record(tmp_path, "negative.png"),
    ]
    assert export(tmp_path, rows, form) == 0
    assert sorted(back(tmp_path, form)) == ["good.png", "negative.png"]
    left_out = json.loads((tmp_path / "out.run.json").read_text())["left_out"]
    why = "images that nothing is marked in and that are not known to be free of findings"
    assert left_out == {why: 3, "findings without a place": 1}
    assert f"left out 3 {why}, such as ward/partial.png" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("form", ["coco", "yolo", "label-studio", "imagefolder"])
def test_names_that_lead_out_of_the_folder_do_not(form: str, tmp_path: Path) -> None:
    draw(tmp_path / "images/a.png")
    names = ["../../evil.png", "/etc/evil.png", "..\\evil.png", "a/../../evil.png"]
    rows = [
        replace(record(tmp_path, "a.png", L), id=name, source=replace(OPEN, file=name if n else None))
        for n, name in enumerate(names)
    ]
    root = tmp_path / "deep/er"
    root.mkdir(parents=True)
    (root / "images").symlink_to(tmp_path / "images")
    before = {path for path in tmp_path.rglob("*") if root not in path.parents}
    assert export(root, rows, form) == 0
    assert {path for path in tmp_path.rglob("*") if root not in path.parents} == before
    assert len(list((root / "out").rglob("*.png"))) == 4


def test_dicom_is_drawn_and_tells_no_patient(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    dicom(tmp_path / "images/a.dcm", np.arange(800, dtype=np.uint16).reshape(20, 40), PatientName="Canary^Ann")
    assert export(tmp_path, [record(tmp_path, "a.dcm", L)], "coco") == 0
    assert list(back(tmp_path, "coco")) == ["a.png"]
    assert not any(b"Canary" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_links_and_annotations_alone(tmp_path: Path) -> None:
    rows = [record(tmp_path, "a.png", L)]
    export(tmp_path, rows, "coco", "--images", "link")
    link = tmp_path / "out/images/a.png"
    assert link.is_symlink() and link.resolve() == tmp_path / "images/a.png"
    assert list(back(tmp_path, "coco", links="all")) == ["a.png"]
    export(tmp_path, rows, "coco", "--images", "none", out="alone")
    assert not (tmp_path / "alone/images").exists() and (tmp_path / "alone/annotations/instances.json").exists()


def test_one_split_alone(tmp_path: Path) -> None:
    export(tmp_path, rows_of(tmp_path), "coco", "--split", "val")
    assert list(back(tmp_path, "coco")) == ["b_1.png"]


def test_an_image_that_has_changed_is_left_out(tmp_path: Path) -> None:
    rows = [record(tmp_path, "a.png", L), record(tmp_path, "b.png", L), record(tmp_path, "c.png", L)]
    draw(tmp_path / "images/b.png", 10, 10)
    (tmp_path / "images/c.png").unlink()
    assert export(tmp_path, rows, "coco") == 0
    assert list(back(tmp_path, "coco")) == ["a.png"]
    assert json.loads((tmp_path / "out.run.json").read_text())["left_out"] == {
        "images whose file is not as the record says": 2
    }


@pytest.mark.parametrize("form", ["coco", "yolo", "label-studio", "imagefolder"])
def test_a_box_or_mask_that_cannot_be_one_is_neither_written_nor_ends_the_export(form: str, tmp_path: Path) -> None:
    """Inverted, outside, of another size, empty, no run lengths: each image is left out as a whole, since the other
    finding alone would be told as all. Half a pixel over the edge is clipped, as readers do."""
    wrong = [
        Finding("x", (30.0, 10.0, 5.0, 5.0)),
        Finding("x", (30.0, 10.0, 500.0, 20.0)),
        Finding("x", mask=encode_mask(np.ones((5, 5), bool))),
        Finding("x", mask=encode_mask(np.zeros((20, 40), bool))),
        Finding("x", mask={"size": [20, 40], "counts": "ab!!"}),
    ]
    rows = [record(tmp_path, f"{n}.png", L, finding) for n, finding in enumerate(wrong)]
    rows.append(record(tmp_path, "good.png", replace(BOX, box=(30.0, 5.0, 40.5, 20.0)), split="test"))
    assert export(tmp_path, rows, form) == 0
    told = json.loads((tmp_path / "out.run.json").read_text())
    why = "images with an annotation that cannot be one (`unveil check` lists them)"
    assert (told["written"], told["left_out"]) == (1, {why: 5})
    if form == "yolo":
        [text] = (tmp_path / "out/labels/test").iterdir()
        assert text.read_text() == "0 0.87500000 0.62500000 0.25000000 0.75000000\n"


@pytest.mark.parametrize("form", ["coco", "yolo", "label-studio"])
def test_for_local_tools_closed_data_are_a_note(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = [record(tmp_path, "a.png", L, source=replace(OPEN, access="credentialed"))]
    assert export(tmp_path, closed, form) == 0
    assert "keep what is written on this machine: ward (credentialed, 1 images)" in capsys.readouterr().err


def test_what_no_export_has_made_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [record(tmp_path, "a.png", L)]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    assert export(tmp_path, rows, "coco", "--restart", out="mine") == 1
    assert "no mine.run.json says that an export made it" in " ".join(capsys.readouterr().err.split())
    assert export(tmp_path, rows, "coco", "--restart", out=".") == 1
    assert export(tmp_path, rows, "coco", "--restart", out="images") == 1
    assert (tmp_path / "mine/thesis.txt").read_text() == "mine" and (tmp_path / "images/a.png").exists()


def test_the_same_again_is_there_already_and_another_form_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [record(tmp_path, "a.png", L)]
    assert export(tmp_path, rows, "coco") == export(tmp_path, rows, "coco") == 0
    assert "there already" in capsys.readouterr().err
    assert export(tmp_path, rows, "yolo") == 1
    assert export(tmp_path, rows, "yolo", "--restart") == 0
    assert not (tmp_path / "out/annotations").exists() and (tmp_path / "out/data.yaml").exists()


def test_nothing_to_write_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, [record(tmp_path, "a.png", completeness="unknown")], "coco") == 1
    assert "there are no images to write" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert export(tmp_path, [record(tmp_path, "a.png", L)], "coco", "--predictions", tmp_path / "records.jsonl") == 1
    assert "go together" in capsys.readouterr().err
