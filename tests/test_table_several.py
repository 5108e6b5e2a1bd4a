"""The csv reader, several tables, splits and readers of one image: they are joined, and deny one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.tables import HEADER, draw, read, write
from unveil.ingest import table
from unveil.ingest.folder import Folder
from unveil.ingest.reading import IngestError, Options


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """a.png, b.png and c.png of 60 x 40 pixels."""
    for seed, name in enumerate("abc"):
        draw(tmp_path / "data" / f"{name}.png", seed)
    return tmp_path / "data"


# Several tables, splits, questions


def test_tables_of_one_image_are_joined(data: Path) -> None:
    """As NIH publishes: all labels in one table, the boxes of some in another; both say one thing."""
    write(data, "Image Index,Finding Labels,Patient ID\na.png,Atelectasis|Mass,7\nb.png,No Finding,8\n", "entry.csv")
    write(data, "Image Index,Finding Label,Bbox [x,y,w,h],,,\na.png,Mass,1,2,30,38,,,\n", "boxes.csv")
    found = read(data)
    assert sorted(found.boxes("a.png")) == [("Atelectasis", None), ("Mass", (1, 2, 31, 40))]
    assert found.records["a.png"].patient == "7" and found.completeness()["b.png"] == "exhaustive"


def test_a_finding_in_one_table_denies_that_there_is_none_in_another(data: Path) -> None:
    write(data, HEADER + "a.png,,,,,\nb.png,,,,,\n", "one.csv")
    write(data, HEADER + "a.png,x,1,2,30,99\n", "two.csv")
    found = read(data)
    assert found.completeness() == {"a.png": "partial", "b.png": "exhaustive"}


def test_folders_and_names_of_tables_give_the_split(data: Path) -> None:
    for seed, split in enumerate(("train", "valid")):
        draw(data / split / f"{split}.png", seed)
        write(
            data, f"filename,width,height,class,xmin,ymin,xmax,ymax\n{split}.png,60,40,x,1,2,30,40\n", f"{split}/t.csv"
        )
    assert {name: r.split for name, r in read(data).records.items()} == {
        "train/train.png": "train",
        "valid/valid.png": "val",
    }
    assert {r.split for r in read(data, splits="none").records.values()} == {None}


@pytest.mark.parametrize("header", ["image,label", "label,image"])
def test_a_table_that_is_called_as_a_split(header: str, data: Path) -> None:
    row = {"image": "a", "label": "x"}
    write(data, header + "\n" + ",".join(row[name] for name in header.split(",")) + "\n", "test.csv")
    assert read(data).records["a.png"].split == "test"


@pytest.mark.parametrize("header", ["image,label", "label,image"])
def test_an_image_in_the_tables_of_two_splits_is_a_record_in_each(header: str, data: Path) -> None:
    for split, label in (("train", "x"), ("test", "y")):
        row = {"image": "a", "label": label}
        write(data, header + "\n" + ",".join(row[name] for name in header.split(",")) + "\n", f"{split}.csv")
    found = read(data)
    assert {r.split: [f.label for f in r.findings] for r in found.records.values()} == {"train": ["x"], "test": ["y"]}


def test_an_image_in_two_splits_is_a_record_in_each(data: Path) -> None:
    """As VQA-RAD is published: questions were split, not images. The leak is left for the check to find."""
    write(data, "image,split\na.png,train\na.png,test\na.png,train\n")
    assert {name: r.split for name, r in read(data).records.items()} == {"a.png@train": "train", "a.png@test": "test"}
    assert {name: r.split for name, r in read(data, splits="none").records.items()} == {"a.png": None}


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        ("a.png,x,R1,train,1,2,30,40\na.png,No finding,R1,test,,,,\n", {}),
        ("a.png,x,R1,train,1,2,1,40\na.png,No finding,R1,test,,,,\n", {}),
        ("a.png,x,R2,train,1,2,30,40\na.png,No finding,R1,test,,,,\n", {"readers": "R1"}),
        ("a.png,x,R2,train,1,2,30,40\na.png,No finding,R1,test,,,,\n", {"readers": "keep"}),
        ("a.png,x,R1,nowhere,1,2,30,40\na.png,No finding,R1,test,,,,\n", {}),
    ],
)
@pytest.mark.parametrize("promised", [None, "exhaustive"])
def test_a_finding_in_one_split_denies_that_there_is_none_in_another(
    rows: str, options: dict[str, Any], promised: Any, data: Path
) -> None:
    """Also one that is bad, another reader's, or in a split that is none; and whatever the user promises."""
    text = "image,label,reader,split,x1,y1,x2,y2\nb.png,x,,train,1,2,30,40\n"
    found = read(write(data, text + rows), completeness=promised, **options)
    assert not any(r.completeness == "exhaustive" and not r.findings for r in found.records.values())
    assert "a.png@test" in found.records or "'nowhere'" in found.rejected[0]["reason"]


def test_images_that_no_row_names_are_told(data: Path) -> None:
    found = read(write(data, HEADER + "a.png,x,1,2,30,40\n"))
    assert (
        list(found.records) == ["a.png"] and "image that no row names, left out (2 times, such as b.png)" in found.notes
    )


def test_questions_of_a_table_are_the_images(data: Path) -> None:
    """Rows of one image are joined: two questions, closed by column or by its yes; a row that only asks says nothing of
    findings, one with a label is a finding as well; a question without an answer is rejected and nothing else lost."""
    rows = [
        "image,label,question,answer,answer_type",
        "a.png,,Is it normal?,no,",
        "a.png,,Which plane?,axial,CLOSED",
        "a.png,nodule,What is it?,none,",
        "a.png,,Where?,,",
        "b.png,,Which organ?,lung,open",
    ]
    found = read(write(data, "\n".join(rows)))
    a, b = found.records.values()
    assert [(q.text, q.answer, q.kind) for q in a.questions] == [
        ("Is it normal?", "no", "closed"),
        ("Which plane?", "axial", "closed"),
        ("What is it?", "none", "open"),
    ]
    assert [f.label for f in a.findings] == ["nodule"] and a.completeness == "partial" and b.completeness == "unknown"
    assert not b.findings and len(b.questions) == 1
    assert [(bad["row"], bad["reason"]) for bad in found.rejected] == [(5, "a question without an answer")]


# Several readers


VINDR = (
    "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n"
    "a,No finding,14,R1,,,,\na,No finding,14,R2,,,,\na,No finding,14,R3,,,,\n"
    "b,Nodule/Mass,8,R1,10,10,40,30\nb,Nodule/Mass,8,R2,10,10,41,30\nb,Nodule/Mass,8,R3,10,11,40,31\n"
    "c,Cardiomegaly,3,R1,20,20,50,30\nc,No finding,14,R2,,,,\n"
)


def test_several_readers_are_asked_about(data: Path) -> None:
    with pytest.raises(
        IngestError, match=r"3 of 3 images.*R1, R2, R3.*--readers keep or union or all or majority or wbf"
    ):
        read(write(data, VINDR))
    with pytest.raises(IngestError, match="R9 is none of keep, union, all, majority, wbf, nor a reader: R1, R2, R3"):
        read(data, readers="R9")
    with pytest.raises(IngestError, match="needs a column for the reader"):
        read(write(data, HEADER + "a,x,1,2,3,4\n"), readers="union")


@pytest.mark.parametrize(
    ("readers", "b", "c"),
    [
        ("keep", 3, 1),
        ("union", 1, 1),
        ("all", 1, 0),
        ("majority", 1, 0),  # one of two who read c is not more than half
        ("wbf", 1, 1),
        ("R2", 1, 0),
    ],
)
def test_what_is_done_with_several_readers(readers: str, b: int, c: int, data: Path) -> None:
    """No reader marked a, so it is a negative; c is none whoever counts, since one of two marked something."""
    found = read(write(data, VINDR), readers=readers)
    assert (len(found.boxes("b.png")), len(found.boxes("c.png"))) == (b, c) and not found.rejected
    assert found.completeness()["a.png"] == "exhaustive" and found.completeness()["c.png"] != "exhaustive"
    assert found.records["b.png"].readers == ("R1", "R2", "R3") and found.records["c.png"].readers == ("R1", "R2")
    saw = [("R1",), ("R2",), ("R3",)] if readers == "keep" else [("R2",)] if readers == "R2" else [("R1", "R2", "R3")]
    assert [f.readers for f in found.records["b.png"].findings] == saw
    if readers == "majority":  # the means of x2 and of y1 and y2
        assert found.boxes("b.png")[0][1] == pytest.approx((10, 10 + 1 / 3, 40 + 1 / 3, 30 + 1 / 3))
        assert found.records["b.png"].findings[0].attributes == {"readers": "3 of 3"}


def test_images_that_the_chosen_reader_has_not_read_are_left_out(data: Path) -> None:
    found = read(write(data, VINDR), readers="R3")
    assert set(found.records) == {"a.png", "b.png"} and any("'R3' has not read it" in note for note in found.notes)


def test_a_reader_who_denies_himself(data: Path) -> None:
    text = "image,label,reader\na,x,R1\na,No finding,R1\na,No finding,R2\n"
    found = read(write(data, text), readers="majority")
    assert [(bad["row"], found.completeness()["a.png"]) for bad in found.rejected] == [(3, "partial")]


def test_one_reader_for_each_image_is_no_question(data: Path) -> None:
    assert len(read(write(data, "image,label,rad_id\na,x,R1\na,y,R1\nb,x,R2\n")).records) == 2


def test_which_tables_say_something(data: Path) -> None:
    write(data, "image,split\na.png,train\n", "split.csv")
    write(data, "name,age\nx,3\n", "people.csv")
    write(data, "image,x1,y1,x2,y2\na.png,1,1,9,9\n", "nameless.csv")
    write(data, HEADER + "a.png,x,1,1,9,9\n")
    folder = Folder.of(data, Options())
    assert [folder.relative(path) for path in table.found(folder)] == ["nameless.csv", "t.csv"]
