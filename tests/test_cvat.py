"""CVAT's XML: turned boxes, outlines, masks, tags, tracks through frames, and XML that is an attack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.annotated import draw, run
from unveil.core.geometry import decode_mask
from unveil.ingest.reading import IngestError


def written(tmp_path: Path, inside: str, *images: str, before: str = "") -> Path:
    for name in images or ("a.png",):
        draw(tmp_path / "data" / "images" / name)
    text = f'<?xml version="1.0"?>{before}<annotations><version>1.1</version>{inside}</annotations>'
    (tmp_path / "data" / "annotations.xml").write_text(text)
    return tmp_path


def image(inside: str, name: str = "a.png", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="40" height="20" {more}>{inside}</image>'


def test_shapes_of_an_image(tmp_path: Path) -> None:
    """A box of 8 x 4 about (20, 10) that is turned by 90 degrees is 4 x 8. The mask's run lengths are 1 outside, 4
    inside and 1 outside in a rectangle of 3 x 2 at (30, 4)."""
    shapes = """
        <box label="mass" occluded="1" xtl="16" ytl="8" xbr="24" ybr="12" rotation="90"/>
        <polygon label="nodule" points="2,2;10,2;10,8"><attribute name="side">left</attribute></polygon>
        <ellipse label="cyst" cx="30" cy="14" rx="6" ry="4"/>
        <mask label="opacity" rle="1, 4, 1" left="30" top="4" width="3" height="2"/>
        <tag label="portable"/>"""
    _, [record], rejected = run(written(tmp_path, image(shapes, more='subset="Validation"')), "auto")
    assert not rejected and record.split == "val" and record.completeness == "exhaustive"
    assert [(f.label, f.box) for f in record.findings] == [
        ("mass", pytest.approx((18, 6, 22, 14))),
        ("nodule", (2, 2, 10, 8)),
        ("cyst", (24, 10, 36, 18)),
        ("opacity", (30, 4, 33, 6)),
        ("portable", None),
    ]
    assert record.findings[0].attributes == {"occluded": "yes"} and record.findings[1].attributes == {"side": "left"}
    mask = record.findings[3].mask
    assert mask and decode_mask(mask)[4:6, 30:33].tolist() == [[False, True, True], [True, True, False]]


def test_images_of_one_number_are_those_of_several_tasks(tmp_path: Path) -> None:
    """A project numbers the frames of each task from 0: neither image takes the other's place. Of two images that are
    called alike, each is the one in the folder of its subset."""
    box = '<box label="mass" xtl="4" ytl="2" xbr="20" ybr="12"/>'
    first = image(box, more='task_id="1" subset="Train"')
    second = image("", more='task_id="2" subset="Test"')
    _, records, rejected = run(written(tmp_path, first + second, "Train/a.png", "Test/a.png"), "auto")
    assert not rejected
    assert [(r.source.file, r.split, len(r.findings)) for r in records] == [
        ("images/Train/a.png", "train", 1),
        ("images/Test/a.png", "test", 0),
    ]


def test_a_track_is_in_the_frames_where_it_is_not_outside(tmp_path: Path) -> None:
    """Of three frames the object has left the last, which is free of findings."""
    corners = 'xtl="4" ytl="2" xbr="20" ybr="12"'
    boxes = "".join(f'<box frame="{n}" outside="{int(n == 2)}" keyframe="1" {corners}/>' for n in range(3))
    frames = [f"frame_00000{n}.PNG" for n in range(3)]
    _, records, rejected = run(written(tmp_path, f'<track id="0" label="polyp">{boxes}</track>', *frames), "auto")
    assert not rejected and [[f.box for f in r.findings] for r in records] == [[(4, 2, 20, 12)]] * 2 + [[]]


def test_what_is_not_read_leaves_no_negative(tmp_path: Path) -> None:
    """Key points and what CVAT may write one day; masks whose run lengths do not fill them, or that are too large."""
    shapes = """<points label="tip" points="2,2"/><polyline label="edge" points="1,1;2,2"/><sphere label="new"/>
        <mask label="m" rle="1, 4" left="0" top="0" width="3" height="2"/>
        <mask label="m" rle="1" left="0" top="0" width="99999999" height="99999999"/>
        <box label="b" xtl="x" ytl="0" xbr="1" ybr="1"/>"""
    summary, [record], rejected = run(written(tmp_path, image(shapes)), "auto")
    assert record.findings == () and record.completeness == "partial"
    assert [r["reason"] for r in rejected] == [
        "xtl needs a number, not 'x'",
        "the mask's run lengths add up to 5, not 3 x 2",
        "a mask of 99999999 x 99999999 does not fit the image",
    ]
    assert any("key points, lines" in note for note in summary.notes)


def test_entities_are_refused(tmp_path: Path) -> None:
    """One that names a file of the system, in a file that would be CVAT's."""
    bomb = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    where = written(tmp_path, image('<box label="&e;" xtl="0" ytl="0" xbr="9" ybr="9"/>'), before=bomb)
    with pytest.raises(IngestError, match="XML entities are not allowed"):
        run(where, "auto")


def test_an_image_that_one_of_two_files_loses_is_no_negative(tmp_path: Path) -> None:
    where = written(tmp_path, image(""))
    inside = image('<box label="mass" xtl="4" ytl="2" xbr="20" ybr="12"/>').replace('width="40"', 'width="80"')
    (where / "data" / "more.xml").write_text(f"<annotations>{inside}</annotations>")
    _, [record], [rejected] = run(where, "auto")
    assert "another version" in rejected["reason"] and record.completeness == "partial"
