"""One image in several places: phrases, readers, sections and languages of all of them, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.annotated import draw
from unveil.core.jsonl import read_jsonl
from unveil.core.records import Finding, Record
from unveil.ingest.joining import joined
from unveil.ingest.reading import AnnotationError
from unveil.ingest.rejections import overlapping, without_repeats
from unveil.ingest.runner import ingest

A = (0.0, 0.0, 10.0, 10.0)
NODULE = Finding("nodule", A, phrase="A nodule.", readers=("r1",))
ONE = Record("a", "a.png", 20, 20, findings=(NODULE,), readers=("r1",), language="en", sections={"findings": "x"})


def test_two_phrases_at_one_place_are_two() -> None:
    """And the sections and readers of both are the image's."""
    other = replace(
        ONE, findings=(NODULE, replace(NODULE, phrase="New.")), readers=("r2",), sections={"impression": "y"}
    )
    (whole,) = joined([ONE, other])
    assert [f.phrase for f in whole.findings] == ["A nodule.", "New."]
    assert whole.readers == ("r1", "r2") and whole.sections == {"findings": "x", "impression": "y"}
    assert not overlapping(whole.findings) and overlapping((NODULE, replace(NODULE, box=(0.0, 0.0, 10.0, 9.9))))


@pytest.mark.parametrize("said", [{"sections": {"findings": "z"}}, {"language": "es"}])
def test_places_that_disagree(said: dict) -> None:
    with pytest.raises(AnnotationError, match=r"disagree on its (report \(findings\)|language)"):
        joined([ONE, replace(ONE, **said)])


def test_what_two_readers_marked_alike_is_one_of_both() -> None:
    again = replace(NODULE, readers=("r2",))
    assert without_repeats([NODULE, again, NODULE]) == (replace(NODULE, readers=("r1", "r2")),)
    assert len(without_repeats([NODULE, replace(NODULE, phrase="New.")])) == 2


def test_places_that_follow_one_another_are_joined_too(tmp_path: Path) -> None:
    """The rows of a reader are a, a, b, c, b: each image has one record, with its own two findings or c's one."""
    for name in "abc":
        draw(tmp_path / f"data/{name}.png", seed=ord(name))
    boxes = [(1, "a"), (2, "a"), (3, "b"), (4, "c"), (5, "b")]
    images = [{"id": n, "file_name": f"{name}.png"} for n, name in boxes]
    found = [{"image_id": n, "category_id": 1, "bbox": [n, n, 9, 9]} for n, _ in boxes]
    content = {"images": images, "annotations": found, "categories": [{"id": 1, "name": "mass"}]}
    (tmp_path / "data/all.json").write_text(json.dumps(content))
    summary = ingest(tmp_path / "data", "coco", tmp_path / "out")
    records = read_jsonl(summary.records_file, Record)
    told = [(r.source.file, [f.box and f.box[0] for f in r.findings], r.completeness) for r in records]
    assert told == [("a.png", [1, 2], "partial"), ("b.png", [3, 5], "partial"), ("c.png", [4], "exhaustive")]
