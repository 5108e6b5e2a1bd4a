"""COCO: ids by value, boxes that outlive their masks; and a lost box never makes an image a true negative."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.annotated import (
    coco,
    draw,
    run,
    write_coco,
)
from unveil.core import geometry
from unveil.ingest import coco as coco_reader
from unveil.ingest.folder import Folder
from unveil.ingest.reading import Options

BOX = {"category_id": 0, "bbox": [4, 2, 16, 10]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw(tmp_path / "data/a.png")
    draw(tmp_path / "data/b.png", seed=1)
    return tmp_path / "data"


def two(ids: tuple[Any, Any], *annotations: dict[str, Any], **changes: Any) -> dict[str, Any]:
    images = [{"id": key, "file_name": f"{name}.png"} for key, name in zip(ids, "ab", strict=True)]
    return coco() | {"images": images, "annotations": list(annotations)} | changes


def read(
    data: Path, content: Any, **options: Any
) -> tuple[dict[str, tuple[int, str]], list[dict[str, Any]], list[str]]:
    """Number of findings and completeness of each image, what was rejected, and the notes."""
    (data / "l.json").write_text(json.dumps(content))
    summary, records, rejected = run(data.parent, "coco", **options)
    return {Path(r.image).stem: (len(r.findings), r.completeness) for r in records}, rejected, list(summary.notes)


@pytest.mark.parametrize(
    ("listed", "meant"),
    [(1, "1"), (1, 1.0), ("1", 1), ("1.0", 1), (1.0, "1"), ("01", "01"), ("01", 1), (1, "001"), ("a7", " a7 "),
     ("2f1e-9", "2f1e-9")],
)  # fmt: skip
def test_ids_are_compared_by_value(listed: Any, meant: Any, data: Path) -> None:
    content = two((listed, "other"), BOX | {"image_id": meant})
    assert read(data, content)[:2] == ({"a": (1, "exhaustive"), "b": (0, "exhaustive")}, [])


def test_an_id_with_a_zero_is_another_one_beside_that_without(data: Path) -> None:
    """01 is b's; 001 may mean either of the two."""
    content = two((1, "01"), BOX | {"image_id": "01"})
    assert read(data, content)[:2] == ({"a": (0, "exhaustive"), "b": (1, "exhaustive")}, [])
    found, rejected, _ = read(data, two((1, "01"), BOX | {"image_id": "001"}))
    assert found == {"a": (0, "partial"), "b": (0, "partial")} and "not listed" in rejected[0]["reason"]


@pytest.mark.parametrize(
    "content",
    [
        two((1, 2), BOX | {"image_id": 9}),
        two((1, 2), BOX),
        two((1, 2), BOX | {"image_id": None}),
        two((1, 2), BOX | {"image_id": [1]}),
        two((1, 2), segment_info=[BOX | {"image_id": 1}]),
        two((1, 2), BOX | {"image_id": 1, "category_id": 9}, BOX | {"image_id": 2, "bbox": [0, 0, 99, 99]}),
        two((1, 2), BOX | {"image_id": 1}, BOX | {"image_id": 2}, categories=[]),
        two((1, 2), BOX | {"image_id": 1}, BOX | {"image_id": 2}, categories=[{"id": 0, "name": "__background__"}]),
        two((1, 2), BOX | {"image_id": 1, "bbox": None}, BOX | {"image_id": 2, "bbox": "4 2 16 10"}),
    ],
    ids=["unlisted", "without", "null", "list", "other key", "bad", "no names", "background", "no box"],
)
def test_a_lost_box_leaves_no_negative(content: dict[str, Any], data: Path) -> None:
    found, rejected, _ = read(data, content)
    assert found == {"a": (0, "partial"), "b": (0, "partial")} and rejected


def test_an_image_that_another_file_rejects_is_no_negative(data: Path) -> None:
    """Whole files that cannot be used count too: one with a list of images that is none, one that is cut off."""
    (data / "more.json").write_text(json.dumps(two((1, 2), BOX | {"image_id": 1}, categories="none")))
    assert read(data, two((1, 2)))[0] == {"a": (0, "partial"), "b": (0, "partial")}
    (data / "more.json").write_text(json.dumps(two((1, 2), BOX | {"image_id": 1}))[:-9])
    assert read(data, two((1, 2)))[0] == {"a": (0, "partial"), "b": (0, "partial")}


def test_an_image_that_is_listed_twice_is_joined(data: Path) -> None:
    """In one file under two ids, or in two files: the findings are united; where they differ neither is complete."""
    content = two((1, 2), BOX | {"image_id": 1})
    twice = content | {"images": [*content["images"], {"id": 3, "file_name": "a.png"}]}
    found, rejected, notes = read(data, twice)
    assert (found, rejected) == ({"a": (1, "partial"), "b": (0, "exhaustive")}, [])
    assert any("annotated in several places, which differ" in note for note in notes)
    (data / "more.json").write_text(json.dumps(content))
    assert read(data, content)[0] == {"a": (1, "exhaustive"), "b": (0, "exhaustive")}


@pytest.mark.parametrize(
    ("segmentation", "mask", "said"),
    [
        ([[4, 2, 20, 2]], False, "three or more"),
        ([4, 2, 20, 2, 20, 12], True, ""),
        ([[[4, 2], [20, 2], [20, 12]]], False, "number"),
        ([[4, 2], [20, 2], [20, 12]], True, ""),
        ([[4, -3, 20, -3, 20, 12]], True, ""),
        ([[4, -300, 20, 2, 20, 12]], False, "outside"),
        ({"size": [40, 20], "counts": [800]}, False, "size"),
        ({"counts": [800]}, False, "size"),
        ("x", False, "size"),
        ([["a", 2, 20, 2, 20, 12]], False, "number"),
    ],
)
def test_a_bad_mask_costs_no_box(segmentation: Any, mask: bool, said: str, data: Path) -> None:
    (data / "l.json").write_text(json.dumps(two((1, 2), BOX | {"image_id": 1, "segmentation": segmentation})))
    summary, (a, _), rejected = run(data.parent, "coco")
    assert (a.completeness, rejected) == ("exhaustive", [])
    assert [(f.box, f.mask is not None) for f in a.findings] == [((4, 2, 20, 12), mask)]
    assert any("mask of an annotation is no good" in note and said in note for note in summary.notes) is not mask


@pytest.mark.parametrize(
    "named", ["d.png", "/elsewhere/d.png", "1f2e3d4c-d.png", "http://host/x/d%2Epng?t=1", "p3/d.jpg"]
)
def test_an_ambiguous_name_leaves_no_negative_of_what_it_may_mean(named: str, data: Path) -> None:
    """The box may be of either d.png."""
    for seed, folder in enumerate(("p1", "p2")):
        draw(data / folder / "d.png", seed=seed)
    files = ["p1/d.png", "p2/d.png", named, "b.png"]
    content = two((1, 2), BOX | {"image_id": 2}) | {"images": [{"id": n, "file_name": f} for n, f in enumerate(files)]}
    (data / "l.json").write_text(json.dumps(content))
    _, records, _ = run(data.parent, "coco")
    assert {(r.source.file, r.completeness) for r in records} == {
        ("p1/d.png", "partial"), ("p2/d.png", "partial"), ("b.png", "exhaustive")
    }  # fmt: skip


@pytest.mark.parametrize("entry", [{"id": 3}, {"id": 3, "file_name": ""}, {"annotations": [BOX]}])
def test_a_box_of_an_image_without_a_name_may_be_any(entry: dict[str, Any], data: Path) -> None:
    content = two((1, 2), BOX | {"image_id": 1}, BOX | {"image_id": 3})
    found, _, _ = read(data, content | {"images": [*content["images"], entry]})
    assert found == {"a": (1, "exhaustive"), "b": (0, "partial")}


WHOLE = json.dumps(two((1, 2), BOX | {"image_id": 1}))
TURNED = json.dumps({name: two((1, 2), BOX | {"image_id": 1})[name] for name in ("annotations", "images")})


@pytest.mark.parametrize(
    ("text", "partial"),
    [
        (WHOLE.replace("a.png", r"images\/a.png").replace("b.png", r"\u0062.png")[:-9], "ab"),
        (WHOLE.replace("file_name", "path")[:-9], "ab"),
        (WHOLE.replace("b.png", "other.png")[:-9], "a"),
        (WHOLE[: WHOLE.index("annotations")], "ab"),
        (TURNED[: TURNED.index("images")], "ab"),
        (TURNED[: TURNED.index("b.png")], "ab"),
        (json.dumps({"images": [{"id": 1}]}), ""),
        ('{"images": ["a.png"], "x": ', ""),
    ],
)
def test_images_that_a_damaged_file_may_be_about(text: str, partial: str, data: Path) -> None:
    """Where its list of images is whole, these; else any. The last two are no COCO."""
    (data / "more.json").write_text(text)
    found, rejected, _ = read(data, two((1, 2)))
    assert "".join(name for name, (_, told) in found.items() if told == "partial") == partial
    assert [bad["file"] for bad in rejected] == ["more.json"] * bool(partial)


@pytest.mark.parametrize("value", [BOX, [BOX], {"1": BOX}, {"1": [BOX]}, [[BOX]], {"x": {"y": [{"z": BOX}]}}])
def test_annotations_in_other_places(value: Any, data: Path) -> None:
    """Within the entry of their image they are its own; anywhere else in the file nobody knows whose."""
    content = two((1, 2))
    inside = [content["images"][0] | {"annotation": value}, content["images"][1]]
    assert read(data, content | {"images": inside})[:2] == ({"a": (1, "exhaustive"), "b": (0, "exhaustive")}, [])
    found, rejected, _ = read(data, content | {"more": value})
    assert found == {"a": (0, "partial"), "b": (0, "partial")}
    assert [bad["reason"] for bad in rejected] == ["annotations under 'more', where COCO has none"]


def test_each_file_is_looked_at_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To tell the format and to read it."""
    (data / "l.json").write_text(json.dumps(two((1, 2))))
    looked: list[str] = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a, **k: (looked.append(path.name), real(path, *a, **k))[1])
    folder = Folder.of(data, Options())
    assert coco_reader.found(folder) == coco_reader.found(folder) == [data.resolve() / "l.json"]
    assert looked == ["l.json"]


def test_a_box_that_is_written_into_its_image(data: Path) -> None:
    content = two((1, 2))
    content["images"][0] |= BOX
    assert read(data, content)[0] == {"a": (1, "exhaustive"), "b": (0, "exhaustive")}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty folder, for a data set with its own images."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_coco_segmentations(bare: Path) -> None:
    """A square polygon from (4, 2) to (8, 6), the same as run lengths by columns, and those compressed: 16 pixels.

    Columns of 20 rows: 4 * 20 + 2 empty, then 4 columns of 4 with 16 between; 800 - 82 - 4 * 4 - 3 * 16 = 654 remain.
    """
    counts = [82, 4, 16, 4, 16, 4, 16, 4, 654]
    mask = np.zeros((20, 40), bool)
    mask[2:6, 4:8] = True
    shapes: list[Any] = [
        [[4, 2, 8, 2, 8, 6, 4, 6]],
        {"size": [20, 40], "counts": counts},
        geometry.encode_mask(mask),
    ]
    write_coco(bare)
    content = coco()
    content["annotations"] = [
        {"id": n, "image_id": 7, "category_id": n // 2, "segmentation": shape, "iscrowd": int(n == 1)}
        for n, shape in enumerate(shapes)
    ]
    (bare / "annotations/instances_train2017.json").write_text(json.dumps(content))
    _, records, rejected = run(bare.parent, "coco")
    findings = [f for r in records for f in r.findings]
    assert rejected == [] and [f.box for f in findings] == [(4, 2, 8, 6)] * 3
    assert all((geometry.decode_mask(f.mask or {}) == mask).all() for f in findings)
    assert [f.attributes for f in findings] == [{}, {"crowd": "yes"}, {}]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"bbox": [1, 1, 0, 5]}, "zero-area"),
        ({"bbox": [1, 1, 90, 5]}, "outside"),
        ({"bbox": [1, 1, float("nan"), 5]}, "finite"),
        ({"bbox": [1, 1, 5]}, "4 numbers"),
        ({"bbox": [1, 1, 5, 5], "category_id": 99}, "category_id 99"),
        ({}, "neither bbox nor segmentation"),
        ({"bbox": [1, 1, 5, 5], "image_id": 99}, "image_id 99"),
        ({"segmentation": [[1, 1, 5, 5]]}, "three or more"),
        ({"segmentation": [[1, 1, 1e12, 5, 5, 1e12]]}, "outside"),
        ({"segmentation": {"size": [20, 40], "counts": [799]}}, "add up to 799, not 800"),
        ({"segmentation": {"size": [20, 40], "counts": [-1, 801]}}, "whole numbers"),
        ({"segmentation": {"size": [20, 40], "counts": "zzzzzz"}}, "the character 'z'"),
        ({"segmentation": {"size": [20, 40], "counts": "0"}}, "add up to 0, not 800"),
        ({"segmentation": {"size": [20, 40], "counts": "P"}}, "middle of a number"),
        ({"segmentation": {"size": [9**9, 9**9], "counts": "0"}}, "needs size"),
        ({"segmentation": {"size": [20, 40], "counts": [800]}}, "empty mask"),
    ],
)
def test_coco_bad_annotation(annotation: dict[str, Any], reason: str, bare: Path) -> None:
    write_coco(bare)
    content = coco()
    content["annotations"].append({"id": 9, "image_id": 7, "category_id": 0} | annotation)
    (bare / "annotations/instances_train2017.json").write_text(json.dumps(content))
    summary, _, rejected = run(bare.parent, "coco")
    assert summary.findings == 2
    assert [(r["file"], r["row"]) for r in rejected] == [("annotations/instances_train2017.json", 3)]
    assert reason in rejected[0]["reason"]


def test_coco_image_in_a_file_with_a_split_and_in_one_without(bare: Path) -> None:
    write_coco(bare)
    (bare / "annotations/all.json").write_text(json.dumps(coco()))
    _, records, rejected = run(bare.parent, "coco")
    assert {r.split: len(r.findings) for r in records} == {"train": 2, "test": 0} and rejected == []


def test_coco_ids_that_stand_twice(bare: Path) -> None:
    write_coco(bare)
    content = coco()
    content["images"].append({"id": 7, "file_name": "b.png"})
    (bare / "annotations/instances_train2017.json").write_text(json.dumps(content))
    _, records, rejected = run(bare.parent, "coco")
    assert [r.source.file for r in records] == ["images/b.png"]
    assert [r["reason"] for r in rejected] == ["image: image id 7 stands 2 times"] * 2


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        (json.dumps(coco())[:-5], "not JSON"),
        (json.dumps(coco()).replace('"width": 40', '"width": ' + "9" * 5000, 1), "a number of thousands of digits"),
        (json.dumps(coco())[:-1] + ', "x": ' + "[" * 10_000 + "]" * 10_000 + "}", "nested more than 64 deep"),
    ],
    ids=["cut", "digits", "deep"],
)
def test_coco_damaged_file_is_rejected_and_the_others_are_read(spoilt: str, reason: str, bare: Path) -> None:
    write_coco(bare)
    (bare / "annotations/val.json").write_text(spoilt)
    summary, _, rejected = run(bare.parent, "coco")
    assert summary.records == 2 and [r["file"] for r in rejected] == ["annotations/val.json"]
    assert "not usable as COCO" in rejected[0]["reason"] and reason in rejected[0]["reason"]


def test_coco_name_with_half_a_character_costs_its_own_rows_only(bare: Path) -> None:
    """What is written holds no such name, since no file in UTF-8 can."""
    write_coco(bare)
    content = coco()
    content["categories"][0]["name"] = "half \ud800"
    (bare / "annotations/instances_train2017.json").write_text(json.dumps(content))
    _, records, rejected = run(bare.parent, "coco", allow_rejected=1.0)
    assert [(f.label, r.completeness) for r in records for f in r.findings] == [("mass", "partial")]
    assert len(records) == 2 and r"half \ud800" in rejected[0]["reason"]
