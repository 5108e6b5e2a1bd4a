"""Published splits: told by names of folders and of lists, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import coco, draw, run
from unveil.ingest.published import list_name, split_in

ROWS = "image,label,x1,y1,x2,y2\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/images", "train"), ("VALID", "val"), ("a/Testing/b", "test"), ("instances_val2017.json", "val"),
        ("train/test", "test"), ("TestSet-2", "test"), ("latest", None), ("trainers", None), ("images", None),
        ("train_val.json", "train"), ("trainval2012.json", "train"), ("train_and_test.csv", None),
        ("val/train_and_test.csv", "val"), ("stress test ecg", None), ("stress_test/a", None), ("test-time", None),
        ("stress_test_ecg/train", "train"), ("stage_2_train_images", "train"), ("default/partial-train", "train"),
        ("chest_test.json", "test"),
        ("train+val", "train"), ("train/val_test", "train"),
    ],
)  # fmt: skip
def test_splits_in_names(path: str, split: str | None) -> None:
    assert split_in(path) == split


def test_folders_that_tell_a_split_are_told(data: Path) -> None:
    for seed, name in enumerate(("TestSet-2/a.png", "stress test/b.png")):
        draw(data / name, seed=seed)
    (data / "l.csv").write_text(ROWS + "a.png,x,1,1,9,9\nb.png,x,1,1,9,9\n")
    summary, records, _ = run(data.parent, "csv")
    assert {r.source.file: r.split for r in records} == {"TestSet-2/a.png": "test", "stress test/b.png": None}
    assert "images of the split test, since a folder is called TestSet-2 (TestSet-2/a.png)" in summary.notes


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.txt", "train"), ("val_list.txt", "val"), ("trainval.txt", "train"), ("test_names.csv", "test"),
        ("cat_train.txt", None), ("train.jpg", None), ("notes.txt", None), ("train_test.txt", None),
    ],
)  # fmt: skip
def test_names_of_lists(name: str, split: str | None) -> None:
    told = list_name(Path(name))
    assert (told[1] if told else None) == split


@pytest.mark.parametrize("written", ["images/{}.png", "/else/where/set/images/{}.png", "{}", "./images/{}.png"])
@pytest.mark.parametrize("format", ["coco", "csv", "yolo"])
def test_lists_of_splits_hold_in_every_format(format: str, written: str, data: Path) -> None:
    """An image in two lists is of the test set, from which nothing may be learnt, and that is said."""
    for seed, name in enumerate("abc"):
        draw(data / f"images/{name}.png", seed=seed)
    if format == "coco":
        images = [{"id": n, "file_name": f"images/{name}.png"} for n, name in enumerate("abc")]
        (data / "all.json").write_text(json.dumps(coco() | {"images": images, "annotations": []}))
    elif format == "csv":
        (data / "l.csv").write_text("image,label\n" + "".join(f"{name}.png,x\n" for name in "abc"))
    else:
        (data / "names.txt").write_text("x\n")
        (data / "labels").mkdir()
        for name in "abc":
            (data / f"labels/{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (data / "train.txt").write_text("".join(written.format(name) + "\n" for name in "ac"))
    (data / "val.txt").write_text(written.format("b") + "\n")
    (data / "test.txt").write_text(written.format("c") + "\n")
    _, records, rejected = run(data.parent, "auto")
    assert {Path(r.image).stem: r.split for r in records} == {"a": "train", "b": "val", "c": "test"}
    assert [(r["file"], r["row"], "already in test" in r["reason"]) for r in rejected] == [("train.txt", 2, True)]


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("id,image\n7,a.png\n", "a"),
        ("id;age;file_name\nb;7;a.png\nx;8;c.png\n", "ac"),
        ("7,a.png\n8,c.png\n", "ac"),
        ("image\na\n", "a"),
        ('note,image\n"old, new",a.png\n', "a"),
        ("id,image\n7,gone.png\n", ""),
        ("age,weight\n7,8\n", ""),
    ],
)
def test_a_list_of_a_split_as_a_table(text: str, tests: str, data: Path) -> None:
    """Which column names the images is told as in every table; one that names none is said to be no list."""
    for seed, name in enumerate("abc"):
        draw(data / f"{name}.png", seed=seed)
    images = [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate("abc")]
    (data / "all.json").write_text(json.dumps(coco() | {"images": images, "annotations": []}))
    (data / "test.csv").write_text(text)
    summary, records, _ = run(data.parent, "coco")
    assert "".join(Path(r.image).stem for r in records if r.split == "test") == tests
    assert any("list of a split" in note and "test.csv" in note for note in summary.notes) is not bool(tests)
