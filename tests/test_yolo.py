"""The YOLO reader: labels are found wherever tools put them, names stay the words that are written, no row is lost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unveil.core import geometry
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Record
from unveil.ingest import yolo
from unveil.ingest.class_names import parsed
from unveil.ingest.folder import Folder
from unveil.ingest.reading import AnnotationError, IngestError, Options
from unveil.ingest.runner import ingest

#: In an image of 40 x 20 it is (16, 4, 24, 12).
ROW, BOX = "0 0.5 0.4 0.2 0.4\n", (16, 4, 24, 12)


def image(path: Path, seed: int = 0, size: tuple[int, int] = (40, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, size[::-1], np.uint8)).save(path)


def write(root: Path, texts: dict[str, str], images: str = "images/a.png") -> Path:
    for seed, name in enumerate(images.split()):
        image(root / name, seed)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode(errors="surrogateescape"))
    return root


def read(data: Path, **options: Any) -> tuple[dict[str, Record], list[dict[str, Any]], list[str]]:
    """Of a few rows, one that is bad on purpose is more than a tenth."""
    out = data.parent / "out"
    summary = ingest(data, "yolo", out, Options(**{"allow_rejected": 1.0} | options))
    rejected = [json.loads(line) for line in summary.rejected_file.read_text().splitlines()]
    records = {record.source.file or "": record for record in read_jsonl(summary.records_file, Record)}
    return records, rejected, list(summary.notes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


# Where labels lie


@pytest.mark.parametrize(
    ("picture", "label"),
    [
        ("images/a.png", "labels/a.txt"),
        ("images/a.png", "images/a.txt"),
        ("Images/a.png", "Labels/a.txt"),
        ("a.png", "a.txt"),
        ("a.png", "labels/a.txt"),
        ("train/images/a.png", "train/labels/a.txt"),
        ("images/train/a.png", "labels/train/a.txt"),
        ("train/a.png", "labels/train/a.txt"),
        ("train/a.png", "train/labels/a.txt"),
        ("JPEGImages/a.png", "labels/a.txt"),
        ("images/a.png", "labels/a.png.txt"),
        ("images/A.PNG", "labels/a.txt"),
        ("obj_train_data/a.png", "obj_train_data/a.txt"),
    ],
)
def test_labels_are_found(picture: str, label: str, data: Path) -> None:
    records, rejected, _ = read(write(data, {"data.yaml": "names: [x]", label: ROW}, picture))
    assert [f.box for f in records[picture].findings] == [pytest.approx(BOX)] and not rejected


def test_labels_of_one_split_are_not_those_of_another(data: Path) -> None:
    texts = {"data.yaml": "names: [x]", "train/labels/a.txt": ROW, "valid/labels/a.txt": ""}
    records, _, _ = read(write(data, texts, "train/images/a.png valid/images/a.png"))
    assert {name: len(r.findings) for name, r in records.items()} == {"train/images/a.png": 1, "valid/images/a.png": 0}
    assert {r.split for r in records.values()} == {"train", "val"}


def test_a_missing_label_file_is_no_negative_unless_the_user_says_so(data: Path) -> None:
    write(data, {"data.yaml": "names: [x]", "labels/a.txt": ROW}, "images/a.png images/b.png")
    records, rejected, _ = read(data)
    assert set(records) == {"images/a.png"}
    assert "no label file" in rejected[0]["reason"] and rejected[0]["rows"] == 0
    records, _, _ = read(data, missing_labels="negative")
    assert records["images/b.png"].completeness == "exhaustive"


def test_label_files_that_belong_to_no_image_are_named_and_make_no_negatives(data: Path) -> None:
    texts = {"data.yaml": "names: [x]", "labels/a.txt": ROW, "labels/b (1).txt": ROW * 3}
    write(data, texts, "images/a.png images/b.png")
    records, rejected, notes = read(data, missing_labels="negative")
    assert records["images/b.png"].completeness == "partial" and records["images/a.png"].completeness == "exhaustive"
    assert [(bad["file"], bad["rows"]) for bad in rejected] == [("labels/b (1).txt", 3)]
    assert any("is no negative" in note for note in notes)
    with pytest.raises(IngestError, match="3 of 4 annotation rows"):
        read(data, allow_rejected=0.1, missing_labels="negative")


def test_a_text_that_is_not_read_as_labels_leaves_its_image_no_negative(data: Path) -> None:
    texts = {"data.yaml": "names: [x]", "images/a.txt": "A nodule of 3 cm.", "labels/c.txt": ""}
    records, _, notes = read(write(data, texts, "images/a.png images/b.png images/c.png"), missing_labels="negative")
    assert {name: r.completeness for name, r in records.items()} == {
        "images/a.png": "partial",
        "images/b.png": "exhaustive",
        "images/c.png": "exhaustive",
    }
    assert any("is no negative" in note for note in notes)


@pytest.mark.parametrize("text", ["images/a.txt", "other/labels/a.txt"])
def test_an_empty_label_file_beside_another_text_is_no_negative(text: str, data: Path) -> None:
    """Two words before the numbers are no row of YOLO, and a.txt elsewhere may be of this image."""
    rows = "pleural effusion .5 .5 .1 .1\n" if text.startswith("images") else ROW
    texts = {"data.yaml": "names: [x]", "labels/a.txt": "", "labels/b.txt": "", "labels/c.txt": ROW, text: rows}
    records, _, _ = read(write(data, texts, "images/a.png images/b.png images/c.png"))
    assert [r.completeness for r in records.values()] == ["partial", "exhaustive", "exhaustive"]


def test_rows_that_name_their_class_are_labels_anywhere(data: Path) -> None:
    records, _, _ = read(write(data, {"classes.txt": "x\ny", "images/a.txt": ROW.replace("0", "y", 1)}))
    assert [f.label for f in records["images/a.png"].findings] == ["y"]


@pytest.mark.parametrize(
    ("rows", "labels", "completeness"),
    [
        ("1 0.5 0.5 1 1\n", [], "exhaustive"),
        (ROW + "1 0.5 0.5 1 1\n", ["x"], "partial"),
        ("2 0.5 0.5 1 1\n", [], "partial"),
        (ROW + "2 0.5 0.5 1 1\n", ["x"], "exhaustive"),
    ],
)
def test_classes_that_are_no_findings(rows: str, labels: list[str], completeness: str, data: Path) -> None:
    """One says that there is none; one is the rest of the picture, of which alone nobody knows."""
    record, _ = findings(data, rows, "names: [x, No finding, background]")
    assert [f.label for f in record.findings] == labels and record.completeness == completeness


def test_normal_is_a_finding_unless_the_user_says_otherwise(data: Path) -> None:
    write(data, {"data.yaml": "names: [Normal]", "labels/a.txt": ROW})
    records, _, notes = read(data)
    assert len(records["images/a.png"].findings) == 1 and any("called Normal" in note for note in notes)
    records, rejected, notes = read(data, negative_labels=("normal",))
    assert not records["images/a.png"].findings and records["images/a.png"].completeness == "partial"
    assert "'Normal' and has a place" in rejected[0]["reason"] and not notes
    (data / "labels/a.txt").write_text("0 0.5 0.5 1 1\n")
    assert read(data, negative_labels=("normal",))[0]["images/a.png"].completeness == "exhaustive"


def test_two_label_files_that_differ(data: Path) -> None:
    write(data, {"data.yaml": "names: [x]", "labels/a.txt": "", "images/a.txt": ROW}, "images/a.png images/b.png")
    (data / "labels/b.txt").write_text(ROW)
    (data / "images/b.txt").write_text(ROW + "\n")
    records, rejected, _ = read(data)
    assert set(records) == {"images/b.png"} and "labels/a.txt and images/a.txt" in rejected[0]["reason"]


def test_other_texts_beside_the_images_are_no_labels(data: Path) -> None:
    texts = {
        "data.yaml": "names: [x]", "labels/a.txt": ROW, "images/a.txt": "A nodule of 3 cm.", "README.txt": "2 classes",
        "labels/classes.txt": "x", "train.txt": "images/a.png\n",
    }  # fmt: skip
    records, rejected, _ = read(write(data, texts))
    assert records["images/a.png"].split == "train" and not rejected


def test_a_label_file_that_is_no_text_is_rejected_with_its_image(data: Path) -> None:
    write(data, {"data.yaml": "names: [x]", "labels/b.txt": ""}, "images/a.png images/b.png")
    (data / "labels/a.txt").write_bytes(b"0 0.5 \xff")
    records, rejected, _ = read(data)
    assert set(records) == {"images/b.png"} and "not UTF-8" in rejected[0]["reason"]


# What rows are


def findings(data: Path, rows: str, yaml: str = "names: [x, y]", **options: Any) -> tuple[Record, list[dict[str, Any]]]:
    records, rejected, _ = read(write(data, {"data.yaml": yaml, "labels/a.txt": rows}), **options)
    return records["images/a.png"], rejected


def test_a_polygon(data: Path) -> None:
    """The square from (4, 2) to (8, 6) in a 40 x 20 image is 0.1 0.1, 0.2 0.1, 0.2 0.3, 0.1 0.3, a rotated box."""
    record, _ = findings(data, "1 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3\n")
    (finding,) = record.findings
    assert finding.label == "y" and finding.box == pytest.approx((4, 2, 8, 6))
    inside = np.argwhere(geometry.decode_mask(finding.mask or {})).tolist()
    assert inside == [[r, c] for r in range(2, 6) for c in range(4, 8)]


@pytest.mark.parametrize(
    ("tail", "shape"),
    [
        ("0.5 0.4 2 0.45 0.35 1 0 0 0", "[3, 3]"),
        ("0.5 0.4 0.45 0.35 0.9 0.1", "[3, 2]"),
        ("0.9 0.1 0.9 0.2", "[2, 2]"),
        ("0.5 0.4 2", None),  # 8 numbers with the class: no polygon has so many
        ("0.5 0.4 2 0.45 0.35 1 0 0 0", None),
        ("0.5 0.4 2 0.45 0.35 1", None),  # 11: a polygon of five points could have them
    ],
)
def test_key_points_behind_a_box_leave_the_box(tail: str, shape: str | None, data: Path) -> None:
    yaml = "names: [x]" + (f"\nkpt_shape: {shape}" if shape else "")
    record, rejected = findings(data, f"{ROW.strip()} {tail}\n", yaml)
    assert [f.box for f in record.findings] == [pytest.approx(BOX)] and not rejected
    assert record.findings[0].mask is None


def test_rows_without_the_key_points_that_are_declared(data: Path) -> None:
    """They are no polygons, though they have the numbers for it."""
    record, rejected = findings(data, f"{ROW.strip()} 0.5 0.4\n{ROW}", "names: [x]\nkpt_shape: [2, 3]")
    assert len(record.findings) == 1 and record.findings[0].mask is None
    assert "kpt_shape says 6 numbers behind a box, not 2" in rejected[0]["reason"]


def test_a_sixth_number_is_a_confidence(data: Path) -> None:
    record, _ = findings(data, f"{ROW.strip()} 0.87\n")
    assert record.findings[0].box == pytest.approx(BOX) and record.findings[0].attributes == {"confidence": "0.87"}


@pytest.mark.parametrize("chosen", ["1", "1.0", "y"])
def test_a_class_is_a_number_or_a_name(chosen: str, data: Path) -> None:
    assert findings(data, f"{chosen} 0.5 0.4 0.2 0.4\n")[0].findings[0].label == "y"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7 .5 .5 .1 .1", "class 7 is not among the names, which are 0 to 1"),
        ("1.5 .5 .5 .1 .1", "class 1.5"),
        ("-1 .5 .5 .1 .1", "class -1"),
        ("0 .5 .5 0 .1", "zero-area"),
        ("0 .9 .5 .9 .1", "outside"),
        ("0 .5 .5 .1 x", "number"),
        ("0 .5 .5 .1", "4 numbers"),
        ("0", "4 numbers"),
        ("0 .5 .5 .1 .1 3", "4 numbers"),
        ("0 nan .5 .1 .1", "finite"),
        ("0 .5 .5 .5001 .5 .5 .5001", "no pixel"),
        ("0 .5 .5 .1 .1 .9 .9 3", "4 numbers"),
        ("0 .5 .5 .2 .2 .9 1", "a track's id"),
    ],
)
def test_a_bad_row_leaves_the_image_partial(row: str, reason: str, data: Path) -> None:
    record, rejected = findings(data, f"\n{row}\n")
    assert [(bad["file"], bad["row"]) for bad in rejected] == [("labels/a.txt", 2)]
    assert reason in rejected[0]["reason"] and record.completeness == "partial"


@pytest.mark.parametrize(
    ("row", "options", "named"),
    [
        ("0 20 8 8 8", {"box_units": "pixels"}, "--box-units pixels"),
        ("0 50 40 20 40", {"box_units": "percent"}, "--box-units percent"),
        ("0 0.4 0.2 0.6 0.6", {"box_convention": "xyxy"}, ""),
    ],
)
def test_other_units_and_orders(row: str, options: dict[str, Any], named: str, data: Path) -> None:
    """The same box in pixels, in percent, and by its corners, of which the first two do not fit as shares."""
    assert findings(data, row, **options)[0].findings[0].box == pytest.approx(BOX)
    if named:
        with pytest.raises(IngestError, match=f"All boxes fit by .*{named}"):
            findings(data, row, allow_rejected=0.1)


def test_a_row_that_stands_twice_counts_once(data: Path) -> None:
    record, rejected = findings(data, ROW * 2)
    assert len(record.findings) == 1 and record.completeness == "exhaustive" and not rejected


# What names are


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[no, yes]", ["no", "yes"]),
        ("[null, 'None', ~]", ["null", "None", "~"]),
        ("[1, 1.0, 0x1F, 2020-01-01]", ["1", "1.0", "0x1F", "2020-01-01"]),
        ("{0: off, 1: on}", ["off", "on"]),
        ("\n  '0': a\n  '1': b", ["a", "b"]),
        ("\n- !!str yes\n- n", ["yes", "n"]),
    ],
)
def test_names_stay_the_words_that_are_written(names: str, expected: list[str], data: Path) -> None:
    rows = "".join(f"{n} 0.5 0.4 0.{n + 2} 0.4\n" for n in range(len(expected)))
    record, _ = findings(data, rows, f"nc: {len(expected)}\nnames: {names}")
    assert [f.label for f in record.findings] == expected


@pytest.mark.parametrize(
    "texts",
    [
        {"obj.names": "x\ny\n"},
        {"classes.txt": "x\ny"},
        {"labels/classes.txt": "x\ny\n\n"},
        {"train/_darknet.labels": "x\ny"},
        {"classes.txt": "x\ny", "weights.data": "\udc80", "big.data": "#" * 2**19},
        {"obj.data": "classes = 2\nnames = data/things.txt\n", "things.txt": "x\ny\n"},
        {"one/data.yaml": "names: [x, y]", "two.yaml": "names: {0: x, 1: y}"},
        {"data.yaml": "names: [x, y]", "classes.txt": "a\nb"},
        {"data.yaml": "names: [x, y]", "other.yml": "jobs: &a [*a]"},
    ],
)
def test_where_names_stand(texts: dict[str, str], data: Path) -> None:
    records, rejected, _ = read(write(data, {**texts, "labels/a.txt": ROW.replace("0 ", "1 ", 1)}))
    assert [f.label for f in records["images/a.png"].findings] == ["y"] and not rejected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: !!python/object/apply:os.system ['touch {canary}']", "the tag .*python/object/apply:os.system"),
        ("names: [a, ", "not usable as YAML"),
        ("names: 3", "names must be"),
        ("names: {a: b}", "names must be"),
        ("names: []", "names must be"),
        ("names: [a, '']", "names must be"),
        ("names: {0: a, 0: b}", "the key '0' stands twice, line 1"),
        ("names: [[a], b]", "names must be"),
        ("nc: 3\nnames: [a, b]", "nc says 3 classes, names has 2"),
        ("a: &a [x]\nnames: *a", r"line 2: the alias \*a"),
        ("names: [" + "[" * 3000 + "]" * 3000 + "]", "nested more than 16 deep"),
        ("names: [a]\n" + "#" * 2**18, "larger than"),
    ],
)
def test_names_that_are_none(text: str, message: str, data: Path) -> None:
    canary = data.parent / "canary"
    with pytest.raises(IngestError, match=message):
        findings(data, ROW, text.replace("{canary}", str(canary)))
    assert not canary.exists()


def test_names_that_contradict_one_another_are_chosen_by_the_user(data: Path) -> None:
    texts = {"a.yaml": "names: [x]", "sub/b.yaml": "names: [y]", "labels/a.txt": ROW}
    with pytest.raises(IngestError, match=r"a\.yaml, sub/b\.yaml name the classes differently: .*--annotations"):
        read(write(data, texts))
    records, _, _ = read(data, annotations="sub/b.yaml")
    assert records["images/a.png"].findings[0].label == "y"


def test_aliases_of_aliases_take_no_time() -> None:
    text = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    started = time.process_time()
    with pytest.raises(AnnotationError, match="alias"):
        parsed(text)
    assert time.process_time() - started < 1


# Splits


@pytest.mark.parametrize(
    ("yaml", "picture", "split"),
    [
        ("train: images/fold3\nval: [images/fold1]", "images/fold1/a.png", "val"),
        ("train: ../train/images\ntest: D:/mine/Test/images", "test/images/a.png", "test"),
        ("train: images\nval: images/val", "images/val/a.png", "val"),
        ("train: images\nval: images", "images/a.png", None),
        ("train: lists/first.txt\ntest: lists/second.txt", "images/a.png", "test"),
        ("train: train.txt", "images/a.png", "train"),
        ("", "images/test/a.png", "test"),
    ],
)
def test_splits(yaml: str, picture: str, split: str | None, data: Path) -> None:
    lists = {"lists/second.txt": "./images/a.png\n", "lists/first.txt": "./images/z.png\n", "train.txt": "images/a.png"}
    chosen = {name: text for name, text in lists.items() if name in yaml}
    label = picture.replace("images", "labels").replace(".png", ".txt")
    records, _, _ = read(
        write(data, {"data.yaml": f"names: [x]\n{yaml}", label: ROW, **chosen}, f"{picture} images/z.png")
    )
    assert records[picture].split == split
    assert read(data, splits="none")[0][picture].split is None


def test_a_list_of_classes_without_label_files_is_no_yolo(data: Path) -> None:
    """labelImg leaves such a list beside VOC."""
    write(data, {"classes.txt": "x", "images/a.xml": "<annotation/>"})
    assert yolo.found(Folder.of(data, Options())) == []
    write(data, {"labels/a.txt": ROW})
    folder = Folder.of(data, Options())
    assert [folder.relative(path) for path in yolo.found(folder)] == ["classes.txt"]
    assert [folder.relative(path) for path in yolo.labels(folder)] == ["labels/a.txt"]
