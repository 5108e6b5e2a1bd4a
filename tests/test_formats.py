"""Which format a folder is in is told by its files: never a guess between two, and a way on where nobody reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.helpers.annotated import BOXES, WRITERS, draw, every_format, run, write_csv, write_voc, write_yolo
from unveil.ingest.formats import FORMATS
from unveil.ingest.reading import IngestError, Options
from unveil.ingest.runner import ingest

BOX = "0 0.5 0.5 0.2 0.2\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@every_format
def test_each_format_is_told_by_its_files(format: str, data: Path) -> None:
    WRITERS[format](data)
    summary, records, _ = run(data.parent, "auto")
    assert (summary.format, sum(len(r.findings) for r in records)) == (format, len(BOXES))
    assert any(note.startswith(f"read as {format}: ") for note in summary.notes)


def test_tables_in_split_folders(data: Path) -> None:
    """As Roboflow exports them: the columns are known by their names, the splits by the folders'."""
    for seed, split in enumerate(("train", "valid", "test")):
        draw(data / split / "a.jpg", seed=seed)
        rows = ["filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,40,20,bleeding,4,2,20,12"]
        (data / split / "_annotations.csv").write_text("\n".join(rows))
    _, records, rejected = run(data.parent, "auto")
    assert rejected == [] and [f.box for r in records for f in r.findings] == [(4, 2, 20, 12)] * 3
    assert {r.source.file: r.split for r in records} == {
        "train/a.jpg": "train", "valid/a.jpg": "val", "test/a.jpg": "test"
    }  # fmt: skip


def test_names_without_yaml_and_labels_beside_the_images(data: Path) -> None:
    """Centre and extent 0.5, 0.5, 0.2, 0.2 of 40 x 20: (16, 8, 24, 12)."""
    draw(data / "fundus/a.jpg")
    (data / "fundus/a.txt").write_text(BOX)
    (data / "fundus.names").write_text("exudate\n")
    summary, (record,), _ = run(data.parent, "auto")
    assert summary.format == "yolo"
    assert [(f.label, f.box) for f in record.findings] == [("exudate", pytest.approx((16, 8, 24, 12)))]


def test_two_readings_are_listed_and_one_is_chosen(data: Path) -> None:
    write_voc(data)
    write_csv(data)
    with pytest.raises(IngestError, match=r"2 ways, say which: --format voc .*; --format csv .*labels\.csv"):
        run(data.parent, "auto")
    assert run(data.parent, "csv")[0].format == "csv"
    assert run(data.parent, "auto", annotations="labels.csv")[0].format == "csv"


def test_a_table_of_reports_is_read_where_nothing_else_is_annotated(data: Path) -> None:
    """They may lie beside any form; alone they are what there is. Nobody has said that their images are normal."""
    for seed, name in enumerate("ab"):
        draw(data / f"{name}.png", seed=seed)
    (data / "reports.csv").write_text("image,report\na.png,A nodule.\nb.png,Clear lungs.\n")
    summary, records, _ = run(data.parent, "auto")
    assert summary.format == "csv" and [r.report for r in records] == ["A nodule.", "Clear lungs."]
    assert {r.completeness for r in records} == {"unknown"}
    (data / "reports.csv").write_text("image,impression,findings\na.png,A nodule.,x\nb.png,Clear lungs.,y\n")
    assert run(data.parent, "auto")[0].format == "csv"
    write_voc(data)
    assert run(data.parent, "auto")[0].format == "voc"


def test_what_lies_beside_annotations_is_no_second_reading(data: Path) -> None:
    """A list of class names that labelImg leaves, a table of hospitals, settings in JSON and YAML."""
    write_voc(data)
    (data / "VOC/Annotations/classes.txt").write_text("nodule\nmass\n")
    (data / "hospitals.csv").write_text("hospital,city\n1,Bonn\n")
    (data / "settings.json").write_text('{"images": 3}')
    (data / "export.yaml").write_text("version: 3\n")
    assert run(data.parent, "auto")[0].format == "voc"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q.json", [{"question": "Where?", "answer": "left"}], "questions, in rows that name no image"),
        ("d.zip", "PK", "an archive; name it as --data, or unpack it"),
        ("d.tar.gz", "", "an archive; unpack it"),
        ("v.nii.gz", "", "volumes, of which no name tells image and mask"),
        ("v.nrrd", "", "volumes; save image and mask as NIfTI"),
        ("m.json", {"labelGroups": [], "datasets": []}, "a project of MD.ai; write"),
        ("r.roi", "Iout", "outlines of ImageJ; save"),
        ("t.csv", "bild,befund\na.png,x\n", "columns bild, befund.*--columns image=bild label=befund"),
        ("labels/a.txt", BOX, "labels/a.txt looks like YOLO, and nothing names the classes"),
        ("n.md", "Thorax", "It holds 1 images and 1 x .md"),
    ],
)  # fmt: skip
def test_what_nobody_reads_is_named_with_a_way_on(name: str, text: object, said: str, data: Path) -> None:
    draw(data / "images/a.png")
    (data / name).parent.mkdir(exist_ok=True)
    (data / name).write_text(text if isinstance(text, str) else json.dumps(text))
    with pytest.raises(IngestError, match=f"nothing tells what is in the images.*{said}"):
        run(data.parent, "auto")
    assert not (data.parent / "out/records.jsonl").exists()


def test_the_named_format_is_not_doubted(data: Path) -> None:
    """A folder with VOC beside it is read as what was asked for, where that is there."""
    write_voc(data)
    write_yolo(data)
    assert run(data.parent, "yolo", missing_labels="reject")[0].format == "yolo"


def denied(format: str, data: Path) -> None:
    """The boxes of a.png are called free of findings."""
    WRITERS[format](data)
    for path in (path for path in data.rglob("*.*") if path.suffix in (".xml", ".json", ".yaml", ".csv")):
        path.write_text(re.sub("nodule|mass", "No finding", path.read_text()))


@every_format
def test_no_finding_with_a_place_makes_no_negative(format: str, data: Path) -> None:
    """A box of its own can only be that of a finding, or a slip."""
    denied(format, data)
    _, records, rejected = run(data.parent, format)
    found = {Path(r.image).stem: (r.findings, r.completeness) for r in records}
    assert found == {"a": ((), "partial"), "b": ((), "exhaustive")} and len(rejected) == 2


@every_format
def test_no_finding_with_a_box_that_is_none_is_a_negative(format: str, data: Path) -> None:
    """A box of zeros only fills its columns, and in YOLO one of the whole image does."""
    denied(format, data)
    empty = {
        "csv": ("labels.csv", r"(finding)(,[\d.]+){4}", r"\1,0,0,0,0"),
        "coco": ("annotations/instances_train2017.json", r'"bbox": \[[^\]]*', '"bbox": [0, 0, 0, 0'),
        "voc": ("VOC/Annotations/a.xml", r"(<[xy]m..>)[\d.]+", r"\g<1>0"),
        "yolo": ("train/labels/a.txt", r"(\d) .*", r"\1 0.5 0.5 1 1"),
    }
    name, pattern, filled = empty[format]
    (data / name).write_text(re.sub(pattern, filled, (data / name).read_text()))
    _, records, rejected = run(data.parent, format)
    assert [(r.findings, r.completeness) for r in records] == [((), "exhaustive")] * 2 and not rejected


@pytest.mark.parametrize("stray", ["notes.md", "notes.json"])
def test_a_format_of_which_nothing_is_here(stray: str, tmp_path: Path) -> None:
    """An image beside a file that nobody reads, or that says nothing: an error in words, whatever was asked for."""
    draw(tmp_path / "data" / "a.png")
    (tmp_path / "data" / stray).write_bytes(b"[]")
    for format in FORMATS:
        with pytest.raises(IngestError):
            ingest(tmp_path / "data", format, tmp_path / "out", Options())
