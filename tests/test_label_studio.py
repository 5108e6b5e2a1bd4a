"""Label Studio tasks, read back by their numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from tests.helpers.exporting import BOX, L, answered, export, record
from unveil import cli
from unveil.core.decisions import hash_of
from unveil.core.records import Dialogue, Finding, Prediction

WHOLE = Finding('"large" heart & <more>')


def tasks(root: Path) -> list[dict[str, Any]]:
    return json.loads((root / "out/tasks.json").read_text())


def boxes(results: list[dict[str, Any]]) -> list[tuple[str, list[float]]]:
    """Labels and boxes in pixels, from per cent of the size that a result tells."""
    found = []
    for result in results:
        value, width, height = result["value"], result["original_width"], result["original_height"]
        x, y = value["x"] * width / 100, value["y"] * height / 100
        found.append(
            (*value["rectanglelabels"], [x, y, x + value["width"] * width / 100, y + value["height"] * height / 100])
        )
    return found


def test_a_task_by_hand(tmp_path: Path) -> None:
    """(4, 2, 7, 5) of 40 x 20 is 10 %, 10 %, 7.5 %, 15 %."""
    assert export(tmp_path, [record(tmp_path, "a/b 1.png", L)], "label-studio") == 0
    row = hash_of((tmp_path / "records.jsonl").read_bytes())
    assert tasks(tmp_path) == [
        {
            "data": {
                "image": "/data/local-files/?d=out/images/a_b_1.png", "record": "ward/a/b 1.png", "sha256": row,
            },
            "annotations": [{"result": [{
                "id": "1", "type": "rectanglelabels", "from_name": "label", "to_name": "image",
                "original_width": 40, "original_height": 20, "image_rotation": 0,
                "value": {"x": 10, "y": 10, "width": 7.5, "height": 15, "rotation": 0, "rectanglelabels": ["nodule"]},
                "meta": {"text": ["A nodule on the left."]},
            }]}],
        }
    ]  # fmt: skip
    assert (tmp_path / "out/images/a_b_1.png").is_file()


def test_a_folder_of_any_name_has_an_address(tmp_path: Path) -> None:
    """& and # would end the path that Label Studio is asked for."""
    export(tmp_path, [record(tmp_path, "a.png", L)], "label-studio", out="ward & #1")
    [task] = json.loads((tmp_path / "ward & #1/tasks.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=ward%20%26%20%231/images/a.png"


def test_each_task_has_a_line(tmp_path: Path) -> None:
    """Written one at a time, so that no more than one is in memory."""
    export(tmp_path, [record(tmp_path, "a.png", L), record(tmp_path, "b.png", BOX)], "label-studio")
    first, *lines, last = (tmp_path / "out/tasks.json").read_text().splitlines()
    assert (first, last) == ("[", "]") and [json.loads(line.rstrip(",")) for line in lines] == tasks(tmp_path)


def test_boxes_come_back(tmp_path: Path) -> None:
    export(tmp_path, [record(tmp_path, "a.png", L, BOX)], "label-studio")
    (label, first), (other, second) = boxes(tasks(tmp_path)[0]["annotations"][0]["result"])
    assert (label, other) == ("nodule", "größere Masse")
    assert first == pytest.approx(L.box) and second == pytest.approx(BOX.box)


def test_only_an_image_that_somebody_has_looked_at_has_an_annotation(tmp_path: Path) -> None:
    rows = [
        record(tmp_path, "none.png"),
        record(tmp_path, "open.png", completeness="unknown"),
        record(tmp_path, "whole.png", WHOLE, completeness="partial", report="Large heart."),
    ]
    export(tmp_path, rows, "label-studio", "--image-address", "https://ward/")
    none, still, whole = tasks(tmp_path)
    assert none["annotations"] == [{"result": []}] and "annotations" not in still
    data = {"image": "https://ward/whole.png", "record": "ward/whole.png", "report": "Large heart."}
    assert whole["data"] == {"sha256": whole["data"]["sha256"], **data}
    chosen = whole["annotations"][0]["result"][0]
    assert (chosen["type"], chosen["from_name"], chosen["value"]) == ("choices", "finding", {"choices": [WHOLE.label]})


def test_the_configuration_names_all_labels(tmp_path: Path) -> None:
    """Signs of XML in them, too."""
    export(tmp_path, [record(tmp_path, "a.png", L, WHOLE)], "label-studio")
    view: Any = ElementTree.parse(tmp_path / "out/labels.xml").getroot()
    assert [label.get("value") for label in view.findall("RectangleLabels/Label")] == sorted([WHOLE.label, "nodule"])
    assert [choice.get("value") for choice in view.findall("Choices/Choice")] == [WHOLE.label]
    assert (view.find("Image").attrib["value"], view.find("Choices").attrib["toName"]) == ("$image", "image")


def test_what_a_model_said_is_where_an_annotator_begins(tmp_path: Path) -> None:
    rows = [record(tmp_path, "a.png", L, completeness="partial"), record(tmp_path, "b.png", completeness="unknown")]
    asked = [Dialogue(f"d{r.id}", r.id, r.image, "test", "diagnosis", "?", "") for r in rows]
    said = "Detection: abnormal.\nLocalisation: [8, 4, 20, 10].\nRecognition: opacity."
    answers = [Prediction(asked[0].id, rows[0].id, "diagnosis", said, "json-pixels", (80, 40), "sft")]
    words = answered(tmp_path, rows, asked, answers)
    assert cli.main(["export", "records", *words, "--form", "label-studio", "--out", str(tmp_path / "out")]) == 0
    first, second = tasks(tmp_path)
    [prediction] = first["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("sft", None) and "predictions" not in second
    assert boxes(prediction["result"]) == [("opacity", pytest.approx([4, 2, 10, 5]))], "the model saw 80 x 40"
    assert 'value="opacity"' in (tmp_path / "out/labels.xml").read_text()
