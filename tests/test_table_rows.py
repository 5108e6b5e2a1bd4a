"""The csv reader, bad rows: what is lost is named, and makes no image a negative."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.tables import HEADER, draw, read, write


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """a.png, b.png and c.png of 60 x 40 pixels."""
    for seed, name in enumerate("abc"):
        draw(tmp_path / "data" / f"{name}.png", seed)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("rows", "row", "reason"),
    [
        ("a.png,x,1,1,5,5\na.png,x,1,1,1,5\n", 3, "zero-area"),
        ("a.png,x,1,1,5,5\na.png,x,1,1,,5\n", 3, "number"),
        ("a.png,x,1,1,5,5\na.png,,1,1,5,5\n", 3, "without a label"),
        ("a.png,x,1,1,5,5\na.png,{'x': 1},1,1,5,5\n", 3, "a list of labels that is not understood"),
        ('a.png,x,1,1,5,5\na.png,x,1,1,5,"1,000"\n', 3, "not '1,000'"),
        ("a.png,x,1,1,5,5\na.png,x,1,1,5\n", 3, "6 fields"),
        ("a.png,x,1,1,5,5\na.png,x,1,1,5,5,9\n", 3, "6 fields"),
        ("a.png,x,1,1,5,5\na.png,,,,,\n", 3, "deny"),
        ("a.png,x,1,1,5,5\nghost.png,x,1,1,5,5\n", 3, "no image 'ghost.png'"),
        ("a.png,x,1,1,5,5\n,x,1,1,5,5\n", 3, "empty"),
        (f"a.png,x,1,1,5,5\n{'n' * 5000},x,1,1,5,5\n", 3, "no image"),
    ],
)
def test_bad_row(rows: str, row: int, reason: str, data: Path) -> None:
    found = read(write(data, HEADER + rows), completeness="exhaustive")
    assert [(bad["file"], bad["row"]) for bad in found.rejected] == [("t.csv", row)]
    assert reason in found.rejected[0]["reason"] and len(found.rejected[0]["reason"]) < 200
    assert len(found.boxes("a.png")) == 1
    of_its_image = rows.splitlines()[1].startswith("a.png")
    assert found.completeness() == {"a.png": "partial" if of_its_image else "exhaustive"}


def test_fields_that_are_surplus_and_empty_are_no_fault(data: Path) -> None:
    assert not read(write(data, HEADER + "a.png,x,1,1,5,5,,\n")).rejected


def test_a_row_whose_image_cannot_be_told_makes_no_negative_of_any_that_it_may_mean(data: Path) -> None:
    for folder in ("one", "two"):
        draw(data / folder / "d.png", len(folder))
    rows = "one/d.png,,,,,\ntwo/d.png,,,,,\nd.png,x,1,2,30,40\nb.png,,,,,\n"
    found = read(write(data, HEADER + rows))
    assert found.completeness() == {"one/d.png": "partial", "two/d.png": "partial", "b.png": "exhaustive"}


@pytest.mark.parametrize("named", ["1f2e3d4c-d.png", "http://host/x/d%2Epng?t=1", "p3/d.jpg", ""])
def test_a_name_that_is_written_differently_or_none(named: str, data: Path) -> None:
    for folder in ("one", "two"):
        draw(data / folder / "d.png", len(folder))
    found = read(write(data, HEADER + f"one/d.png,,,,,\ntwo/d.png,,,,,\n{named},x,1,2,30,40\n"))
    assert found.completeness() == {"one/d.png": "partial", "two/d.png": "partial"}


def test_a_row_that_names_no_image_and_no_finding_costs_nothing(data: Path) -> None:
    assert read(write(data, "image,label,age\na.png,,7\n,,8\n")).completeness() == {"a.png": "exhaustive"}


def test_rows_that_disagree_reject_the_image_and_all_its_rows_count(data: Path) -> None:
    text = "image,label,patient,split\na,x,p1,train\na,y,p2,train\nb,x,p3,holdout\nb.png,x,p3,holdout\nc,x,p,test\n"
    found = read(write(data, text))
    assert [(bad["row"], bad["rows"]) for bad in found.rejected] == [(2, 2), (4, 2)]
    assert "disagree on its patient: p1, p2" in found.rejected[0]["reason"]
    assert "'holdout'" in found.rejected[1]["reason"]


def test_a_table_in_another_encoding_that_nobody_asked_for_is_passed_over(data: Path) -> None:
    write(data, "id,ort\n1,Köln\n", "hospital.csv", encoding="latin-1")
    found = read(write(data, HEADER + "a.png,x,1,2,30,40\n"))
    assert set(found.records) == {"a.png"} and any("passed over" in note for note in found.notes)


def test_a_row_in_another_encoding_is_rejected_if_it_is_needed(data: Path) -> None:
    text = "image,label,place\na.png,Lungenödem,x\nb.png,nodule,Köln\n"
    found = read(write(data, text, encoding="latin-1"))
    assert set(found.records) == {"b.png"} and "--encoding" in found.rejected[0]["reason"]
    assert read(data, encoding="latin-1").boxes("a.png") == [("Lungenödem", None)]
