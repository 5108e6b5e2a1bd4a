"""Chest ImaGenome: places of the body are no findings, coordinates are those of the original image, the gold set is
kept out of training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.annotated import run
from tests.helpers.sets import chest_imagenome
from unveil.ingest.reading import IngestError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    chest_imagenome.write(tmp_path / "data")
    return tmp_path / "data"


def test_only_what_a_sentence_says_to_be_there_is_a_finding(data: Path) -> None:
    """Two names in two places, and one on the spine, whose box is cut at the lower edge (48). The mediastinum, of which
    nothing is said, and the right lung, of which something is denied, are none."""
    summary, records, rejected = run(data.parent, "auto")
    assert summary.format == "chest-imagenome" and not rejected
    assert [(f.label, f.box, f.phrase) for f in records[0].findings] == [
        ("lung opacity", (34, 6, 60, 40), "Mild left basal opacity."),
        ("pneumonia", (34, 6, 60, 40), "Mild left basal opacity."),
        ("lung opacity", (34, 26, 60, 40), "Mild left basal opacity."),
        ("pneumonia", (34, 26, 60, 40), "Mild left basal opacity."),
        ("scoliosis", (28, 0, 36, 48), "Scoliosis."),
    ]
    assert records[0].findings[2].attributes == {"body_part": "lower lung zone", "side": "left"}
    assert any("cut there" in note for note in summary.notes)
    assert {r.completeness for r in records} == {"partial"}


def test_attributes_that_are_no_list_are_told(data: Path) -> None:
    """What the place is said to show is lost, and counted."""
    path = data / "silver_dataset/scene_graph/aaaa0000_SceneGraph.json"
    graph = json.loads(path.read_text())
    graph["attributes"][0]["attributes"] = ["anatomicalfinding|yes|lung opacity"]
    path.write_text(json.dumps(graph))
    _, _, rejected = run(data.parent, "auto", allow_rejected=1.0)
    assert ["attributes of 'left lung' are lists of words" in item["reason"] for item in rejected] == [True]


def test_the_gold_sets_images_are_not_learnt_from(data: Path) -> None:
    """They stand in images_to_avoid.csv, and in none of the splits."""
    _, records, _ = run(data.parent, "auto")
    assert [r.split for r in records] == ["train", "train", "val", "test", "test"]
    assert [(r.patient, r.study) for r in records] == [(f"1999000{n}", f"5999000{n}") for n in range(5)]


def test_a_part_of_the_images_is_read_as_that(data: Path) -> None:
    next(data.rglob("aaaa0000.jpg")).unlink()
    summary, records, rejected = run(data.parent, "auto")
    assert len(records) == 4 and not rejected and any("1 of 5 scene graphs" in note for note in summary.notes)
    for image in data.rglob("*.jpg"):
        image.unlink()
    with pytest.raises(IngestError, match="none of the images of 5 scene graphs is here"):
        run(data.parent, "auto")


def test_graphs_that_are_nearly_right_say_what_differs(data: Path) -> None:
    graphs = sorted(data.rglob("*_SceneGraph.json"))
    content = json.loads(graphs[0].read_text())
    content["objects"] = content["objects"][:3]
    content["attributes"][0]["phrases"] = []
    graphs[0].write_text(json.dumps(content))
    graphs[1].write_text('{"objects": []}')
    _, records, rejected = run(data.parent, "auto")
    assert {r["reason"] for r in rejected} == {
        "0 phrases and 1 lists of attributes of 'left lung'",
        "the place 'spine' has no box",
        "a scene graph has lists of objects and attributes; this one has objects",
    }
    assert [f.label for f in records[0].findings] == ["lung opacity", "pneumonia"] and len(records) == 4
