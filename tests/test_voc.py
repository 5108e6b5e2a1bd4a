"""VOC: whose an XML file is; objects wherever they stand; and a lost box never makes an image a true negative."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.annotated import (
    BOXES,
    draw,
    run,
    write_voc,
    xml,
)
from unveil.core.records import Completeness

BOX = BOXES[:1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw(tmp_path / "data/a.png")
    draw(tmp_path / "data/b.png", seed=1)
    return tmp_path / "data"


def read(data: Path, **texts: str) -> tuple[dict[str, tuple[list[str], Completeness]], list[str], list[str]]:
    """Labels and completeness of each image, the reasons of what was rejected, and the notes."""
    for name, text in texts.items():
        (data / f"{name}.xml").write_text(text)
    summary, records, rejected = run(data.parent, "voc")
    found = {Path(r.image).stem: ([f.label for f in r.findings], r.completeness) for r in records}
    return found, [r["reason"] for r in rejected], list(summary.notes)


def test_a_name_that_was_left_behind(data: Path) -> None:
    """a.xml was copied with its image: it still says b.png, which has an XML file of its own."""
    found, rejected, notes = read(data, a=xml("b.png", [("x", BOX[0][1])]), b=xml("b.png", [("y", BOX[0][1])]))
    assert found == {"a": (["x"], "exhaustive"), "b": (["y"], "exhaustive")} and rejected == []
    assert any("mean two images" in note for note in notes)


@pytest.mark.parametrize("written", ["/home/me/a.png", "../x/a.png", "C:\\x\\a.png", "gone.png", "", "/data/gone.jpg"])
def test_paths_of_other_disks(written: str, data: Path) -> None:
    found, rejected, _ = read(data, a=xml(written, BOX), b=xml("b.png", []))
    assert found == {"a": (["nodule"], "exhaustive"), "b": ([], "exhaustive")} and rejected == []


@pytest.mark.parametrize(
    ("change", "labels"),
    [
        (lambda text: text.replace("<object>", "<objects><object>").replace("</object>", "</object></objects>"), True),
        (lambda text: text.replace("object", "OBJECT").replace("bndbox", "BndBox").replace("name>", "Name>"), True),
        (lambda text: f"<set>{text}</set>", True),
        (lambda text: text.replace("<annotation", '<annotation xmlns="http://x"'), True),
        (lambda text: text.replace("object", "item"), False),
        (lambda text: text.replace("bndbox", "bbox"), False),
        (lambda text: text.replace("xmin", "left"), False),
        (lambda text: text.replace("annotation", "page"), False),
        (lambda text: text[:-20], False),
    ],
    ids=["nested", "capitals", "wrapped", "namespace", "item", "bbox", "left", "root", "cut"],
)
def test_objects_are_found_or_the_image_is_no_negative(change, labels: bool, data: Path) -> None:  # type: ignore[no-untyped-def]
    found, rejected, _ = read(data, a=change(xml("a.png", BOX)), b=xml("b.png", []))
    if labels:
        assert found["a"] == (["nodule"], "exhaustive") and rejected == []
    else:
        assert found.get("a", ([], "partial")) == ([], "partial") and rejected
    assert found["b"] == ([], "exhaustive")


def test_two_files_of_one_image_are_joined(data: Path) -> None:
    (data / "more").mkdir()
    (data / "more/a.xml").write_text(xml("a.png", BOX))
    found, rejected, _ = read(data, a=xml("a.png", []), b=xml("b.png", []))
    assert found == {"a": (["nodule"], "partial"), "b": ([], "exhaustive")} and rejected == []
    (data / "more/x.xml").write_text(xml("a.png", BOX)[:-9])
    (data / "more/a.xml").unlink()
    found, rejected, _ = read(data)
    assert found["a"] == ([], "partial") and "not readable as XML" in rejected[0]


@pytest.mark.parametrize(
    ("text", "partial"),
    [
        ("<annotation><path>/x/a.png</path><object", "a"),
        ("<annotation><filename>/y/a.jpg</filename><object", "a"),
        ("<annotation><filename>zzz.png</filename><v:path xmlns:v='v'>C:\\x\\a.png</v:path><object", "a"),
        ("<annotation><object>", "ab"),
        ("<annotation><filename>a.p", "ab"),
        ("<annotation><object></object></annotation>", "ab"),
        ("<set><annotation><filename>a.png</filename></annotation><annotation><f", "ab"),
        ("<catalog>", ""),
        ("<catalog/>", ""),
    ],
)
def test_images_that_a_damaged_file_may_be_about(text: str, partial: str, data: Path) -> None:
    found, rejected, _ = read(data, a=xml("a.png", []), b=xml("b.png", []), scan7=text)
    assert "".join(sorted(name for name, (_, told) in found.items() if told == "partial")) == partial and rejected


def test_of_several_annotations_in_a_file_a_bad_one_costs_no_other(data: Path) -> None:
    inner = [xml("a.png", BOX), xml("gone.png", BOX), xml("b.png", BOX)]
    found, rejected, _ = read(data, all=f"<set>{''.join(inner)}</set>")
    assert found == {"a": (["nodule"], "exhaustive"), "b": (["nodule"], "exhaustive")}
    assert len(rejected) == 1 and "gone.png" in rejected[0]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty folder, for a data set with its own images."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_voc_one_based_corners(bare: Path) -> None:
    """In the original VOC sets corners are inclusive pixels from 1: (1, 1, 40, 20) is all of a 40 x 20 image."""
    write_voc(bare)
    (bare / "VOC/Annotations/a.xml").write_text(xml("a.png", [("x", (1, 1, 40, 20)), ("y", (3, 3, 3, 3))]))
    _, records, _ = run(bare.parent, "voc", voc_corners="one_based")
    assert [f.box for r in records for f in r.findings] == [(0, 0, 40, 20), (2, 2, 3, 3)]


def test_voc_image_by_the_stem_where_filename_is_wrong(bare: Path) -> None:
    write_voc(bare, first="renamed.png")
    summary, _, rejected = run(bare.parent, "voc")
    assert (summary.records, rejected) == (2, [])


def test_voc_published_splits_that_are_wrong(bare: Path) -> None:
    write_voc(bare)
    (bare / "VOC/ImageSets/Main/test.txt").write_text("b\n\nghost\na\n")
    _, records, rejected = run(bare.parent, "voc")
    assert [r.split for r in records] == ["test", "test"]
    assert [(Path(r["file"]).name, r["row"], r["reason"]) for r in rejected] == [
        ("test.txt", 3, "'ghost' is no image here, as 1 of the 3 listed are"),
        ("train.txt", 1, "'a' is already in test, as 1 of the 1 listed are"),
    ]


ENTITIES = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><annotation><filename>&b;</filename></annotation>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation><filename>&a;</filename></annotation>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ENTITIES, "entities"),
        (EXTERNAL, "entities"),
        ("<annotation>", "not readable as XML"),
        ("<svg/>", "root is <svg>"),
        ("<annotation/>", "name is empty"),
        (xml("b.png", [("x", (4, 4, 4, 4))]), "zero-area"),
        (xml("b.png", [("x", (4, 4, 99, 9))]), "outside"),
        (xml("b.png", [("", (4, 4, 9, 9))]), "no <name>"),
        (xml("b.png", [("x", (4, 4, "", 9))]), "<xmax>"),
        ("<annotation><filename>b.png</filename><object><name>x</name></object></annotation>", "no <bndbox>"),
    ],
)
def test_voc_bad_xml(text: str, reason: str, bare: Path) -> None:
    write_voc(bare)
    (bare / "VOC/JPEGImages/b.png").rename(bare / "VOC/JPEGImages/c.png") if "name is" in reason else None
    (bare / "VOC/Annotations/b.xml").write_text(text)
    summary, _, rejected = run(bare.parent, "voc")
    assert summary.findings == 2
    assert any(reason in r["reason"] and r["file"] == "VOC/Annotations/b.xml" for r in rejected)
